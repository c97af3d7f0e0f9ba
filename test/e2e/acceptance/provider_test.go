package acceptance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestWithoutProvider covers what happens while the IPAM provider is down.
func TestWithoutProvider(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e))
	s.bothPools()
	s.cluster("served")
	s.served("served")

	require.NoError(t, e.Plane.StopComponent(t.Context(), plane.IPAM))
	back := func() { require.NoError(t, e.Plane.StartComponent(t.Context(), plane.IPAM)) }
	running := false
	t.Cleanup(func() {
		if !running {
			back()
		}
	})
	for _, name := range []string{"waits", "provided", "deleted"} {
		s.cluster(name)
		s.sees(name, condition(controlPlane, names.ReasonWaitingForIPAddress),
			condition(ingress, names.ReasonWaitingForIPAddress),
			held(true), endpoint("", 0))
	}
	t.Run("if the provider is down, should say that it waits, and not before two seconds", func(t *testing.T) {
		s := s.in(t)
		status := s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "waits" && e.Subresource == "status" })
		require.Len(t, status, 1)
		// The timestamp of the claim may be up to a second early.
		claim := s.Claim(s.name, "vip-cp-waits")
		require.GreaterOrEqual(t, status[0].Time.Sub(claim.GetCreationTimestamp().Time), quiet+time.Second)
		s.hasEvent("waits", "Warning WaitingForIPAddress")
	})
	t.Run("if the user sets the host meanwhile, should keep it and delete the claim", func(t *testing.T) {
		s := s.in(t)
		s.edit("provided", map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "mine.example.com", "port": 7443}},
		})
		s.sees("provided", condition(controlPlane, names.ReasonEndpointProvided), endpoint("mine.example.com", 7443))
		s.eventually("the claim is being deleted", func() error {
			if s.Claim(s.name, "vip-cp-provided").GetDeletionTimestamp() == nil {
				return harness.ErrNotYet
			}
			return nil
		})
	})
	t.Run("if a waiting Cluster is deleted meanwhile, should keep it until its claim is gone", func(t *testing.T) {
		s := s.in(t)
		s.delete("deleted")
		s.sees("deleted", condition(controlPlane, names.ReasonReleasing), held(true))
	})
	t.Run("if a served Cluster loses an annotation meanwhile, should restore it", func(t *testing.T) {
		s := s.in(t)
		s.annotate("served", names.Annotation(ingress), nil)
		s.served("served")
	})
	back()
	running = true
	t.Run("if the provider is back, should serve who waits", func(t *testing.T) {
		s := s.in(t)
		s.served("waits")
		s.gone("deleted")
		s.eventually("the claim is given back", func() error {
			if s.Claim(s.name, "vip-cp-provided") != nil {
				return harness.ErrNotYet
			}
			return nil
		})
		s.sees("provided", endpoint("mine.example.com", 7443), condition(ingress, names.ReasonIPAddressAssigned),
			annotation(controlPlane, ""))
	})
}

// TestWithoutInfrastructure covers a Cluster before its infrastructure is there: then Cluster API replaces an
// endpoint that has a port and no host.
func TestWithoutInfrastructure(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e))
	t.Cleanup(s.end)
	require.NoError(t, e.Plane.StopComponent(t.Context(), plane.FakeProvider))
	t.Cleanup(func() { require.NoError(t, e.Plane.StartComponent(context.Background(), plane.FakeProvider)) })
	s.bothPools()
	t.Run("if the port is set already, should keep it", func(t *testing.T) {
		s := s.in(t)
		s.cluster("one", func(c *harness.NewCluster) { c.Port = 8443 })
		require.Equal(t, harness.Endpoint{Host: s.ip(10), Port: 8443}, s.served("one").Endpoint())
	})
}
