package acceptance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/harness"
)

// earlierIngress is the key of annotation and label in which operator v0.7 put the ingress VIP.
const earlierIngress = names.Domain + "/ingress-vip"

// TestMigration takes over a Cluster as the earlier operator v0.7 left it: its claims have an owner and the label of
// their role, and no more.
func TestMigration(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	s.bothPools()
	s.cluster("old")
	cluster := s.sees("old")
	owner := map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "name": "old", "uid": string(cluster.GetUID()),
		"controller": true, "blockOwnerDeletion": true,
	}
	for claim, role := range map[string]string{"vip-cp-old": controlPlane, "vip-ingress-old": ingress} {
		pool := s.name + "-" + role + map[string]string{controlPlane: "-10", ingress: "-20"}[role]
		s.create(harness.NewClaim{Namespace: s.name, Name: claim, Pool: pool, Owner: owner, Labels: map[string]string{names.Role: role}})
	}
	host, vip := s.bound("vip-cp-old"), s.bound("vip-ingress-old")
	claims := map[string]string{}
	for _, claim := range s.ClaimsIn(s.name) {
		claims[claim.GetName()] = string(claim.GetUID())
	}
	s.edit("old", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{earlierIngress: vip}, "labels": map[string]any{earlierIngress: vip}},
		"spec":     map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": 6443}},
	})
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)

	t.Run("if v0.7 has served a Cluster, should keep its addresses and its claims", func(t *testing.T) {
		s := s.in(t)
		taken := s.served("old")
		require.Equal(t, harness.Endpoint{Host: host, Port: 6443}, taken.Endpoint())
		require.Equal(t, vip, taken.VIP(ingress))
		require.True(t, taken.Held())
		require.Equal(t, vip, taken.GetAnnotations()[earlierIngress], "what others read stays")
		for _, claim := range s.ClaimsIn(s.name) {
			require.Equal(t, claims[claim.GetName()], string(claim.GetUID()), claim.GetName())
		}
	})
	t.Run("if the old annotation and label are removed, should not care", func(t *testing.T) {
		s := s.in(t)
		s.edit("old", map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{earlierIngress: nil}, "labels": map[string]any{earlierIngress: nil},
		}})
		s.handled()
		s.served("old")
	})
}
