package vip

import (
	"encoding/json"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Effect changes c as carrying out the action would change the Cluster. Actions on other objects change nothing.
func Effect(c *Cluster, action Action) {
	switch a := action.(type) {
	case AddFinalizer:
		c.HasFinalizer = true
	case RemoveFinalizer:
		c.HasFinalizer = false
	case HoldControlPlane:
		c.Gate, c.Pause = a.Gate, PauseOwn
		if c.Endpoint.Host == "" {
			c.Endpoint.Port = 0
		}
	case ReleaseControlPlane:
		c.Gate, c.Pause = Gate{}, PauseNone
	case KeepPort:
		c.Gate = a.Gate
	case SetEndpoint:
		c.Endpoint = a.Endpoint
		if c.Pause != PauseOwn {
			c.Gate = Gate{}
		}
		c.record(names.RoleControlPlane, a.ClaimUID)
	case SetAnnotation:
		c.VIPs = with(c.VIPs, a.Role, a.Value)
		if a.Role != names.RoleControlPlane { // recorded when the endpoint is written
			c.record(a.Role, a.ClaimUID)
		}
	case RecordClaim:
		c.record(a.Slot, a.ClaimUID)
	case SetVariables:
		c.HasFinalizer = true
		for _, value := range a.Values {
			name, path, _ := strings.Cut(value.Path, ".")
			c.Variables = with(c.Variables, name, valueWith(c.Variables[name], path, value.Value))
		}
	case CreateClaim, AdoptClaim, RenewOwner, ReplaceClaim, DeleteClaim, SetRecords, DeleteRecords, Probe:
	}
}

func (c *Cluster) record(slot string, claim types.UID) {
	if claim != "" {
		c.Written = with(c.Written, slot, claim)
	}
}

// with returns a copy of a map with one entry added or replaced.
func with[V any](m map[string]V, key string, value V) map[string]V {
	copied := maps.Clone(m)
	if copied == nil {
		copied = map[string]V{}
	}
	copied[key] = value
	return copied
}

// valueWith returns the JSON of a variable with value set at a dotted path. Anything on the way that is not an object
// is replaced by one.
func valueWith(variable []byte, path string, value any) []byte {
	if path != "" {
		whole := map[string]any{}
		_ = json.Unmarshal(variable, &whole)
		at, fields := whole, strings.Split(path, ".")
		for _, field := range fields[:len(fields)-1] {
			inner, ok := at[field].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[field] = inner
			}
			at = inner
		}
		at[fields[len(fields)-1]] = value
		value = whole
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return variable // cannot happen: values are strings and numbers
	}
	return encoded
}
