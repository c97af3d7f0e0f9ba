package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// What is kept of pools grows with the pools, and not with what claims name.
func TestObserveServed(t *testing.T) {
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}
	informers := emptyInformers(api)
	store, err := NewStore(informers)
	require.NoError(t, err)
	add := func(kind capi.Resource, i int, namespace string) *capi.Pool {
		pool := &capi.Pool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pool"}}
		pool.SetGroupVersionKind(kind.GroupVersionKind)
		require.NoError(t, informers.Pools[i].GetIndexer().Add(pool))
		return pool
	}
	local, global := add(api.NamespacedPools(), 0, "tenant"), add(api.GlobalPools(), 1, "")
	for i := range 1000 {
		for _, pool := range []*capi.Pool{local, global} {
			ref := pool.Ref()
			store.ObserveServed(ref, "tenant", time.Unix(1e9, 0))
			store.ObserveServed(vip.PoolRef{Group: ref.Group, Kind: ref.Kind, Name: fmt.Sprintf("none-%d", i)},
				"tenant", time.Unix(1e9, 0))
		}
		store.ObserveServed(local.Ref(), fmt.Sprintf("other-%d", i), time.Unix(1e9, 0))
	}
	assert.Len(t, store.served, 2)
	assert.Equal(t, time.Unix(1e9, 0), store.lastServed(local))
	store.ForgetPool(local)
	assert.Zero(t, store.lastServed(local))
	assert.Equal(t, time.Unix(1e9, 0), store.lastServed(global))
}

// A pool for any class reaches all Clusters that have one, and each of them finds it once.
func TestPoolsForAnyClass(t *testing.T) {
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}
	informers := emptyInformers(api)
	store, err := NewStore(informers)
	require.NoError(t, err)
	add := func(i int, kind capi.Resource, namespace, classes string) *capi.Pool {
		pool := &capi.Pool{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "any", Annotations: map[string]string{names.ClusterClass: classes},
			Labels: map[string]string{names.ClusterClass: names.SeeAnnotation, names.Role: names.RoleIngress},
		}}
		pool.SetGroupVersionKind(kind.GroupVersionKind)
		require.NoError(t, informers.Pools[i].GetIndexer().Add(pool))
		return pool
	}
	local, global := add(0, api.NamespacedPools(), "tenant", "*"), add(1, api.GlobalPools(), "", "metal,*")
	// Nothing keeps a Cluster from naming a class that cannot exist.
	for _, class := range []string{"metal", "vsphere", "*", ""} {
		for _, namespace := range []string{"tenant", "other"} {
			cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "of-" + class}}
			cluster.Spec.Topology.ClassRef.Name = class
			require.NoError(t, informers.Clusters.GetIndexer().Add(cluster))
			want := map[string][]*capi.Pool{"tenant": {local, global}, "other": {global}}[namespace]
			if class == "" {
				want = nil
			}
			assert.Equal(t, want, store.poolsFor(cluster), "%s/%s", namespace, cluster.Name)
		}
	}
	assert.Len(t, store.ClustersOf(global), 6)
	assert.Len(t, store.ClustersOf(local), 3)
	assert.Len(t, store.Pools(), 2)
}

// emptyInformers returns caches, for a test to fill, of all kinds but DNS records.
func emptyInformers(api capi.API) Informers {
	informers := Informers{
		Clusters: emptyInformer(&capi.Cluster{}), ClusterClasses: emptyInformer(&capi.ClusterClass{}),
		Claims: emptyInformer(&capi.Claim{}), Addresses: emptyInformer(&capi.Address{}),
	}
	for _, kind := range api.AllPools() {
		informers.Pools = append(informers.Pools, Pools{kind, emptyInformer(&capi.Pool{})})
	}
	return informers
}

func emptyInformer(object runtime.Object) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(&cache.ListWatch{}, object, 0, cache.Indexers{})
}
