package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func TestSettled(t *testing.T) {
	e := onPlane(t)
	args := []string{"--reconcile-period=1s", "--retry-interval=1s"}
	operator := runOperator(t, e, args...)
	s := newScope(t, e, operator)
	s.pool(controlPlane, 10, 13)
	s.pool(ingress, 20, 29)
	clusters := 0
	for i := range 4 {
		s.cluster(fmt.Sprintf("served-%d", i))
		s.served(fmt.Sprintf("served-%d", i))
		clusters++
	}
	s.cluster("exhausted")
	s.sees("exhausted", condition(controlPlane, names.ReasonPoolExhausted),
		condition(ingress, names.ReasonIPAddressAssigned))
	s.cluster("provided", func(c *harness.NewCluster) { c.Host, c.Port = "provided.example.com", 6443 })
	s.sees("provided", condition(controlPlane, names.ReasonEndpointProvided),
		condition(ingress, names.ReasonIPAddressAssigned))
	s.create(harness.NewClass{Namespace: s.name, Name: "unserved"})
	s.cluster("unserved", func(c *harness.NewCluster) { c.Class = "unserved" })
	s.sees("unserved", condition(controlPlane, names.ReasonPoolNotFound))
	s.cluster("paused", func(c *harness.NewCluster) { c.Paused = true })
	clusters += 4
	s.hold("served-0")
	s.delete("served-0")
	s.sees("served-0", condition(controlPlane, names.ReasonReleasing))
	s.hasEvent("unserved", "Warning PoolNotFound")
	s.hasEvent("exhausted", "Warning PoolExhausted")
	s.handled()
	s.settled()

	t.Run("if all is settled, should write nothing in many reconcile periods", func(t *testing.T) {
		s := s.in(t)
		mark := s.mark()
		s.looks(operator, clusters*4)
		s.silent(mark)
	})
	t.Run("if the operator restarts, should write nothing either", func(t *testing.T) {
		s := s.in(t)
		mark := s.mark()
		stop(t, operator)
		operator = runOperator(t, e, args...)
		s.looks(operator, clusters*3)
		s.silent(mark)
		stop(t, operator)
	})
	// The cleanup needs an operator again.
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)
	require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "served-0"))
	s.edit("paused", map[string]any{"spec": map[string]any{"paused": false}})
}

// settled waits until nobody has written into the namespace for a moment: Cluster API takes its time to finish.
func (s *scope) settled() {
	s.t.Helper()
	var last plane.Mark
	quietLooks := 0
	s.eventually("the plane settles", func() error {
		entries, err := s.Plane.Audit().Since(s.t.Context(), last)
		if err != nil {
			return err
		}
		mark, err := s.Plane.Audit().Mark(s.t.Context())
		if err != nil {
			return err
		}
		last = mark
		busy := entries.Writes().Filter(func(e planeEntry) bool { return e.Namespace == s.name })
		quietLooks++
		if len(busy) > 0 {
			quietLooks = 0
		}
		if quietLooks < 5 {
			return fmt.Errorf("%d writes just now", len(busy))
		}
		return nil
	})
}

// looks waits until the operator has looked at Clusters this many more times.
func (s *scope) looks(operator *harness.Operator, times int) {
	s.t.Helper()
	looked := func() float64 {
		metrics, err := operator.Metrics(s.t.Context())
		require.NoError(s.t, err)
		return metrics.Value("lasso_controller_total_handler_execution", nil)
	}
	before := looked()
	s.eventually("the operator looks at its Clusters", func() error {
		if now := looked(); now < before+float64(times) {
			return fmt.Errorf("it has looked %v times, of %d", now-before, times)
		}
		return nil
	})
}

// silent checks that the operator has written nothing at all since a mark.
func (s *scope) silent(since plane.Mark) {
	s.t.Helper()
	entries, err := s.Plane.Audit().Since(s.t.Context(), since)
	require.NoError(s.t, err)
	require.Empty(s.t, entries.ByUser(s.operator.User).Writes())
}
