package providers

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/harness"
	"github.com/gorizond/capi-vip-allocator/test/plane"
)

const (
	// lateVariable says how many late Clusters come in all, and lateClusters how many without it.
	lateVariable = "PROVIDERS_LATE"
	lateClusters = 20
)

// Many Clusters that are all there, with their infrastructure, before their pools: no machine is ever built without its VIP.
// All virtual machines that ever were are looked at: one that is built wrong and replaced is one too many.
func TestManyLate(t *testing.T) {
	count, err := strconv.Atoi(cmp.Or(os.Getenv(lateVariable), strconv.Itoa(lateClusters)))
	require.NoError(t, err, lateVariable)
	each := max(1, count/len(flavors()))
	require.LessOrEqual(t, each, 250, "a pool has so many addresses")
	titles := slices.Sorted(maps.Keys(flavors()))
	scopes := map[string]*scope{}
	for i, title := range titles {
		s := newScope(t, shared, flavors()[title], octetMany+i)
		s.patience *= time.Duration(1 + count/lateClusters)
		scopes[title] = s
		for i := range each {
			s.cluster(clusterName(i), nil)
		}
	}
	for _, s := range scopes {
		for i := range each {
			s.sees(clusterName(i), provisioned, reason(names.ReasonPoolNotFound))
		}
		require.Empty(t, s.machinesOf(), "no machine without an endpoint")
	}
	begin := time.Now()
	for _, s := range scopes {
		s.pool(each)
	}
	for _, title := range titles {
		t.Logf("%s: %s", title, scopes[title].allHaveVIPs(each, begin))
	}
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

// allHaveVIPs waits until so many Clusters have virtual machines, checks each, and tells how long after the pool they came.
func (s *scope) allHaveVIPs(count int, begin time.Time) string {
	s.t.Helper()
	vips := map[string]string{}
	for i := range count {
		vips[clusterName(i)] = s.sees(clusterName(i), reason(names.ReasonIPAddressAssigned)).Endpoint().Host
	}
	var took []time.Duration
	s.eventually("all virtual machines run", func() error {
		clusters := s.machinesOf()
		all, err := s.Plane.Machines(s.t.Context())
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(vm plane.VirtualMachine) bool { return clusters[vm.Name] == "" })
		if len(all) < count || slices.ContainsFunc(all, func(vm plane.VirtualMachine) bool { return vm.Power != "poweredOn" }) {
			return fmt.Errorf("%d of %d are there, or not all run: %w", len(all), count, harness.ErrNotYet)
		}
		require.Len(s.t, all, count, "one for each Cluster, and none twice")
		took = nil
		for i := range all {
			userData, err := all[i].UserData()
			require.NoError(s.t, err)
			s.startsWith(all[i].Name, userData, vips[clusters[all[i].Name]])
			took = append(took, all[i].Cloned.Sub(begin))
		}
		return nil
	})
	slices.Sort(took)
	assert.False(s.t, s.t.Failed(), "a machine was built without its VIP")
	return fmt.Sprintf("%d Clusters, none built a machine without its VIP; the pool was there %.1f s before the first virtual machine, %.1f s before the median, %.1f s before the last",
		count, took[0].Seconds(), took[len(took)/2].Seconds(), took[len(took)-1].Seconds())
}
