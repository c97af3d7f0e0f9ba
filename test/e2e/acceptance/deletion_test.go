package acceptance

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

func TestDeletion(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if Cluster API still holds the Cluster, should keep its addresses, "+
		"and release them after that", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.cluster("one")
		s.served("one")
		s.hold("one")
		s.delete("one")
		s.sees("one", condition(controlPlane, names.ReasonReleasing),
			condition(ingress, names.ReasonReleasing), held(true))

		// The next Cluster must not get an address on which the first may still answer.
		s.cluster("two")
		require.Equal(t, s.ip(11), s.served("two").Endpoint().Host)
		require.True(t, s.get("one").InUse())
		for _, claim := range []string{"vip-cp-one", "vip-ingress-one"} {
			require.Nil(t, s.Claim(s.name, claim).GetDeletionTimestamp(), claim)
		}
		require.Empty(t, s.writes(0).Filter(func(e planeEntry) bool { return e.Verb == "delete" }))

		mark := s.mark()
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "one"))
		s.gone("one")
		event := s.hasEvent("one", "Normal VIPReleased")
		require.Contains(t, event.Message, s.ip(10))
		require.Contains(t, event.Message, s.ip(20))
		for _, pool := range []string{cp, in} {
			s.used(pool, 1)
		}
		// In the order of the design: Cluster API lets go, the claims are deleted, our finalizer is removed.
		entries, err := s.Plane.Audit().Since(t.Context(), mark)
		require.NoError(t, err)
		var deletes, off int
		for i, entry := range entries {
			switch {
			case entry.Namespace != s.name || entry.User != s.operator.User || !entry.IsWrite():
			case entry.Verb == "delete":
				deletes++
				require.Zero(t, off, "a claim was deleted after the finalizer went off")
			case entry.Resource == "clusters" && entry.Subresource == "" && entry.Name == "one":
				off = i
			}
		}
		require.Equal(t, 2, deletes)
		require.NotZero(t, off)

		s.cluster("three")
		require.Equal(t, s.ip(10), s.served("three").Endpoint().Host, "the address is free again")
	})
	t.Run("if a Cluster is deleted while it waits, should let it go", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted), held(true))
		s.delete("two")
		s.gone("two")
		s.used(pool, 1)
	})
	t.Run("if a Cluster is deleted right after its creation, should leave nothing", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		for i := range 5 {
			name := fmt.Sprintf("short-lived-%d", i)
			s.cluster(name)
			s.delete(name)
		}
		s.eventually("nothing is left", func() error {
			if left := len(s.ClustersIn(s.name)) + len(s.ClaimsIn(s.name)) + len(s.AddressesIn(s.name)); left > 0 {
				return fmt.Errorf("%d objects are left", left)
			}
			return nil
		})
	})
	t.Run("if the deletion is in the foreground, should leave nothing either", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.cluster("one")
		s.served("one")
		foreground := metav1.DeletePropagationForeground
		require.NoError(t,
			s.Clusters(s.name).Delete(t.Context(), "one", metav1.DeleteOptions{PropagationPolicy: &foreground}))
		s.gone("one")
		s.used(cp, 0)
		s.used(in, 0)
	})
	t.Run("if the deletion leaves its dependents as orphans, "+
		"should release its addresses all the same", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.pool("registry", 30, 39)
		s.cluster("one")
		s.served("one")
		s.sees("one", condition("registry", names.ReasonIPAddressAssigned))
		s.hold("one")
		s.serve(s.name+"-registry-30", "another") // no pool of the class tells of this role any more
		orphan := metav1.DeletePropagationOrphan
		require.NoError(t,
			s.Clusters(s.name).Delete(t.Context(), "one", metav1.DeleteOptions{PropagationPolicy: &orphan}))
		s.eventually("nobody owns the claims", func() error {
			for _, claim := range s.ClaimsIn(s.name) {
				if owners := claim.GetOwnerReferences(); len(owners) > 0 {
					return fmt.Errorf("claim %s has the owners %v", claim.GetName(), owners)
				}
			}
			return nil
		})
		s.handled()
		require.Len(t, s.ClaimsIn(s.name), 3, "machines may still use the addresses")
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "one"))
		s.gone("one")
		claims, err := s.Claims(s.name).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, claims.Items, "the Cluster goes after its claims")
		for _, pool := range []string{cp, in, s.name + "-registry-30"} {
			s.used(pool, 0)
		}
	})
	t.Run("if the namespace is deleted, should let everything in it go", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.cluster("one")
		s.served("one")
		s.cluster("two")
		s.served("two")
		s.deleteNamespace()
		s.gone("one")
		s.gone("two")
		s.used(cp, 0)
		s.used(in, 0)
	})
	t.Run("if clusterctl deletes the source of a move, should release nothing", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.hold("one")
		s.annotate("one", names.DeleteForMove, "")
		s.handled()
		mark := s.mark()
		s.delete("one")
		s.handled()
		require.NotNil(t, s.get("one").GetDeletionTimestamp())
		s.edit("one", map[string]any{"metadata": map[string]any{"finalizers": nil}})
		s.gone("one")
		s.handled()
		require.Empty(t, s.writes(mark).Filter(func(e planeEntry) bool {
			return e.Name == "one" || e.Name == "vip-cp-one" || e.Name == "vip-ingress-one"
		}))
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "one"))
	})
	t.Run("if a Cluster has a host of its own, should not stand in the way of its deletion", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.cluster("one", func(c *harness.NewCluster) { c.Host, c.Port = "one.example.com", 6443 })
		s.sees("one", condition(controlPlane, names.ReasonEndpointProvided), held(false))
		s.delete("one")
		s.gone("one")
	})
}

// hold keeps the infrastructure of a Cluster, and so Cluster API's finalizer, until ReleaseDeletion. It waits until
// the Cluster names its infrastructure, since the topology controller may create that twice before.
func (s *scope) hold(cluster string) {
	s.t.Helper()
	s.sees(cluster, func(c *harness.Cluster) error {
		if name, _, _ := unstructured.NestedString(c.Object, "spec", "infrastructureRef", "name"); name == "" {
			return errors.New("it names no infrastructure")
		}
		return nil
	})
	require.NoError(s.t, s.Plane.HoldDeletion(s.t.Context(), s.name, cluster))
}

// used waits until a global pool reports want used addresses, and all others free.
func (s *scope) used(pool string, want int) {
	s.t.Helper()
	s.eventually("the use of pool "+pool, func() error {
		capacity, known := s.Capacity("", pool)
		if !known {
			return errors.New("it reports nothing")
		}
		if capacity.Used != want || capacity.Free != capacity.Total-want {
			return fmt.Errorf("it reports %+v, wanted %d in use", capacity, want)
		}
		return nil
	})
}
