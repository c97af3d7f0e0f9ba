package capi

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// ControlPlaneTopology is the view of spec.topology.controlPlane: the annotation in its metadata that pauses the
// control plane object, and what a JSON patch needs to know of the rest to add and remove it. Cluster API refuses
// empty objects there.
type ControlPlaneTopology struct {
	// Paused says that the annotation is there, and By is its value.
	Paused bool   `json:"-"`
	By     string `json:"-"`

	// Depth is how many of controlPlane, metadata and annotations exist, and Lonely how many of them, from the inside
	// out, hold nothing else.
	Depth  int `json:"-"`
	Lonely int `json:"-"`
}

// holdPath is where the annotation is, below spec.topology.
var holdPath = []string{"controlPlane", "metadata", "annotations"}

// UnmarshalJSON implements json.Unmarshaler.
func (t *ControlPlaneTopology) UnmarshalJSON(data []byte) error {
	*t = ControlPlaneTopology{}
	for i := range holdPath {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil {
			return fmt.Errorf("spec.topology.%s: %w", strings.Join(holdPath[:i+1], "."), err)
		}
		if object == nil {
			return nil
		}
		t.Depth++
		t.Lonely++
		if len(object) > 1 {
			t.Lonely = 0
		}
		next, last := names.Paused, i == len(holdPath)-1
		if !last {
			next = holdPath[i+1]
		}
		value, ok := object[next]
		switch {
		case !ok:
			return nil
		case last:
			t.Paused = true
			return json.Unmarshal(value, &t.By)
		}
		data = value
	}
	return nil
}

// pause says who pauses the control plane object through the topology.
func (t *ControlPlaneTopology) pause() vip.Pause {
	switch {
	case !t.Paused:
		return vip.PauseNone
	case strings.HasPrefix(t.By, holdValue):
		return vip.PauseOwn
	}
	return vip.PauseForeign
}

// holdValue starts the value of the annotation that the allocator writes, which Cluster API does not read. The
// generation after it tells one hold from the next.
const holdValue = names.Domain + "/"

// hold returns the operation that makes the topology pause the control plane object.
func (t *ControlPlaneTopology) hold(gate vip.Gate) any {
	path := strings.Join(append([]string{"/spec/topology"}, holdPath[:t.Depth]...), "/")
	var value any = fmt.Sprintf("%s%d", holdValue, gate.Generation)
	key := names.Paused
	for i := len(holdPath) - 1; i >= t.Depth; i-- {
		value, key = object{key: value}, holdPath[i]
	}
	return operation{opAdd, path + "/" + pointerTo(key), value}
}

// letGo returns the operation that removes the annotation, and the objects that would be empty without it.
func (t *ControlPlaneTopology) letGo() any {
	path := strings.Join(append([]string{"/spec/topology"}, holdPath[:len(holdPath)+1-max(t.Lonely, 1)]...), "/")
	if t.Lonely == 0 {
		path += "/" + pointerTo(names.Paused)
	}
	return operation{Op: opRemove, Path: path}
}
