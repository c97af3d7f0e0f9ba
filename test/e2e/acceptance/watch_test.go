package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func TestDeadWatch(t *testing.T) {
	const period = 15 * time.Second
	e := onPlane(t)
	proxy, err := harness.NewProxy(t.Context(), e.Plane, harness.User)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	operator := startOperator(t, e.Plane, harness.OperatorOptions{
		Kubeconfig: proxy.Kubeconfig, Args: []string{"--reconcile-period=" + period.String()},
	})
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("one")
	s.served("one")

	t.Run("if all connections fall silent, "+
		"should restore an annotation within the reconcile period", func(t *testing.T) {
		s := s.in(t)
		s.handled()
		require.Positive(t, proxy.Freeze())
		begin := time.Now()
		s.annotate("one", names.Annotation(ingress), nil)
		s.sees("one", annotation(ingress, s.ip(20)))
		took := time.Since(begin)
		t.Logf("restored after %s", took)
		require.Less(t, took, period)
		metrics, err := operator.Metrics(t.Context())
		require.NoError(t, err)
		require.Positive(t, metrics.Value("capi_vip_watch_stalls_total", nil))
	})
	t.Run("if that is over, should serve as before", func(t *testing.T) {
		s := s.in(t)
		s.cluster("two")
		s.served("two")
	})
}

func TestAPIServerRestart(t *testing.T) {
	e := onPlane(t)
	// Not startOperator: a new API server denies everything until it has read the roles, and the operator may well
	// log that.
	operator := launch(t, e.Plane, harness.OperatorOptions{})
	t.Cleanup(func() { require.NoError(t, operator.Kill()) })
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("one")
	s.served("one")

	t.Run("if the API server restarts, should go on", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, e.Plane.RestartComponent(t.Context(), plane.APIServer))
		s.eventually("the annotation is removed", func() error {
			return harness.Merge(t.Context(), s.Clusters(s.name), "one", map[string]any{
				"metadata": map[string]any{"annotations": map[string]any{names.Annotation(ingress): nil}},
			})
		})
		s.cluster("two")
		s.served("two")
		s.served("one")
	})
}
