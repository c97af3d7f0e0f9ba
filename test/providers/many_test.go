package providers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/harness"
	"github.com/gorizond/capi-vip-allocator/test/plane"
)

const (
	// lateVariable says how many late Clusters come in all, and lateClusters how many without it.
	lateVariable = "PROVIDERS_LATE"
	lateClusters = 20
)

// slowVCenter are arguments of a vCenter that makes all wait: provider vSphere looks after one Cluster at a time for as long
// as its call takes, and machines come late.
var slowVCenter = map[plane.Component][]string{plane.Simulator: {"--call-delay=200ms", "--machine-delay=10s"}}

// lateCredentials are what the infrastructure of slow Clusters waits for.
const lateCredentials = "late"

// Many Clusters that are all there before their pools: no machine is ever built without its VIP. All virtual machines that
// ever were are looked at: one that is built wrong and replaced is one too many.
//
// Where the infrastructure is fast, all of it is provisioned before the pools come. Where it is slow, the credentials of the
// vCenter come last, and the pools when a quarter of the Clusters has its infrastructure: others get theirs in the moment in
// which something is written to them, or when provider vSphere tries again.
func TestManyLate(t *testing.T) {
	count, err := strconv.Atoi(cmp.Or(os.Getenv(lateVariable), strconv.Itoa(lateClusters)))
	require.NoError(t, err, lateVariable)
	t.Run("fast infrastructure", func(t *testing.T) {
		l := newLate(t, count, plane.Options{}, credentials)
		l.all(provisioned, reason(names.ReasonPoolNotFound))
		l.haveVIPs()
	})
	t.Run("slow infrastructure", func(t *testing.T) {
		l := newLate(t, count, plane.Options{Args: slowVCenter}, lateCredentials)
		l.all(hasInfrastructure)
		first := l.scopes[0]
		require.NoError(t, first.stage.credentials(t.Context(), lateCredentials))
		first.eventually("a quarter has its infrastructure", func() error {
			if some := l.provisioned(); some < len(l.scopes)*l.each/4 {
				return fmt.Errorf("%d have", some)
			}
			return nil
		})
		require.Less(t, l.haveVIPs(), len(l.scopes)*l.each, "all infrastructure was there before the pools: it is not slow")
	})
}

// late are Clusters of all flavors, on a plane of their own, before their pools.
type late struct {
	t      *testing.T
	scopes []*scope
	titles []string
	// each is how many Clusters a scope has.
	each int
}

// newLate makes the Clusters of all flavors in turn.
func newLate(t *testing.T, count int, options plane.Options, credentials string) *late {
	t.Helper()
	l := &late{t: t, titles: slices.Sorted(maps.Keys(flavors())), each: max(1, count/len(flavors()))}
	require.LessOrEqual(t, l.each, 250, "a pool has so many addresses")
	on := newStageFor(t, options)
	for i, title := range l.titles {
		s := emptyScope(t, on, flavors()[title], octetMany+i)
		s.credentials = credentials
		s.create(s.class()...)
		s.patience *= time.Duration(1 + count/lateClusters)
		l.scopes = append(l.scopes, s)
	}
	for i := range l.each {
		for _, s := range l.scopes {
			s.cluster(clusterName(i), nil)
		}
	}
	return l
}

// all waits until all Clusters are as the checks want them.
func (l *late) all(checks ...func(*harness.Cluster) error) {
	l.t.Helper()
	for _, s := range l.scopes {
		for i := range l.each {
			s.sees(clusterName(i), checks...)
		}
	}
}

// hasInfrastructure checks that a Cluster has an object for its infrastructure, whatever that is up to.
func hasInfrastructure(c *harness.Cluster) error {
	if name, _, _ := unstructured.NestedString(c.Object, "spec", "infrastructureRef", "name"); name == "" {
		return harness.ErrNotYet
	}
	return nil
}

// provisioned is how many Clusters have their infrastructure.
func (l *late) provisioned() (count int) {
	for _, s := range l.scopes {
		for i := range l.each {
			if c := s.Cluster(s.name, clusterName(i)); c != nil && infrastructureProvisioned(c) {
				count++
			}
		}
	}
	return count
}

