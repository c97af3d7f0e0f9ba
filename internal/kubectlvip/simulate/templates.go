package simulate

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// waitsForTemplates reports whether the endpoint is held back until the topology controller has rendered what the plan is
// about to write.
func (o *Outcome) waitsForTemplates() bool {
	return len(o.Plan.Actions) > 0 && slices.ContainsFunc(o.Plan.Status.Roles, func(r vip.RoleStatus) bool {
		return r.Role == names.RoleControlPlane && r.Reason == names.ReasonWaitingForTopology
	})
}

// carryOut writes actions to a Cluster, and lets the topology controller render what they say.
func carryOut(c *vip.Cluster, actions []vip.Action) {
	for _, action := range actions {
		switch a := action.(type) {
		case vip.AddFinalizer:
			c.Held = true
		case vip.HoldEndpoint:
			c.Gate, c.Endpoint.Port = a.Gate, 0
		case vip.KeepPort:
			c.Gate = a.Gate
		case vip.SetAnnotation:
			c.VIPs = maps.Clone(c.VIPs)
			if c.VIPs == nil {
				c.VIPs = map[string]string{}
			}
			c.VIPs[a.Role] = a.Value
		case vip.SetVariables:
			c.Variables = maps.Clone(c.Variables)
			if c.Variables == nil {
				c.Variables = map[string][]byte{}
			}
			for _, value := range a.Values {
				setVariable(c.Variables, value)
			}
		}
	}
	c.Generation = max(c.Generation+1, c.Gate.Generation)
	c.Topology = vip.Topology{Observed: c.Generation, Rendered: true}
}

// setVariable sets a variable, or a field of it where the path has dots.
func setVariable(variables map[string][]byte, value vip.Value) {
	name, path, nested := strings.Cut(value.Path, ".")
	content := value.Value
	if nested {
		whole := map[string]any{}
		_ = json.Unmarshal(variables[name], &whole) // what is no object is replaced by one
		at := whole
		fields := strings.Split(path, ".")
		for _, field := range fields[:len(fields)-1] {
			below, ok := at[field].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[field] = below
			}
			at = below
		}
		at[fields[len(fields)-1]] = value.Value
		content = whole
	}
	if text, err := json.Marshal(content); err == nil { // strings, numbers and maps of these always are JSON
		variables[name] = text
	}
}
