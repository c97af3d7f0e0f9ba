package answer

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// validateTopology refuses a Cluster that needs a VIP for which there is no pool. It does not refuse one that has its
// VIP: a pool that goes later must not stop the upkeep of Clusters that run. What it does not know it does not refuse.
func (e *extension) validateTopology(request *hooks.ValidateTopologyRequest) *hooks.ValidateTopologyResponse {
	s, err := parseSettings(request.Settings)
	if err != nil {
		return &hooks.ValidateTopologyResponse{CommonResponse: failure(err)}
	}
	values, err := builtins(request.Variables)
	if err != nil {
		return &hooks.ValidateTopologyResponse{CommonResponse: failure(err)}
	}
	if store := e.Store(); store != nil && values != nil && values.Cluster != nil {
		key := types.NamespacedName{Namespace: values.Cluster.Namespace, Name: values.Cluster.Name}
		if _, snapshot, known := store.Gather(key, vip.Memory{}, e.Settings, e.Now()); known {
			if snapshot.ClusterClass == nil { // a late cache: Cluster API asks in the name of the class
				snapshot.ClusterClass = &vip.ClusterClass{}
			}
			err = missingPools(&snapshot, s.requiredRoles)
		}
	}
	if err != nil {
		return &hooks.ValidateTopologyResponse{CommonResponse: failure(err)}
	}
	return &hooks.ValidateTopologyResponse{CommonResponse: success("")}
}

// missingPools says which of the roles a Cluster has neither a VIP nor a pool for.
func missingPools(snapshot *vip.Snapshot, roles []string) error {
	cluster := &snapshot.Cluster
	status := vip.Decide(*snapshot).Status
	if cluster.Deleting || len(status.Roles) == 0 {
		return nil // paused, filtered, or served by someone else altogether
	}
	var missing []string
	for _, role := range roles {
		if cluster.VIPs[role] != "" || role == names.RoleControlPlane && cluster.Endpoint.Host != "" {
			continue
		}
		if message := missingPool(snapshot, status, role); message != "" {
			missing = append(missing, message)
		}
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "; "))
	}
	return nil
}

// missingPool returns the message about a role without a pool, or "". The status says nothing of the roles of a Cluster
// that no pool serves at all but of its control plane, so for others the same choice is asked for again.
func missingPool(snapshot *vip.Snapshot, status vip.Status, role string) string {
	for _, known := range status.Roles {
		if known.Role == role {
			if known.Reason == names.ReasonPoolNotFound {
				return known.Message
			}
			return ""
		}
	}
	if vip.Choose(&snapshot.Cluster, snapshot.Pools, role).Pool != nil {
		return ""
	}
	return fmt.Sprintf("no pool serves role %s for ClusterClass %s in namespace %s",
		role, snapshot.Cluster.Class, snapshot.Cluster.Namespace)
}