// haveVIPs makes the pools, checks all machines, and returns how many Clusters had their infrastructure before the pools.
func (l *late) haveVIPs() int {
	l.t.Helper()
	for _, s := range l.scopes {
		require.Empty(l.t, s.machinesOf(), "no machine without an endpoint")
	}
	before := l.provisioned()
	begin := time.Now()
	for _, s := range l.scopes {
		s.pool(l.each)
	}
	l.t.Logf("%d of %d Clusters had their infrastructure when the pools came", before, len(l.scopes)*l.each)
	for i, title := range l.titles {
		l.t.Logf("%s: %s", title, l.scopes[i].allHaveVIPs(l.each, begin))
	}
	ever, err := l.scopes[0].Plane.Machines(l.t.Context())
	require.NoError(l.t, err)
	require.Len(l.t, ever, len(l.scopes)*l.each, "virtual machines that ever were: one for each Cluster")
	return before
}

func clusterName(i int) string { return fmt.Sprintf("c%03d", i) }

// machinesOf are the control plane machines of the scope by their names, with the names of their Clusters.
func (s *scope) machinesOf() map[string]string {
	s.t.Helper()
	clusters := map[string]string{}
	for _, machine := range s.all(machines, controlPlaneMachines) {
		clusters[machine.GetName()], _, _ = unstructured.NestedString(machine.Object, "spec", "clusterName")
	}
	return clusters
}

// allHaveVIPs waits until so many Clusters have virtual machines, checks each, and tells how long after the pool endpoints
// and machines came.
func (s *scope) allHaveVIPs(count int, begin time.Time) string {
	s.t.Helper()
	vips := map[string]string{}
	var ready, infrastructure, cloned []time.Duration
	later := 0
	for i := range count {
		c := s.sees(clusterName(i), reason(names.ReasonIPAddressAssigned), provisioned)
		vips[c.GetName()] = c.Endpoint().Host
		ready = append(ready, since(begin, c, names.ConditionType(names.RoleControlPlane)))
		infrastructure = append(infrastructure, since(begin, c, "InfrastructureReady"))
		if infrastructure[i] > ready[i] {
			later++
		}
	}
	clusters, all := s.allRun(count)
	require.Len(s.t, all, count, "one for each Cluster, and none twice")
	for i := range all {
		userData, err := all[i].UserData()
		require.NoError(s.t, err)
		s.startsWith(all[i].Name, userData, vips[clusters[all[i].Name]])
		cloned = append(cloned, all[i].Cloned.Sub(begin))
	}
	require.False(s.t, s.t.Failed(), "a machine was built without its VIP")
	return fmt.Sprintf("%d virtual machines, none without its VIP; seconds after the pool came "+
		"infrastructure: %s (%d times after the VIP); VIPs: %s; machines: %s", count, spread(infrastructure), later, spread(ready), spread(cloned))
}

// since is how long after something a condition of a Cluster became what it is.
func since(begin time.Time, c *harness.Cluster, condition string) time.Duration {
	for _, entry := range c.Conditions() {
		if entry.Type == condition {
			return entry.LastTransitionTime.Sub(begin)
		}
	}
	return 0
}

// allRun waits until there are so many virtual machines and all run, and returns them with their Clusters by their names.
// It looks once a second only: the list holds what all of them start with.
func (s *scope) allRun(count int) (clusters map[string]string, all []plane.VirtualMachine) {
	s.t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(s.t.Context(), time.Second, s.patience, true, func(ctx context.Context) (bool, error) {
		var err error
		if all, err = s.Plane.Machines(ctx); err != nil {
			return false, err
		}
		clusters = s.machinesOf()
		all = slices.DeleteFunc(all, func(vm plane.VirtualMachine) bool { return clusters[vm.Name] == "" })
		off := slices.IndexFunc(all, func(vm plane.VirtualMachine) bool { return vm.Power != "poweredOn" })
		last = fmt.Sprintf("%d of %d are there; the first of them that does not run: %d", len(all), count, off)
		return len(all) >= count && off < 0, nil
	})
	require.NoError(s.t, err, last)
	return clusters, all
}

// spread says when the first, half and the last of something came, in seconds.
func spread(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("first %.0f, half %.0f, last %.0f",
		all[0].Seconds(), all[len(all)/2].Seconds(), all[len(all)-1].Seconds())
}
