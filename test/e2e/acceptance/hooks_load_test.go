package acceptance

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// hookClusters is how many Clusters TestHooksUnderLoad creates; docs/performance.md reports on 1,000.
const hookClusters = "ACCEPTANCE_HOOK_CLUSTERS"

// TestHooksUnderLoad creates many Clusters at once whose class names the hooks. Every one gets its VIP with the first
// write of its InfraCluster, and the answers come in time although the machine is overloaded.
func TestHooksUnderLoad(t *testing.T) {
	clusters := 60
	if text := os.Getenv(hookClusters); text != "" {
		var err error
		clusters, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	e := hooksPlane(t)
	deployed(t, e)
	operator, _ := hooksOperator(t, e, "", "--reconcile-period=30s")
	waitServing(t, operator)
	discovered(t, e)
	s := newScope(t, e, operator)
	s.patience = 20 * patience
	t.Cleanup(func() { s.ended = true }) // the plane ends with the test, and everything on it
	s.classes(nil)
	s.create(harness.NewPool{
		Name: s.name, Class: s.name + hooked, Role: controlPlane,
		Addresses: []string{"10.200.0.1-10.200.15.254"}, Prefix: 16,
	})
	s.pools = append(s.pools, poolKey{"", s.name})
	name := func(i int) string { return fmt.Sprintf("c%04d", i) }

	begin := time.Now()
	var creating sync.WaitGroup
	for worker := range 10 {
		creating.Go(func() {
			for i := worker; i < clusters; i += 10 {
				if err := e.Create(
					t.Context(), harness.NewCluster{Namespace: s.name, Name: name(i), Class: s.name + hooked},
				); err != nil {
					t.Error(err)
				}
			}
		})
	}
	creating.Wait()
	t.Logf("%d Clusters are created after %s", clusters, time.Since(begin))
	s.eventually("all Clusters have their endpoint, and an InfraCluster", func() error {
		for i := range clusters {
			cluster := s.Cluster(s.name, name(i))
			if cluster == nil || cluster.Endpoint().Host == "" {
				return fmt.Errorf("%s has none", name(i))
			}
			if !hasInfrastructure(cluster) {
				return fmt.Errorf("%s has no InfraCluster", name(i))
			}
		}
		return nil
	})
	t.Logf("all have VIP and InfraCluster after %s", time.Since(begin))
	for i := range clusters {
		infra := s.infra(name(i))
		require.NotNil(t, infra)
		require.Equal(t, int64(1), infra.GetGeneration(), "its spec has never been another")
	}

	metrics, err := operator.Metrics(t.Context())
	require.NoError(t, err)
	for _, hook := range []string{"BeforeClusterCreate", "GeneratePatches", "ValidateTopology"} {
		count, p99 := quantile(metrics["capi_vip_hook_seconds"], "hook", hook, 0.99)
		t.Logf("%s: %d answers, 99 of 100 within %v s", hook, count, p99)
		require.NotZero(t, count)
		require.LessOrEqual(t, p99, 0.02, "%s: seconds to answer", hook)
	}
	s.logRuntimeSDK()
}

func hasInfrastructure(c *harness.Cluster) bool {
	spec, _ := c.Object["spec"].(map[string]any)
	_, found := spec["infrastructureRef"]
	return found
}

// quantile returns the upper bound of the bucket that holds a quantile of the series with a label.
func quantile(family *dto.MetricFamily, label, value string, q float64) (count uint64, bound float64) {
	buckets := map[float64]uint64{}
	for _, metric := range family.GetMetric() {
		for _, pair := range metric.GetLabel() {
			if pair.GetName() != label || pair.GetValue() != value {
				continue
			}
			count += metric.GetHistogram().GetSampleCount()
			for _, bucket := range metric.GetHistogram().GetBucket() {
				buckets[bucket.GetUpperBound()] += bucket.GetCumulativeCount()
			}
		}
	}
	bound = math.Inf(1)
	for upper, cumulative := range buckets {
		if float64(cumulative) >= q*float64(count) {
			bound = min(bound, upper)
		}
	}
	return count, bound
}

// logRuntimeSDK logs how long the calls took as Cluster API saw them, including connections and the wait for its CPU.
func (s *scope) logRuntimeSDK() {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.Plane.CAPIMetricsURL(), http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(s.t, err)
	for _, hook := range []string{"BeforeClusterCreate", "GeneratePatches", "ValidateTopology"} {
		count, p99 := quantile(families["capi_runtime_sdk_request_duration_seconds"], "hook", hook, 0.99)
		s.t.Logf("%s as Cluster API saw it: %d calls of %s, 99 of 100 within %v s",
			hook, count, names.ExtensionName, p99)
	}
}
