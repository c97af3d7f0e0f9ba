package acceptance

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// earlier is a commit whose operator did not yet record the claims of a Cluster, and held back the endpoint where it
// now holds back the control plane.
const earlier = "2feebcf0f68cbbd0c4eb05294a94b316a3256bbc"

// TestUpgradeOfOperator upgrades the operator from an earlier commit as a Deployment does: the new one stands by
// until the old one has ended. No VIP changes, no claim is created or lost, conditions are right, waiting Clusters
// keep waiting, healing and release go on, and writes are few. Going back to the old operator, and again to the new
// one, changes no VIP either.
func TestUpgradeOfOperator(t *testing.T) {
	if os.Getenv(upgradeVariable) == "" {
		t.Skipf("takes long; set %s", upgradeVariable)
	}
	binary, err := harness.BuildOperatorOf(t.Context(), earlier, t.TempDir())
	require.NoError(t, err)
	p := startPlane(t, plane.Options{})
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	e := newEnv(t, p)
	t.Cleanup(e.Close)
	replica := func(binary string) *harness.Operator {
		operator := launch(t, p, harness.OperatorOptions{Binary: binary, Args: []string{
			"--leader-elect=true", "--reconcile-period=5s", "--retry-interval=1s",
		}})
		t.Cleanup(func() { require.NoError(t, operator.Kill()) })
		return operator
	}
	s := newScope(t, e, replica(binary))
	waitServing(t, s.operator)
	s.patience = 5 * time.Minute
	clusters := s.bothDeliveries(upgraded)
	release := s.unusual()
	before := s.holdings(clusters)

	writes := s.rollOver(replica(""))
	for _, name := range clusters {
		s.served(name)
	}
	require.Equal(t, before, s.holdings(clusters), "VIPs and claims after the upgrade")
	t.Logf("%d writes of the new operator for %d Clusters: %v",
		len(writes), len(clusters), writes.CountBy(plane.Entry.Request))
	// Each Cluster that holds a VIP gets the record of its claims, including the one with its own endpoint and the
	// one in deletion.
	require.LessOrEqual(t, len(writes), len(clusters)+2)
	s.livesOn(clusters[0], "upgraded")
	release()

	s.rollOver(replica(binary))
	require.Equal(t, before, s.holdings(clusters), "VIPs and claims after the way back")
	s.livesOn(clusters[1], "back")
	writes = s.rollOver(replica(""))
	require.Equal(t, before, s.holdings(clusters), "VIPs and claims after the second upgrade")
	t.Logf("%d writes after the way back and the second upgrade: %v", len(writes), writes.CountBy(plane.Entry.Request))
	require.Empty(t, s.rollOver(replica("")), "writes of an operator that follows another of its own kind")
	require.Empty(t, e.guard.Breaches())
	s.end()
	stop(t, s.operator)
}

// rollOver has the next operator take over from the current one, waits until all is quiet, and returns what it wrote.
func (s *scope) rollOver(next *harness.Operator) plane.Entries {
	s.t.Helper()
	require.NoError(s.t, next.WaitReady(s.t.Context()), "a standby is ready")
	s.settled()
	mark := s.mark()
	stop(s.t, s.operator)
	waitServing(s.t, next)
	s.operator = next
	s.looks(next, 2*upgraded)
	s.settled()
	return s.changes(mark)
}

// unusual creates Clusters in special states for the upgrade: one waits for a pool, one has its own endpoint, one is
// paused, one is in deletion. The returned function checks that they were left as they are, and ends those states.
func (s *scope) unusual() (release func()) {
	s.t.Helper()
	annotated := func(c *harness.NewCluster) { c.Class = s.name + "-annotation" }
	s.cluster("waits") // no pool serves the class of the scope yet
	s.cluster("own", annotated, func(c *harness.NewCluster) { c.Host, c.Port = "own.example.com", 6443 })
	s.cluster("paused", annotated)
	s.cluster("leaves", annotated)
	paused := s.vips(s.served("paused"))
	s.served("leaves")
	s.hold("leaves")
	s.sees("waits", condition(controlPlane, names.ReasonPoolNotFound))
	s.sees("own", condition(controlPlane, names.ReasonEndpointProvided),
		condition(ingress, names.ReasonIPAddressAssigned))
	s.edit("paused", map[string]any{"spec": map[string]any{"paused": true}})
	s.delete("leaves")
	s.sees("leaves", func(c *harness.Cluster) error {
		if c.GetDeletionTimestamp() == nil {
			return harness.ErrNotYet
		}
		return nil
	})
	s.settled()
	version := s.get("paused").GetResourceVersion()
	return func() {
		s.t.Helper()
		require.Equal(s.t, version, s.get("paused").GetResourceVersion(), "a paused Cluster is not written to")
		require.Equal(s.t, paused, s.vips(s.get("paused")))
		require.NotNil(s.t, s.Claim(s.name, names.ClaimName("leaves", controlPlane)),
			"Cluster API has not finished with it")
		s.sees("waits", condition(controlPlane, names.ReasonPoolNotFound))
		s.sees("own", endpoint("own.example.com", 6443), condition(controlPlane, names.ReasonEndpointProvided))

		s.edit("paused", map[string]any{"spec": map[string]any{"paused": false}})
		require.Equal(s.t, paused, s.vips(s.served("paused")))
		require.NoError(s.t, s.Plane.ReleaseDeletion(s.t.Context(), s.name, "leaves"))
		s.gone("leaves")
		s.pool(controlPlane, 170, 179)
		s.pool(ingress, 180, 189)
		s.served("waits")
	}
}
