package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// upgradeVariable enables TestUpgradeInPlace, which needs every stack and many minutes.
	upgradeVariable = "ACCEPTANCE_UPGRADE"
	// upgraded is how many Clusters live through upgrades, half with each way of delivery.
	upgraded = 50
)

// TestUpgradeInPlace upgrades Cluster API and the IPAM provider under a running operator with live Clusters: no VIP
// changes, no claim is created or lost, conditions stay, healing and release go on, and writes are few.
func TestUpgradeInPlace(t *testing.T) {
	if os.Getenv(upgradeVariable) == "" {
		t.Skipf("takes long; set %s", upgradeVariable)
	}
	for name, path := range map[string][]plane.Stack{
		"at once":      {plane.StackCurrent, plane.StackV1Beta2},
		"step by step": {plane.StackV112, plane.StackV113, plane.StackCurrent, plane.StackV1Beta2},
	} {
		t.Run(name, func(t *testing.T) { upgrade(t, path) })
	}
}

func upgrade(t *testing.T, path []plane.Stack) {
	p := startPlane(t, plane.Options{Stack: plane.StackOldest})
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	e := newEnv(t, p)
	t.Cleanup(func() { e.Close() })
	operator := launch(t, p, harness.OperatorOptions{Args: []string{"--reconcile-period=5s", "--retry-interval=1s"}})
	t.Cleanup(func() { require.NoError(t, operator.Kill()) })
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.patience = 5 * time.Minute
	clusters := s.bothDeliveries(upgraded)
	before := s.holdings(clusters)
	for _, stack := range path {
		mark, version := s.mark(), e.Version
		require.NoError(t, p.Upgrade(t.Context(), stack), stack)
		e.reconnect(t)
		s.ownedAt(e.Version, claimsOf(clusters)...)
		for _, name := range clusters {
			s.served(name)
		}
		s.settled()
		require.Equal(t, before, s.holdings(clusters), "VIPs and claims after the upgrade to %s", stack)
		writes := s.changes(mark)
		t.Logf("%s: %d writes of the operator for %d Clusters: %v",
			stack, len(writes), len(clusters), writes.CountBy(plane.Entry.Request))
		bound := 0
		if e.Version != version {
			bound = len(claimsOf(clusters)) // each names its owner at the new version
		}
		require.LessOrEqual(t, len(writes), bound, stack)
		s.livesOn(clusters[0], strings.ReplaceAll(string(stack), ".", "-"))
		require.Empty(t, e.guard.Breaches(), stack)
	}
	s.end()
	stop(t, operator)
}

// bothDeliveries creates Clusters of two classes, one that reads the VIP from an annotation and one that has a
// variable for it, waits until they are served, and returns their names.
func (s *scope) bothDeliveries(count int) []string {
	s.t.Helper()
	annotated, variable := s.name+"-annotation", s.name+"-variable"
	s.create(
		harness.NewClass{Namespace: s.name, Name: annotated, Patches: []any{harness.FromAnnotation(controlPlane)}},
		harness.NewClass{Namespace: s.name, Name: variable, Variables: []any{declared("vip", "string")}, Patches: []any{
			harness.FromVariable("vip"),
		}},
	)
	of := func(class string) func(*harness.NewPool) { return func(p *harness.NewPool) { p.Class = class } }
	s.pool(controlPlane, 10, 49, of(annotated))
	s.pool(ingress, 50, 89, of(annotated))
	s.pool(controlPlane, 90, 129, of(variable), func(p *harness.NewPool) {
		p.Annotations = map[string]string{names.HostVariable: "vip"}
	})
	s.pool(ingress, 130, 169, of(variable))
	var clusters []string
	for i := range count {
		class := annotated
		if i%2 == 1 {
			class = variable
		}
		clusters = append(clusters, fmt.Sprintf("c%02d", i))
		s.cluster(clusters[i], func(c *harness.NewCluster) { c.Class = class })
	}
	for _, name := range clusters {
		s.served(name)
	}
	s.settled()
	return clusters
}

// reconnect restarts the watches at the version that the plane serves now.
func (e *env) reconnect(t *testing.T) {
	t.Helper()
	e.Close()
	fresh := newEnv(t, e.Plane)
	e.World, e.guard = fresh.World, fresh.guard
}

func claimsOf(clusters []string) []string {
	var claims []string
	for _, name := range clusters {
		claims = append(claims, names.ClaimName(name, controlPlane), names.ClaimName(name, ingress))
	}
	return claims
}

// holding is what a Cluster holds.
type holding struct {
	vips   []string
	claims []types.UID
}

func (s *scope) holdings(clusters []string) map[string]holding {
	s.t.Helper()
	held := map[string]holding{}
	for _, name := range clusters {
		h := holding{vips: s.vips(s.get(name))}
		for _, claim := range claimsOf([]string{name}) {
			object := s.Claim(s.name, claim)
			require.NotNil(s.t, object, claim)
			h.claims = append(h.claims, object.GetUID())
		}
		held[name] = h
	}
	return held
}

// livesOn checks that a Cluster is healed, and that another one comes and goes.
func (s *scope) livesOn(cluster, other string) {
	s.t.Helper()
	had := s.vips(s.get(cluster))
	s.annotate(cluster, names.Annotation(ingress), nil)
	require.Equal(s.t, had, s.vips(s.served(cluster)))
	s.cluster(other, func(c *harness.NewCluster) { c.Class = s.name + "-annotation" })
	s.served(other)
	s.delete(other)
	s.gone(other)
	s.settled()
}
