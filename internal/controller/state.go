package controller

import (
	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kube"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// state gives metrics their view of the caches.
type state struct{ *kube.Store }

// ClusterStates implements telemetry.Source.
func (s *state) ClusterStates() map[telemetry.RoleState]int {
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
