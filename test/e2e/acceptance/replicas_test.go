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

func TestReplicas(t *testing.T) {
	const (
		lease    = 4 * time.Second
		handOver = 2 * time.Second
	)
	e := onPlane(t)
	replica := func(user string) *harness.Operator {
		return startOperator(t, e.Plane, harness.OperatorOptions{User: user, Args: []string{
			"--leader-elect", "--leader-elect-lease-duration=" + lease.String(),
			"--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms",
		}})
	}
	ready := func(operator *harness.Operator) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, operator.WaitReady(ctx))
		// The standby has seen the Lease once.
		require.NoError(t, operator.WaitLog(ctx, "the leader is known"))
	}
	leads := func(operator *harness.Operator) float64 {
		metrics, err := operator.Metrics(t.Context())
		require.NoError(t, err)
		return metrics.Value("capi_vip_leader", nil)
	}
	since, err := e.Plane.Audit().Mark(t.Context())
	require.NoError(t, err)
	first := replica("capi-vip-allocator-1")
	waitServing(t, first)
	second := replica("capi-vip-allocator-2")
	ready(second)
	s := newScope(t, e, first)
	s.bothPools()

	t.Run("if two replicas run, should let only the leader write", func(t *testing.T) {
		s := s.in(t)
		s.cluster("one")
		s.served("one")
		require.InDelta(t, 1, leads(first), 0)
		require.InDelta(t, 0, leads(second), 0)
		require.NotEmpty(t, s.writesOf(first, since))
		require.Empty(t, s.writesOf(second, since))
	})
	t.Run("if the leader is told to end, should hand over at once and without overlap", func(t *testing.T) {
		s := s.in(t)
		begin := time.Now()
		stopped := make(chan time.Duration, 1)
		go func() {
			exit, err := first.Stop(context.WithoutCancel(t.Context()))
			if err != nil || exit.Code != 0 {
				t.Errorf("the end of the leader: %v, %v", exit, err)
			}
			stopped <- exit.Took
		}()
		waitServing(t, second)
		took := time.Since(begin)
		t.Logf("handed over after %s, ended after %s", took, <-stopped)
		require.Less(t, took, handOver)
		mark := s.mark()
		s.cluster("two")
		s.served("two")
		require.Empty(t, s.writesOf(first, mark))
		s.inTurn(since, first, second)
	})
	third := replica("capi-vip-allocator-3")
	ready(third)
	t.Run("if the leader is killed, should take over when its Lease has run out", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, second.Kill())
		begin := time.Now()
		s.cluster("three")
		waitServing(t, third)
		s.served("three")
		t.Logf("taken over after %s", time.Since(begin))
		s.inTurn(since, second, third)
	})
	fourth := replica("capi-vip-allocator-4")
	ready(fourth)
	t.Run("if the leader freezes for longer than its Lease and wakes up, "+
		"should leave the work to the other and end", func(t *testing.T) {
		s := s.in(t)
		require.NoError(t, third.Pause())
		waitServing(t, fourth)
		s.annotate("one", names.Annotation(ingress), nil)
		s.served("one")
		require.NoError(t, third.Resume())
		select {
		case <-third.Exited():
		case <-time.After(patience):
			require.Fail(t, "it goes on")
		}
		require.NotZero(t, third.ExitCode(), "it lost the leadership")
		s.inTurn(since, third, fourth)
	})
	s.operator = fourth
	t.Cleanup(s.end)
}

// writesOf returns what an operator has written except for its Lease, in any namespace.
func (s *scope) writesOf(operator *harness.Operator, since plane.Mark) plane.Entries {
	s.t.Helper()
	entries, err := s.Plane.Audit().Since(s.t.Context(), since)
	require.NoError(s.t, err)
	return entries.ByUser(operator.User).Writes().Filter(func(e planeEntry) bool {
		return e.Resource != "leases" && e.Resource != "events"
	})
}

// inTurn checks that all writes of one operator since a mark end before those of the next begin.
func (s *scope) inTurn(since plane.Mark, first, next *harness.Operator) {
	s.t.Helper()
	before, after := s.writesOf(first, since), s.writesOf(next, since)
	require.NotEmpty(s.t, before)
	require.NotEmpty(s.t, after)
	for _, entry := range before {
		require.True(s.t, entry.Time.Add(entry.Duration).Before(after[0].Time), "%s at %s, after %s", entry.Request(),
			entry.Time, after[0].Time)
	}
}
