package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// mostWrites is more than the operator writes during the life of a Cluster.
const mostWrites = 30

// TestCrashPoints kills the operator at every write of a Cluster's life, before and after the API server has seen it,
// and lets another one continue: nothing is lost, leaked or duplicated.
func TestCrashPoints(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	ofClass := s.reader("variable", 10, 29)
	in := s.pool(ingress, 30, 49, func(p *harness.NewPool) { p.Class = s.name + "-reads" })
	for _, after := range []bool{false, true} {
		all := false
		for at := 1; !all; at++ {
			require.Less(t, at, mostWrites)
			when := map[bool]string{false: "before", true: "after"}[after]
			t.Run(fmt.Sprintf(
				"if it dies %s write %d, should lose, leak and double nothing", when, at,
			), func(t *testing.T) {
				all = !s.in(t).crash(fmt.Sprintf("c-%s-%d", when, at), ofClass, at, after)
			})
			s.used(in, 0)
		}
	}
	s.operator = runOperator(t, e)
	t.Cleanup(s.end) // while that one runs
}

// crash takes a Cluster through its life with an operator that dies at a write, and another after that. It reports
// whether there was such a write.
func (s *scope) crash(name string, ofClass func(*harness.NewCluster), at int, after bool) bool {
	s.t.Helper()
	proxy, err := harness.NewWriteProxy(s.t.Context(), s.Plane, harness.User, at, after)
	require.NoError(s.t, err)
	first := startOperator(s.t, s.Plane, harness.OperatorOptions{Kubeconfig: proxy.Kubeconfig})
	dead := false
	die := func() error {
		dead = true
		if err := first.Kill(); err != nil {
			return err
		}
		if err := proxy.Close(); err != nil {
			return err
		}
		s.operator = startOperator(s.t, s.Plane, harness.OperatorOptions{})
		return nil
	}
	s.cluster(name, ofClass)
	lives := []check{
		condition(controlPlane, names.ReasonIPAddressAssigned), condition(ingress, names.ReasonIPAddressAssigned),
		func(c *harness.Cluster) error { return variable("vip", c.Endpoint().Host)(c) },
		func(c *harness.Cluster) error { return annotation(controlPlane, c.Endpoint().Host)(c) },
	}
	s.orDead(proxy, &dead, die, "Cluster "+name+" is served", func() error {
		cluster := s.Cluster(s.name, name)
		if cluster == nil {
			return harness.ErrNotYet
		}
		for _, check := range lives {
			if err := check(cluster); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(s.t, s.bound(names.ClaimName(name, controlPlane)), s.get(name).Endpoint().Host)
	require.Len(s.t, s.ClaimsIn(s.name), 2)
	s.delete(name)
	s.orDead(proxy, &dead, die, "Cluster "+name+" is gone", func() error {
		if s.Cluster(s.name, name) != nil || len(s.ClaimsIn(s.name)) > 0 || len(s.AddressesIn(s.name)) > 0 {
			return harness.ErrNotYet
		}
		return nil
	})
	if dead {
		require.NoError(s.t, s.operator.Kill())
		return true
	}
	s.t.Logf("it wrote %d times in all:\n%q", len(proxy.Writes()), proxy.Writes())
	require.NoError(s.t, first.Kill())
	require.NoError(s.t, proxy.Close())
	return false
}

// orDead waits for something that may need another operator, since the first one dies on the way.
func (s *scope) orDead(proxy *harness.WriteProxy, dead *bool, die func() error, what string, check func() error) {
	s.t.Helper()
	s.eventually(what, func() error {
		select {
		case <-proxy.Reached:
			if !*dead {
				require.NoError(s.t, die())
			}
		default:
		}
		return check()
	})
}

// TestTwoOperators lets two work at once, as if a Lease were ignored: no address or claim exists twice, and in the
// end neither has anything left to write.
func TestTwoOperators(t *testing.T) {
	const clusters = 40
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e))
	other := runOperator(t, e)
	t.Cleanup(s.end)
	cp, in := s.pool(controlPlane, 1, clusters), s.pool(ingress, 101, 100+clusters)
	name := func(i int) string { return fmt.Sprintf("c%02d", i) }
	for i := range clusters {
		s.cluster(name(i))
	}
	for i := range clusters {
		s.served(name(i))
	}
	s.used(cp, clusters)
	s.used(in, clusters)
	require.Len(t, s.ClaimsIn(s.name), 2*clusters)
	s.annotate(name(0), names.Annotation(ingress), nil)
	s.served(name(0))
	s.settled()
	mark := s.mark()
	s.handled()
	require.Empty(t, s.changes(mark))
	require.Empty(t, e.guard.Breaches())
	require.NotEqual(t, s.operator, other)
}
