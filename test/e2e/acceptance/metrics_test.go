package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// TestMetrics has its own operator, so that its counters are exact.
func TestMetrics(t *testing.T) {
	e := onPlane(t)
	operator := runOperator(t, e)
	s := newScope(t, e, operator)
	cp, in := s.pool(controlPlane, 10, 11), s.pool(ingress, 20, 29)
	s.cluster("one")
	s.served("one")
	s.cluster("two")
	s.served("two")

	shows := func(t *testing.T, name string, labels harness.Labels, want float64) {
		t.Helper()
		s.in(t).eventually(name, func() error {
			metrics, err := operator.Metrics(t.Context())
			if err != nil {
				return err
			}
			if got := metrics.Value(name, labels); got != want || !metrics.Has(name, labels) {
				return fmt.Errorf("%s%v is %v, wanted %v", name, labels, got, want)
			}
			return nil
		})
	}
	t.Run("if VIPs are allocated, should count them by role and measure the wait", func(t *testing.T) {
		shows(t, "capi_vip_allocate_total", harness.Labels{"role": controlPlane}, 2)
		shows(t, "capi_vip_allocate_total", harness.Labels{"role": ingress}, 2)
		shows(t, "capi_vip_ip_wait_seconds", nil, 4)
		metrics, err := operator.Metrics(t.Context())
		require.NoError(t, err)
		sum := metrics.Sum("capi_vip_ip_wait_seconds", nil)
		require.Positive(t, sum)
		require.Less(t, sum, 4*patience.Seconds())
	})
	t.Run("if pools are configured, should show their capacity", func(t *testing.T) {
		for state, want := range map[string]float64{"total": 2, "used": 2, "free": 0, "out_of_range": 0} {
			shows(t, "capi_vip_pool_addresses",
				harness.Labels{"pool_namespace": "", "pool": cp, "kind": "GlobalInClusterIPPool", "state": state}, want)
		}
		shows(t, "capi_vip_pool_addresses", harness.Labels{"pool": in, "state": "free"}, 8)
	})
	t.Run("if an annotation is restored, should count it", func(t *testing.T) {
		shows(t, "capi_vip_annotation_restore_total", nil, 0)
		s.in(t).annotate("one", names.Annotation(ingress), nil)
		s.in(t).served("one")
		shows(t, "capi_vip_annotation_restore_total", nil, 1)
		shows(t, "capi_vip_allocate_total", harness.Labels{"role": ingress}, 2)
	})
	t.Run("if something needs someone to act, should count why", func(t *testing.T) {
		s := s.in(t)
		s.cluster("three")
		s.sees("three", condition(controlPlane, names.ReasonPoolExhausted))
		shows(t, "capi_vip_reconcile_failures_total", harness.Labels{"reason": "pool_exhausted"}, 1)
		s.create(harness.NewClaim{Namespace: s.name, Name: "vip-ingress-four", Pool: in, Owner: s.owner("someone")})
		s.bound("vip-ingress-four")
		s.cluster("four")
		s.sees("four", condition(ingress, names.ReasonClaimConflict))
		shows(t, "capi_vip_reconcile_failures_total", harness.Labels{"reason": "claim_conflict"}, 1)
		shows(t, "capi_vip_clusters", harness.Labels{"role": ingress, "reason": names.ReasonClaimConflict}, 1)
		shows(t, "capi_vip_clusters", harness.Labels{"role": ingress, "reason": names.ReasonIPAddressAssigned}, 3)
	})
	t.Run("if a Cluster is deleted, should count its release", func(t *testing.T) {
		s.in(t).delete("one")
		s.in(t).gone("one")
		shows(t, "capi_vip_release_total", nil, 1)
	})
	t.Run("if asked, should show the process, the queue, the client, the leader and the build", func(t *testing.T) {
		metrics, err := operator.Metrics(t.Context())
		require.NoError(t, err)
		require.InDelta(t, 1, metrics.Value("capi_vip_leader", nil), 0)
		require.InDelta(t, 1, metrics.Value("capi_vip_build_info", nil), 0)
		for _, name := range []string{
			"workqueue_adds_total", "rest_client_requests_total", "rest_client_request_duration_seconds",
			"go_goroutines", "process_resident_memory_bytes",
		} {
			require.Positive(t, metrics.Value(name, nil), name)
		}
	})
	t.Run("if Clusters are served, wait, fail and go, should tell nobody who they are", func(t *testing.T) {
		s := s.in(t)
		const secret = "tell-nobody"
		s.cluster(secret + "-waits")
		s.cluster(secret + "-longer")
		s.cluster(secret+"-provided", func(c *harness.NewCluster) { c.Host, c.Port = secret+".example.com", 6443 })
		s.create(harness.NewClaim{
			Namespace: s.name, Name: "vip-ingress-" + secret + "-fails", Pool: in, Owner: s.owner(secret),
		})
		s.cluster(secret + "-fails")
		s.sees(secret+"-fails", condition(ingress, names.ReasonClaimConflict))
		s.sees(secret+"-longer", condition(controlPlane, names.ReasonPoolExhausted))
		s.sees(secret+"-provided", condition(controlPlane, names.ReasonEndpointProvided),
			condition(ingress, names.ReasonIPAddressAssigned))
		s.delete(secret + "-provided")
		s.gone(secret + "-provided")
		scrape, err := operator.Scrape(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(scrape), cp, "the names of pools are there")
		require.NotContains(t, string(scrape), secret)
	})
}
