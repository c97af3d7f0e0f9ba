package simulate

import (
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// waitsForTemplates reports whether the endpoint waits until the topology controller has rendered what the plan is
// about to write.
func (o *Outcome) waitsForTemplates() bool {
	if slices.ContainsFunc(o.Plan.Actions, func(a vip.Action) bool { _, ok := a.(vip.SetVariables); return ok }) {
		return true
	}
	return len(o.Plan.Actions) > 0 && slices.ContainsFunc(o.Plan.Status.Roles, func(r vip.RoleStatus) bool {
		return r.Role == names.RoleControlPlane && r.Reason == names.ReasonWaitingForTopology
	})
}

// carryOut applies actions to a Cluster, and acts as if the topology controller had rendered them.
func carryOut(c *vip.Cluster, actions []vip.Action) {
	for _, action := range actions {
		vip.Effect(c, action)
	}
	c.Generation = max(c.Generation+1, c.Gate.Generation)
	c.Topology = vip.Topology{Observed: c.Generation, Rendered: true}
}
