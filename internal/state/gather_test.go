package state

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// crowd is how many Clusters of a hostile tenant name the same addresses, each in all annotations that are read.
const crowd = 500

// bothSides are the Cluster beside the crowd, and one of the crowd.
var bothSides = []types.NamespacedName{{Namespace: "tenant", Name: "victim"}, {Namespace: "hostile", Name: "c0"}}

// crowded returns a store with the crowd, which names the class, and a Cluster beside it that carries one of its
// addresses.
func crowded(tb testing.TB, class string) *Store {
	return crowdedWith(tb, class, crowd, 1, func(n int) string { return fmt.Sprintf("10.0.0.%d", 1+n) })
}

// crowdedWith is crowded with a number of Clusters and of pools; address returns what the n-th annotation of each
// Cluster names.
func crowdedWith(tb testing.TB, class string, clusters, pools int, address func(n int) string) *Store {
	tb.Helper()
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}
	informers := emptyInformers(api)
	store, err := NewStore(informers)
	require.NoError(tb, err)
	add := func(namespace, name, class string, annotations map[string]string) {
		cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(namespace + name), Annotations: annotations,
		}}
		cluster.Spec.Topology.ClassRef.Name = class
		require.NoError(tb, informers.Clusters.GetIndexer().Add(cluster))
	}
	for i := range clusters {
		annotations := map[string]string{}
		for n := range vip.MostRoles {
			annotations[names.Annotation(fmt.Sprintf("r%d", n))] = address(n)
		}
		add("hostile", fmt.Sprintf("c%d", i), class, annotations)
	}
	add("tenant", "victim", "class", map[string]string{names.Annotation(names.RoleIngress): "10.0.0.1"})
	for i := range pools {
		pool := &capi.Pool{ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("ingress-%d", i),
			Labels: map[string]string{names.ClusterClass: "class", names.Role: names.RoleIngress},
		}}
		pool.SetGroupVersionKind(api.GlobalPools().GroupVersionKind)
		require.NoError(tb, informers.Pools[1].GetIndexer().Add(pool))
	}
	return store
}

func TestGatherInACrowd(t *testing.T) {
	for name, class := range map[string]string{
		"if the crowd has no topology, should count none of it":                "",
		"if the crowd has the class but no pool for its roles, should neither": "class",
	} {
		t.Run(name, func(t *testing.T) {
			store := crowded(t, class)
			for _, key := range bothSides {
				_, snapshot, ok := store.Gather(key, vip.Memory{}, vip.Settings{}, time.Now())
				require.True(t, ok)
				assert.Empty(t, snapshot.Rivals, key)
			}
		})
	}
	t.Run("if nobody has a topology, should find nobody by address", func(t *testing.T) {
		store := crowded(t, "")
		assert.Len(t, store.Clusters.GetIndexer().ListIndexFuncValues(byAddress), 1)
	})
}

// However many annotations of others name an address, what is read of the pools does not grow with them. Allocations
// stand for work: unlike time they are the same on every machine.
func TestGatherReadsPoolsOnce(t *testing.T) {
	const clusters, pools = 20, 40
	work := func(clusters, pools int) float64 {
		store := crowdedWith(t, "class", clusters, pools, func(int) string { return "10.0.0.1" })
		return testing.AllocsPerRun(1, func() { store.Gather(bothSides[0], vip.Memory{}, vip.Settings{}, time.Time{}) })
	}
	alone, inCrowd := work(0, pools)-work(0, 1), work(clusters, pools)-work(clusters, 1)
	assert.Less(t, inCrowd, 3*alone, "for %d pools more", pools-1)
}

// A pool may list tens of thousands of addresses. What it may hand out is computed once, and again when it changes.
func TestGatherReadsRangesOnce(t *testing.T) {
	store := crowdedWith(t, "class", 0, 0, nil)
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}
	large := func(last string) *capi.Pool {
		pool := &capi.Pool{ObjectMeta: metav1.ObjectMeta{
			Name: "large", Labels: map[string]string{names.ClusterClass: "class", names.Role: names.RoleControlPlane},
		}}
		pool.SetGroupVersionKind(api.GlobalPools().GroupVersionKind)
		for i := range 2000 {
			pool.Spec.Addresses = append(pool.Spec.Addresses, fmt.Sprintf("10.1.%d.%d", i/100, 2*(i%100)))
		}
		pool.Spec.Addresses = append(pool.Spec.Addresses, last)
		return pool
	}
	cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "typed", UID: "typed"}}
	cluster.Spec.ControlPlaneEndpoint.Host = "10.2.0.1"
	cluster.Spec.Topology.ClassRef.Name = "class"
	gather := func() vip.Snapshot { return store.GatherFor(cluster, vip.Memory{}, vip.Settings{}, time.Now()) }
	for _, last := range []string{"10.2.0.1", "10.2.0.2"} {
		pool := large(last)
		require.NoError(t, store.Informers.Pools[1].GetIndexer().Update(pool))
		snapshot := gather()
		assert.Equal(t, last == "10.2.0.1", vip.Contain(snapshot.Pools[0].Offers, netip.MustParseAddr("10.2.0.1")),
			"it has changed")
		assert.Less(t, testing.AllocsPerRun(5, func() { gather() }), 500.0)
		store.ForgetPool(pool)
		assert.Empty(t, store.ranges)
	}
}

// Anyone who may create claims can have any number of them name a Cluster as their owner, each for a role of its own.
func TestGatherBoundsClaims(t *testing.T) {
	store := crowdedWith(t, "class", 0, 1, nil)
	cluster := store.CachedCluster(bothSides[0].String())
	claim := func(role string) {
		claim := &capi.Claim{ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster.Namespace, Name: names.ClaimName(cluster.Name, role), UID: types.UID(role),
			Labels:          map[string]string{names.Role: role},
			OwnerReferences: []metav1.OwnerReference{{Kind: capi.KindCluster, Name: cluster.Name, UID: cluster.UID}},
		}}
		require.NoError(t, store.Claims.GetIndexer().Add(claim))
	}
	for n := range 1000 {
		claim(fmt.Sprintf("a%d", n))
	}
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		claim(role)
	}
	snapshot := store.GatherFor(cluster, vip.Memory{}, vip.Settings{}, time.Now())
	assert.Len(t, snapshot.Claims, 2+mostFurtherClaims)
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress, "a0"} {
		assert.NotNil(t, snapshot.ClaimFor(role), role)
	}
}

// BenchmarkGatherInACrowd measures what reading for one decision costs, for a victim and for one of the crowd.
func BenchmarkGatherInACrowd(b *testing.B) {
	for _, class := range []string{"", "class"} {
		store := crowded(b, class)
		for _, key := range bothSides {
			b.Run(fmt.Sprintf("%s, class %q of the crowd", key, class), func(b *testing.B) {
				for b.Loop() {
					store.Gather(key, vip.Memory{}, vip.Settings{}, time.Time{})
				}
			})
		}
	}
}
