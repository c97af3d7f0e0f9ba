package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// atOnce bounds what a watch triggers, on a busy machine: it usually takes milliseconds, and without a watch the next
// look comes after the reconcile period of 30 seconds.
const atOnce = 10 * time.Second

func TestHealing(t *testing.T) {
	t.Parallel() // after the disruptive tests
	for name, change := range map[string]struct {
		role  string
		value any
	}{
		"if the ingress annotation is removed, should restore it at once":                  {ingress, nil},
		"if the ingress annotation is changed, should restore it at once":                  {ingress, "10.0.0.1"},
		"if the ingress annotation is made nonsense, should restore it at once":            {ingress, "not an address"},
		"if the control plane annotation is removed, should restore it at once":            {controlPlane, nil},
		"if the control plane annotation is changed, should restore it and leave the host": {controlPlane, "10.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ordinary(t)
			s.bothPools()
			s.cluster("one")
			before := s.served("one")

			begin := time.Now()
			s.annotate("one", names.Annotation(change.role), change.value)
			s.sees("one", annotation(change.role, before.VIP(change.role)))
			took := time.Since(begin)
			t.Logf("restored after %s", took)
			require.Less(t, took, atOnce)
			s.hasEvent("one", "Normal AnnotationRestored")
			require.Equal(t, before.Endpoint(), s.get("one").Endpoint())
			require.NotContains(t, s.events("one"), "Warning "+names.EventEndpointInPoolRange, "it was not set by hand")
		})
	}
	t.Run("if all annotations are removed again and again, should restore them every time", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		for range 5 {
			s.edit("one", map[string]any{"metadata": map[string]any{"annotations": map[string]any{
				names.Annotation(controlPlane): nil, names.Annotation(ingress): nil,
			}}})
			s.served("one")
		}
		require.Len(t, s.ClaimsIn(s.name), 2)
	})
	t.Run("if our finalizer is taken off, should put it back", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.edit("one", map[string]any{"metadata": map[string]any{"finalizers": []string{names.ClusterFinalizer}}})
		s.sees("one", held(true))
	})
	t.Run("if a claim is deleted by hand, should make it anew and hold the same address", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		before := s.served("one")
		for _, claim := range []string{"vip-cp-one", "vip-ingress-one"} {
			lost := s.Claim(s.name, claim).GetUID()
			require.NoError(t, harness.Delete(t.Context(), s.Claims(s.name), claim))
			s.eventually("the claim is made anew", func() error {
				if claim := s.Claim(s.name, claim); claim == nil || claim.GetUID() == lost {
					return harness.ErrNotYet
				}
				return nil
			})
			s.bound(claim)
		}
		after := s.served("one")
		require.Equal(t, before.Endpoint(), after.Endpoint())
		require.Equal(t, before.VIP(ingress), after.VIP(ingress))
	})
	t.Run("if a claim is lost and no pool offers the endpoint in use, "+
		"should keep it without a claim until one does", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))

		s.serve(pool, "another")
		other := s.pool(controlPlane, 30, 30)
		require.NoError(t, harness.Delete(t.Context(), s.Claims(s.name), "vip-cp-one"))
		cluster := s.sees("one", condition(controlPlane, names.ReasonEndpointProvided), endpoint(s.ip(10), 6443),
			annotation(controlPlane, s.ip(10)))
		require.Contains(t, cluster.Condition(controlPlane).Message, s.ip(10))
		s.handled()
		require.Nil(t, s.Claim(s.name, "vip-cp-one"), "an address that nobody uses is not held")

		s.serve(pool, s.name)
		s.serve(other, "another")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 6443),
			annotation(controlPlane, s.ip(10)))
	})
	t.Run("if a Cluster is touched many times, should neither write nor claim again", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.handled()
		mark := s.mark()
		for i := range 20 {
			s.edit("one", map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"touched": string(rune('a' + i))}},
			})
		}
		s.handled()
		ours := s.writes(mark).Filter(func(e planeEntry) bool {
			return e.Name == "one" || e.Name == "vip-cp-one" || e.Name == "vip-ingress-one"
		})
		require.Empty(t, ours)
	})
}
