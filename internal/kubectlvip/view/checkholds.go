package view

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// checkHolds finds control planes that the allocator paused and that nobody will resume: those of Clusters deleted
// meanwhile, which the topology controller no longer renders, and those of an operator that is gone.
func checkHolds(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Snapshots {
		c := &f.Snapshots[i].Cluster
		if c.Pause != vip.PauseOwn {
			continue
		}
		operator := f.operatorOf(c)
		finding := Finding{Severity: SeverityError, Object: "Cluster " + c.Key().String()}
		switch {
		case c.Deleting && c.InUse && c.ControlPlane != "":
			finding.Message = "it was deleted while its control plane was held for the VIP, " +
				"so its deletion may wait for ever"
			finding.Do = fmt.Sprintf("kubectl annotate -n %s %s %s-", c.Namespace, c.ControlPlane, names.Paused)
		case !c.Deleting && operator != nil && operator.State == OperatorNotRunning:
			finding.Message = "its control plane is held for the VIP, " +
				"and the operator that would let it go does not run"
			finding.Do = fmt.Sprintf(
				"start the operator; if it is gone for good: kubectl patch cluster -n %s %s --type=json -p "+
					`'[{"op":"remove","path":"/spec/topology/controlPlane/metadata/annotations/%s"}]'`,
				c.Namespace, c.Name, "cluster.x-k8s.io~1paused")
		default:
			continue
		}
		found = append(found, finding)
	}
	return found
}
