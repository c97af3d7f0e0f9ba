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
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// lateVariable sets how many late Clusters to create in total; lateClusters is the default.
	lateVariable = "PROVIDERS_LATE"
	lateClusters = 20
)

// slowVCenter are arguments for a slow vCenter: provider vSphere handles one Cluster at a time for as long as its
// call takes, and machines come late.
var slowVCenter = map[plane.Component][]string{plane.Simulator: {"--call-delay=200ms", "--machine-delay=10s"}}

// The infrastructure of slow Clusters waits for these credentials.
const (
	lateCredentials = "late"
	lastCredentials = "last"
)

// Many Clusters exist before their pools, and no machine is ever built without its VIP. This checks every virtual
// machine that ever existed: one that is built wrong and replaced is one too many.
//
// Fast infrastructure is all provisioned before the pools come. With slow infrastructure, half of the Clusters wait
// for vCenter credentials that come just before the pools, and half for some that come while endpoints are being
// written. From then on, infrastructure is provisioned the moment something is written to the Cluster, or when
// provider vSphere retries.
func TestManyLate(t *testing.T) {
	count, err := strconv.Atoi(cmp.Or(os.Getenv(lateVariable), strconv.Itoa(lateClusters)))
	require.NoError(t, err, lateVariable)
	t.Run("fast infrastructure", func(t *testing.T) {
		l := newLate(t, count, plane.Options{}, credentials)
		l.all(provisioned, reason(names.ReasonPoolNotFound))
		l.haveVIPs(l.pools())
	})
	t.Run("slow infrastructure", func(t *testing.T) {
		l := newLate(t, count, plane.Options{Args: slowVCenter}, lateCredentials, lastCredentials)
		l.all(hasInfrastructure)
		l.provide(lateCredentials)
		l.quarter(lateCredentials, infrastructureProvisioned)
		begin := l.pools()
		l.quarter(lastCredentials, func(c *harness.Cluster) bool { return c.Endpoint().Host != "" })
		require.Zero(t, l.count(lastCredentials, infrastructureProvisioned), "the infrastructure did not wait")
		l.provide(lastCredentials)
		l.haveVIPs(begin)
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

// newLate creates the Clusters in turn, for each flavor with each of the credentials.
func newLate(t *testing.T, count int, options plane.Options, credentials ...string) *late {
	t.Helper()
	l := &late{t: t, each: max(1, count/len(flavors())/len(credentials))}
	require.LessOrEqual(t, l.each, 250, "a pool has so many addresses")
	on := newStageFor(t, options)
	for _, title := range slices.Sorted(maps.Keys(flavors())) {
		for _, name := range credentials {
			s := emptyScope(t, on, flavors()[title], octetMany+len(l.scopes))
			s.credentials = name
			s.create(s.class()...)
			s.patience *= time.Duration(1 + count/lateClusters)
			l.scopes, l.titles = append(l.scopes, s), append(l.titles, title+", credentials "+name)
		}
	}
	for i := range l.each {
		for _, s := range l.scopes {
			s.cluster(clusterName(i), nil)
		}
	}
	return l
}

// provide applies the credentials.
func (l *late) provide(credentials string) {
	l.t.Helper()
	require.NoError(l.t, l.scopes[0].stage.credentials(l.t.Context(), credentials))
}

// quarter waits until a quarter of the Clusters with these credentials pass a check.
func (l *late) quarter(credentials string, is func(*harness.Cluster) bool) {
	l.t.Helper()
	all := l.count(credentials, func(*harness.Cluster) bool { return true })
	l.scopes[0].eventually("a quarter of those with credentials "+credentials, func() error {
		if some := l.count(credentials, is); 4*some < all {
			return fmt.Errorf("%d of %d", some, all)
		}
		return nil
	})
}

// count returns how many Clusters with these credentials pass a check.
func (l *late) count(credentials string, is func(*harness.Cluster) bool) (count int) {
	for _, s := range l.scopes {
		for i := range l.each {
			if c := s.Cluster(s.name, clusterName(i)); s.credentials == credentials && c != nil && is(c) {
				count++
			}
		}
	}
	return count
}

// all waits until all Clusters pass the checks.
func (l *late) all(checks ...func(*harness.Cluster) error) {
	l.t.Helper()
	for _, s := range l.scopes {
		for i := range l.each {
			s.sees(clusterName(i), checks...)
		}
	}
}

// hasInfrastructure checks that a Cluster has an infrastructure object, in whatever state.
func hasInfrastructure(c *harness.Cluster) error {
	if name, _, _ := unstructured.NestedString(c.Object, "spec", "infrastructureRef", "name"); name == "" {
		return harness.ErrNotYet
	}
	return nil
}

// pools creates the pools, and returns the time at which it started.
func (l *late) pools() time.Time {
	l.t.Helper()
	for _, s := range l.scopes {
		require.Empty(l.t, s.machinesOf(), "no machine without an endpoint")
	}
	begin := time.Now()
	for _, s := range l.scopes {
		s.pool(l.each)
	}
	return begin
}

// haveVIPs waits for all machines, checks them, and logs how long after the pools they came.
func (l *late) haveVIPs(begin time.Time) {
	l.t.Helper()
	for i, title := range l.titles {
		l.t.Logf("%s: %s", title, l.scopes[i].allHaveVIPs(l.each, begin))
	}
	ever, err := l.scopes[0].Plane.Machines(l.t.Context())
	require.NoError(l.t, err)
	require.Len(l.t, ever, len(l.scopes)*l.each, "virtual machines that ever were: one for each Cluster")
}

func clusterName(i int) string { return fmt.Sprintf("c%03d", i) }

// machinesOf returns the names of the scope's control plane machines, each with the name of its Cluster.
func (s *scope) machinesOf() map[string]string {
	s.t.Helper()
	clusters := map[string]string{}
	for _, machine := range s.all(machines, controlPlaneMachines) {
		clusters[machine.GetName()], _, _ = unstructured.NestedString(machine.Object, "spec", "clusterName")
	}
	return clusters
}

// allHaveVIPs waits until count Clusters have virtual machines, checks each, and reports how long after the pool
// endpoints and machines came.
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
		"infrastructure: %s (%d times after the VIP); VIPs: %s; machines: %s",
		count, spread(infrastructure), later, spread(ready), spread(cloned))
}

// since returns the time from begin to the last transition of a Cluster's condition.
func since(begin time.Time, c *harness.Cluster, condition string) time.Duration {
	for _, entry := range c.Conditions() {
		if entry.Type == condition {
			return entry.LastTransitionTime.Sub(begin)
		}
	}
	return 0
}

// allRun waits until there are count virtual machines and all run, and returns them with their Clusters by name. It
// polls only once a second: the list includes the bootstrap data of all.
func (s *scope) allRun(count int) (clusters map[string]string, all []plane.VirtualMachine) {
	s.t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(s.t.Context(), time.Second, s.patience, true,
		func(ctx context.Context) (bool, error) {
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

// spread formats when the first, half and the last came, in seconds.
func spread(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("first %.0f, half %.0f, last %.0f",
		all[0].Seconds(), all[len(all)/2].Seconds(), all[len(all)-1].Seconds())
}
