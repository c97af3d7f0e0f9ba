package acceptance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// Only the watch of IPAddresses lags. A Cluster is deleted, another one gets its address, and the first one returns
// under its old name: the new one must not take the address that the cache still holds for its former claim.
func TestAddressesThatComeLate(t *testing.T) {
	e := onPlane(t)
	proxy, err := harness.NewFaultProxy(t.Context(), e.Plane, harness.User, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	operator := startOperator(t, e.Plane, harness.OperatorOptions{
		Kubeconfig: proxy.Kubeconfig, Args: []string{"--retry-interval=1s", "--reconcile-period=2s"},
	})
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.pool(controlPlane, 10, 19)
	s.cluster("prod")
	s.sees("prod", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))

	proxy.Lag("ipaddresses")
	s.delete("prod")
	s.gone("prod")
	s.cluster("other")
	require.Equal(t, s.ip(10), s.bound("vip-cp-other"), "other gets the address that prod gave back")
	s.cluster("prod")
	require.Equal(t, s.ip(11), s.bound("vip-cp-prod"))
	s.sees("prod", condition(controlPlane, names.ReasonWaitingForIPAddress), endpoint("", 0))
	proxy.CatchUp()
	s.sees("prod", endpoint(s.ip(11), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	s.sees("other", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	require.Empty(t, e.guard.Breaches())
}

// The operator starts while the watch of IPAddresses delivers nothing, and a served Cluster has lost its annotations:
// the operator waits until it knows, and gives nothing up.
func TestNothingIsGivenUpForLackOfEvidence(t *testing.T) {
	e := onPlane(t)
	first := runOperator(t, e)
	s := newScope(t, e, first)
	s.bothPools()
	s.cluster("prod")
	before := s.served("prod")
	claim := s.Claim(s.name, "vip-cp-prod").GetUID()
	require.NoError(t, first.Kill())
	clusters := s.Clusters(s.name)
	for _, key := range []string{names.Annotation(controlPlane), names.Annotation(ingress), names.Claims} {
		require.NoError(t, harness.Merge(context.Background(), clusters, "prod", map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{key: nil}},
		}))
	}
	lost := map[string]any{"status": map[string]any{"conditions": nil}}
	s.eventually("the loss of the conditions", func() error {
		// A status may not be empty, so Cluster API must have written its part first.
		return harness.Merge(t.Context(), clusters, "prod", lost, "status")
	})
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)
	after := s.served("prod")
	require.Equal(t, before.Endpoint(), after.Endpoint())
	require.Equal(t, before.VIP(ingress), after.VIP(ingress))
	require.Equal(t, claim, s.Claim(s.name, "vip-cp-prod").GetUID(), "the claim was never given up")
	require.Contains(t, after.GetAnnotations()[names.Claims], string(claim))
}
