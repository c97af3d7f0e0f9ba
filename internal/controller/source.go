package controller

import (
	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// source gives metrics their view of the caches.
type source struct{ *state.Store }

// ClusterStates implements telemetry.Source.
func (s *source) ClusterStates() map[telemetry.RoleState]int {
	roles := map[string]string{}
	known := func(role string) { roles[names.ConditionType(role)] = role }
	known(names.RoleControlPlane)
	known(names.RoleIngress)
	for _, pool := range s.Pools() {
		for _, role := range pool.Roles {
			known(role)
		}
	}
	counts := map[telemetry.RoleState]int{}
	for _, object := range s.Clusters.GetStore().List() {
		cluster, ok := object.(*capi.Cluster)
		if !ok {
			continue
		}
		for _, condition := range cluster.OwnConditions() {
			if role, ok := roles[condition.Type]; ok {
				counts[telemetry.RoleState{Role: role, Reason: condition.Reason}]++
			}
		}
	}
	return counts
}

// OrphanedClaims implements telemetry.Source. It does not count claims that are being deleted or that something other
// than a Cluster owns.
func (s *source) OrphanedClaims() int {
	count := 0
	for _, object := range s.Claims.GetStore().List() {
		cached, ok := object.(*capi.Claim)
		if !ok || cached.Labels[names.Role] == "" || cached.DeletionTimestamp != nil {
			continue
		}
		owner := cached.Snapshot().Owner
		if owner == nil || owner.Kind == capi.KindCluster && !s.exists(cached.Namespace, owner) {
			count++
		}
	}
	return count
}

// exists reports whether the Cluster that owns a claim is there.
func (s *source) exists(namespace string, owner *vip.Owner) bool {
	cluster := s.CachedCluster(namespace + "/" + owner.Name)
	return cluster != nil && cluster.UID == owner.UID
}
