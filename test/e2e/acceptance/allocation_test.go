package acceptance

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

func TestAllocation(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if pools match, should write endpoint, annotations and conditions", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.cluster("one")
		cluster := s.served("one")

		require.Equal(t, harness.Endpoint{Host: s.ip(10), Port: 6443}, cluster.Endpoint())
		require.Equal(t, s.ip(10), cluster.VIP(controlPlane))
		require.Equal(t, s.ip(20), cluster.VIP(ingress))
		require.True(t, cluster.HasFinalizer())
		for role, pool := range map[string]string{controlPlane: cp, ingress: in} {
			condition := cluster.Condition(role)
			require.Contains(t, condition.Message, pool)
			require.Contains(t, condition.Message, names.ClaimName("one", role))
		}
		s.hasEvent("one", "Normal VIPAllocated")
		s.hasEvent("one", "Normal IngressAnnotationSet")
		for event := range s.events("one") {
			// On a busy machine the provider may take longer than the operator stays quiet about a wait.
			if event != "Warning WaitingForIPAddress" {
				require.NotContains(t, event, "Warning", "the usual allocation is worth no warning")
			}
		}
	})
	t.Run("if a claim is made, should say whose it is and what for", func(t *testing.T) {
		s := ordinary(t)
		cp, in := s.bothPools()
		s.cluster("one", func(c *harness.NewCluster) { c.Labels = map[string]string{names.WatchFilter: "blue"} })
		cluster := s.served("one")
		for name, want := range map[string]struct{ role, pool string }{
			"vip-cp-one":      {controlPlane, cp},
			"vip-ingress-one": {ingress, in},
		} {
			claim := s.Claim(s.name, name)
			require.NotNil(t, claim, name)
			require.Equal(t, map[string]string{
				names.Role: want.role, names.ClusterName: "one", names.WatchFilter: "blue",
			}, claim.GetLabels())
			require.Equal(t, want.pool, claim.Pool())
			require.Equal(t, "one", claim.ClusterName())
			require.Len(t, claim.GetOwnerReferences(), 1)
			owner := claim.GetOwnerReferences()[0]
			require.Equal(t, "Cluster", owner.Kind)
			require.Equal(t, "one", owner.Name)
			require.Equal(t, cluster.GetUID(), owner.UID)
			require.True(t, *owner.Controller)
			require.True(t, *owner.BlockOwnerDeletion)
		}
		require.Len(t, s.ClaimsIn(s.name), 2)
	})
	t.Run("if a claim is made, should leave the provider nothing to write but its answer", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		entries, err := s.Plane.Audit().Since(t.Context(), 0)
		require.NoError(t, err)
		writes := entries.ByUser(measure.IPAMUser).Writes().Filter(func(e plane.Entry) bool {
			return e.Namespace == s.name && e.Resource == "ipaddressclaims"
		})
		require.GreaterOrEqual(t, len(writes), 2) // with a stale cache it answers a claim twice
		for _, write := range writes {
			require.Equal(t, "status", write.Subresource)
		}
	})
	t.Run("if there is no ingress pool, "+
		"should serve the control plane and say that the other is missing", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443), annotation(controlPlane, s.ip(10)), annotation(ingress, ""),
			condition(controlPlane, names.ReasonIPAddressAssigned), condition(ingress, names.ReasonPoolNotFound))
		require.Len(t, s.ClaimsIn(s.name), 1)
	})
	t.Run("if there is only an ingress pool, should set the annotation and leave the endpoint", func(t *testing.T) {
		s := ordinary(t)
		s.pool(ingress, 20, 29)
		s.cluster("one")
		s.sees("one", endpoint("", 0), annotation(ingress, s.ip(20)), held(true),
			condition(controlPlane, names.ReasonPoolNotFound), condition(ingress, names.ReasonIPAddressAssigned))
	})
	t.Run("if the pool comes after the Cluster, should serve it then", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonPoolNotFound), held(false))
		s.bothPools()
		s.served("one")
	})
	t.Run("if one pool has several roles, should take both addresses from it", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane+","+ingress, 10, 19)
		s.cluster("one")
		s.served("one")
		for _, claim := range s.ClaimsIn(s.name) {
			require.Equal(t, pool, claim.Pool())
		}
	})
	t.Run("if a pool has a role of its own, should write it to that role's annotation", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.pool("storage", 30, 39)
		s.cluster("one")
		s.sees("one", annotation("storage", s.ip(30)), condition("storage", names.ReasonIPAddressAssigned),
			condition(controlPlane, names.ReasonIPAddressAssigned), condition(ingress, names.ReasonIPAddressAssigned))
		require.NotNil(t, s.Claim(s.name, "vip-storage-one"))
	})
	t.Run("if a Cluster's name is as long as names get, should serve it all the same", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		name := "a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-123"
		s.cluster(name)
		s.served(name)
	})
	t.Run("if a Cluster is made again under its name, should serve the new one as well", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		first := s.served("one")
		s.delete("one")
		s.gone("one")
		s.cluster("one")
		require.NotEqual(t, first.GetUID(), s.served("one").GetUID())
	})
	t.Run("if nothing changes, should have written no more than needed", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one")
		s.served("one")
		s.handled()
		all := s.changes(0)
		taken := all.Filter(func(e planeEntry) bool { return e.Code < http.StatusBadRequest })
		writes := taken.CountBy(planeEntry.Request)
		require.Equal(t, 2, writes["create ipaddressclaims.ipam.cluster.x-k8s.io"])
		more := 0
		if _, waited := s.events("one")["Warning WaitingForIPAddress"]; waited {
			more = 2 // on a busy machine the wait is reported, and each role is written as its claim is answered
		}
		require.LessOrEqual(t, writes["patch clusters.cluster.x-k8s.io/status"], 1+more, "the conditions")
		// Finalizer, endpoint and annotations come in one write. A second is needed only if Cluster API writes the
		// list of finalizers at the same moment and wipes ours. Our write is refused if Cluster API has just written
		// that list, or just named what the topology consists of.
		require.Positive(t, writes["patch clusters.cluster.x-k8s.io"])
		require.LessOrEqual(t, writes["patch clusters.cluster.x-k8s.io"], 2+more)
		require.LessOrEqual(t, len(all)-len(taken), 2, "refused")
		require.Len(t, writes, 3, "%v", writes)
	})
	t.Run("if the operator runs, should have brought no CRD of its own", func(t *testing.T) {
		s := ordinary(t)
		groups, err := s.Core.Discovery().ServerGroups()
		require.NoError(t, err)
		for _, group := range groups.Groups {
			require.NotContains(t, group.Name, "gorizond", "the API groups")
		}
		crds, err := s.Dynamic.Resource(crdResource).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.NotEmpty(t, crds.Items)
		for _, crd := range crds.Items {
			require.NotContains(t, crd.GetName(), "vip")
		}
	})
}
