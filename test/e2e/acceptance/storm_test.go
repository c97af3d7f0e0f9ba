package acceptance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// seedVariable repeats a run of TestKilled.
const seedVariable = "ACCEPTANCE_SEED"

// TestKilled kills the operator at random while it serves and releases a hundred Clusters.
func TestKilled(t *testing.T) {
	const clusters, deleted, kills = 100, 40, 8
	e := onPlane(t)
	seed := uint64(20260101)
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	s := newScope(t, e, nil)
	s.patience = 4 * patience
	cp, in := s.pool(controlPlane, 1, 120), s.pool(ingress, 121, 240)
	chaos := startChaos(t, e, rand.New(rand.NewPCG(seed, 1)))
	t.Cleanup(s.end) // with the operator that chaos leaves running, and before that one ends

	name := func(i int) string { return fmt.Sprintf("c%03d", i) }
	order := random.Perm(clusters)
	begin := time.Now()
	for n, i := range order {
		s.cluster(name(i))
		if n >= clusters-deleted { // the first ones go while the last ones come
			s.delete(name(order[n-(clusters-deleted)]))
		}
	}
	t.Logf("all are created after %s", time.Since(begin))
	gone, left := order[:deleted], order[deleted:]
	chaos.wait(t, kills)
	s.operator = chaos.end(t)
	t.Logf("the operator was killed %d times within %s", chaos.killed, time.Since(begin))

	for _, i := range gone {
		s.gone(name(i))
	}
	for _, i := range left {
		cluster := s.served(name(i))
		require.Equal(t, s.bound(names.ClaimName(name(i), controlPlane)), cluster.Endpoint().Host)
		require.Equal(t, s.bound(names.ClaimName(name(i), ingress)), cluster.VIP(ingress))
	}
	t.Logf("all are served or gone after %s", time.Since(begin))
	s.used(cp, len(left))
	s.used(in, len(left))
	require.Len(t, s.ClaimsIn(s.name), 2*len(left))
	require.Len(t, s.AddressesIn(s.name), 2*len(left))
	holders := map[string]string{}
	for _, address := range s.AddressesIn(s.name) {
		require.Empty(t, holders[address.Value()], "%s is assigned twice", address.Value())
		holders[address.Value()] = address.Claim()
		claim := s.Claim(s.name, address.Claim())
		require.NotNil(t, claim, "IPAddress %s has no claim", address.GetName())
		require.Len(t, claim.GetOwnerReferences(), 1)
	}
	require.Empty(t, e.guard.Breaches())
}

// chaos starts an operator, kills it after a while, and starts the next.
type chaos struct {
	mu      sync.Mutex
	killed  int
	current *harness.Operator
	stop    chan struct{}
	stopped chan struct{}
}

func startChaos(t *testing.T, e *env, random *rand.Rand) *chaos {
	t.Helper()
	const shortest, longest = 200 * time.Millisecond, 2500 * time.Millisecond
	c := &chaos{stop: make(chan struct{}), stopped: make(chan struct{})}
	c.current = startOperator(t, e.Plane, harness.OperatorOptions{})
	go func() {
		defer close(c.stopped)
		for {
			select {
			case <-c.stop:
				return
			case <-time.After(shortest + time.Duration(random.Int64N(int64(longest-shortest)))):
			}
			if err := c.current.Kill(); err != nil {
				t.Error(err)
				return
			}
			next, err := harness.StartOperator(t.Context(), e.Plane, harness.OperatorOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			c.mu.Lock()
			c.killed++
			c.current = next
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		c.end(t)
		require.NoError(t, c.current.Kill())
	})
	return c
}

// wait waits until so many operators have been killed.
func (c *chaos) wait(t *testing.T, kills int) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		c.mu.Lock()
		killed := c.killed
		c.mu.Unlock()
		if killed >= kills {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			require.Fail(t, "too few operators were killed", "%d of %d", killed, kills)
		}
	}
}

// end lets the current operator live and returns it.
func (c *chaos) end(t *testing.T) *harness.Operator {
	t.Helper()
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	<-c.stopped
	return c.current
}
