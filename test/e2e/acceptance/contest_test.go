package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// often calls do aSecond times a second, until the test ends or the returned function is called. The latter returns
// the number of calls.
func often(t *testing.T, aSecond int, do func(ctx context.Context, n int) error) (end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		n := 0
		defer func() { done <- n }()
		ticker := time.NewTicker(time.Second / time.Duration(aSecond))
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := do(context.WithoutCancel(ctx), n+1); !assert.NoError(t, err) {
				return
			}
			n++
		}
	}()
	return func() int {
		cancel()
		n := <-done
		done <- n
		return n
	}
}

// awaitTicks waits until a repeated action has run want times.
func (s *scope) awaitTicks(what string, times func() int, want int) {
	s.t.Helper()
	s.eventually(what, func() error {
		if n := times(); n < want {
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
}

// TestEditedAllTheTime: a Cluster that someone edits fifty times a second is served, neither side's writes are lost,
// and others are not held up.
func TestEditedAllTheTime(t *testing.T) {
	const aSecond, mostWrites = 50, 30
	e := onPlane(t)
	operator := runOperator(t, e)
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("busy", func(c *harness.NewCluster) { c.Paused = true }) // so that the edits begin before anything else
	last := 0
	end := often(t, aSecond, func(ctx context.Context, n int) error {
		patch := map[string]any{"metadata": map[string]any{
			"labels": map[string]any{"edit": strconv.Itoa(n)}, "annotations": map[string]any{"edit": strconv.Itoa(n)},
		}}
		switch {
		case n == 10:
			patch["spec"] = map[string]any{"paused": false}
		case n%5 == 0: // bumps the generation
			patch["spec"] = map[string]any{"topology": map[string]any{"controlPlane": map[string]any{"replicas": n}}}
		case n%5 == 1:
			return harness.Merge(ctx, s.Clusters(s.name), "busy",
				map[string]any{"status": map[string]any{"phase": []string{"Pending", "Provisioning"}[n%2]}}, "status")
		}
		if err := harness.Merge(ctx, s.Clusters(s.name), "busy", patch); err != nil {
			return err
		}
		last = n
		return nil
	})
	edited := func() int { return number(s.get("busy").GetLabels()["edit"]) }
	t.Cleanup(func() { end() })
	begin := time.Now()
	before := s.served("busy")
	t.Logf("served after %s and %d edits", time.Since(begin), edited())
	s.awaitTicks("edits beside the other Cluster", edited, 4*aSecond)
	s.cluster("other")
	s.served("other")
	s.awaitTicks("edits after it is served", edited, edited()+4*aSecond)
	end()
	after := s.sees("busy", func(c *harness.Cluster) error {
		if got := c.GetAnnotations()["edit"]; got != strconv.Itoa(last) {
			return fmt.Errorf("the last edit is %q, wanted %d", got, last)
		}
		return nil
	})
	require.Equal(t, strconv.Itoa(last), after.GetLabels()["edit"])
	require.Equal(t, before.Endpoint(), after.Endpoint())
	require.Equal(t, before.VIP(ingress), after.VIP(ingress))
	ours := s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "busy" })
	t.Logf("%d edits, %d writes of the operator", last, len(ours))
	require.LessOrEqual(t, len(ours), mostWrites)
	require.Empty(t, e.guard.Breaches())
}

func number(text string) (n int) {
	_, _ = fmt.Sscan(text, &n) // an empty label is none
	return n
}

// TestFoughtOver: someone removes the annotations of a Cluster twenty times a second. The operator restores them, but
// not twenty times a second, and others are not held up.
func TestFoughtOver(t *testing.T) {
	const aSecond, inARow = 20, 12
	e := onPlane(t)
	operator := runOperator(t, e, "--retry-interval=2s")
	s := newScope(t, e, operator)
	s.bothPools()
	s.cluster("one")
	before := s.served("one")
	s.handled()
	mark, begin := s.mark(), time.Now()
	removed := make(chan int, 1)
	removed <- 0
	times := func() int { n := <-removed; removed <- n; return n }
	end := often(t, aSecond, func(ctx context.Context, n int) error {
		value := any(nil)
		if n%2 == 0 {
			value = "10.0.0.1"
		}
		<-removed
		removed <- n
		return harness.Merge(ctx, s.Clusters(s.name), "one",
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{
				names.Annotation(ingress): value, names.Annotation(controlPlane): value,
			}}})
	})
	t.Cleanup(func() { end() })
	event := s.hasEvent("one", "Warning "+names.EventWritesContested)
	require.Contains(t, event.Message, "managedFields")
	s.cluster("other")
	s.served("other")
	s.awaitTicks("removals", times, 10*aSecond)
	fought := time.Since(begin)
	n := end()
	// A write that came too late changes nothing and is retried.
	ours := s.writes(mark).Filter(func(e planeEntry) bool { return e.Name == "one" && e.Code == http.StatusOK })
	t.Logf("%d removals and %d writes of the operator in %s", n, len(ours), fought)
	require.LessOrEqual(t, len(ours), inARow+int(fought/(2*time.Second))+2)
	after := s.served("one")
	require.Equal(t, before.Endpoint(), after.Endpoint())
	s.sees("one", annotation(ingress, before.VIP(ingress)), annotation(controlPlane, before.VIP(controlPlane)))
	events, err := s.Events(t.Context(), s.name, "one")
	require.NoError(t, err)
	require.Less(t, len(events), 20, "events are bounded too")
}
