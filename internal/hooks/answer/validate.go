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

// validateTopology refuses a Cluster that needs a VIP for which no pool exists. It does not refuse one that has its
// VIP: removing a pool must not stop the maintenance of running Clusters. Nor does it refuse what it does not know.
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
			if snapshot.ClusterClass == nil { // the cache is late: Cluster API calls because of the class
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

// missingPools returns an error that names the roles for which a Cluster has neither a VIP nor a pool, or nil.
func missingPools(snapshot *vip.Snapshot, roles []string) error {
	cluster := &snapshot.Cluster
	status := vip.Decide(*snapshot).Status
	if cluster.Deleting || len(status.Roles) == 0 {
		return nil // paused, filtered, or served entirely by someone else
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

// missingPool returns the message about a role without a pool, or "". If no pool serves a Cluster at all, its status
// has only the control plane, so missingPool repeats the choice for other roles.
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
