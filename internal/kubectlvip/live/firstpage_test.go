package live

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// class is the ClusterClass of all Clusters here.
const class = "metal"

// filled returns a world of Clusters in many namespaces that have their VIPs and lack their conditions, with a pool
// for each role, as if read from an API server.
func filled(t testing.TB, clusters int) *World {
	t.Helper()
	reader, err := NewReader(&rest.Config{Host: "https://127.0.0.1:1"})
	require.NoError(t, err)
	w := &World{reader: reader, API: capi.API{
		Cluster: schema.GroupVersion{Group: capi.ClusterGroup, Version: "v1beta2"},
		IPAM:    schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1beta2"},
		Pools:   schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"},
	}, Operators: []view.Operator{{State: view.OperatorRunning, Settings: options.New().Settings()}}}
	_, informers, err := w.sources(reader.config)
	require.NoError(t, err)
	add := func(informer cache.SharedIndexInformer, object any) {
		require.NoError(t, informer.GetStore().Add(object))
	}
	w.Store, err = state.NewStore(informers)
	require.NoError(t, err)

	next := map[string]netip.Addr{}
	for i, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		pool := &capi.Pool{
			ObjectMeta: metav1.ObjectMeta{
				Name: role, Labels: map[string]string{names.ClusterClass: class, names.Role: role},
			},
			Spec: capi.PoolSpec{Addresses: []string{fmt.Sprintf("10.%d.0.0/16", i)}, Prefix: 16},
			Status: capi.PoolStatus{
				IPAddresses: &capi.PoolCapacity{Total: 65534, Used: clusters, Free: 65534 - clusters},
			},
		}
		pool.SetGroupVersionKind(w.API.GlobalPools().GroupVersionKind)
		for _, kind := range informers.Pools {
			if kind.GroupVersionKind == w.API.GlobalPools().GroupVersionKind {
				add(kind, pool)
			}
		}
		next[role] = netip.AddrFrom4([4]byte{10, byte(i), 0, 1})
	}
	for i := range clusters {
		namespace, name := fmt.Sprintf("team-%d", i%100), fmt.Sprintf("cluster-%d", i)
		add(informers.Clusters, served(namespace, name, next))
		for role, addr := range next {
			claim, address := claimed(namespace, name, role, addr)
			add(informers.Claims, claim)
			add(informers.Addresses, address)
			next[role] = addr.Next()
		}
	}
	observeServed(w.Store)
	return w
}

// served is a Cluster that carries its VIPs.
func served(namespace, name string, vips map[string]netip.Addr) *capi.Cluster {
	c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(name), Finalizers: []string{names.ClusterFinalizer},
		CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour)), Annotations: map[string]string{},
	}}
	c.Spec.Topology.ClassRef.Name = class
	c.Spec.ControlPlaneEndpoint.Host, c.Spec.ControlPlaneEndpoint.Port = vips[names.RoleControlPlane].String(), 6443
	for role, addr := range vips {
		c.Annotations[names.Annotation(role)] = addr.String()
	}
	return c
}

// claimed returns the claim of a role and the IPAddress that answers it.
func claimed(namespace, cluster, role string, addr netip.Addr) (*capi.Claim, *capi.Address) {
	controls := true
	name := names.ClaimName(cluster, role)
	ref := capi.PoolReference{APIGroup: capi.IPAMGroup, Kind: "GlobalInClusterIPPool", Name: role}
	born := metav1.NewTime(time.Now().Add(-time.Hour))
	claim := &capi.Claim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(name), CreationTimestamp: born,
			Labels: map[string]string{names.Role: role},
			OwnerReferences: []metav1.OwnerReference{
				{Kind: capi.KindCluster, Name: cluster, UID: types.UID(cluster), Controller: &controls},
			},
		},
		Spec: capi.ClaimSpec{ClusterName: cluster, PoolRef: ref},
	}
	claim.Status.AddressRef.Name = name
	return claim, &capi.Address{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, CreationTimestamp: born, ResourceVersion: "1",
			OwnerReferences: []metav1.OwnerReference{
				{Kind: capi.KindClaim, Name: name, UID: types.UID(name), Controller: &controls},
			},
		},
		Spec: capi.AddressSpec{Address: addr.String(), ClaimRef: capi.NameReference{Name: name}, PoolRef: ref},
	}
}

// BenchmarkFirstPage measures what a browser waits for after a change: new decisions about 10,000 Clusters.
func BenchmarkFirstPage(b *testing.B) {
	w := filled(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		var page bytes.Buffer
		require.NoError(b, web.Pools(&page, view.NewAtlas(w.Facts())))
	}
}

// TestFork: changes in a fork are not seen outside, and the other way round.
func TestFork(t *testing.T) {
	w := filled(t, 3)
	fork, err := w.Fork()
	require.NoError(t, err)
	before := w.Facts()
	require.Len(t, before.Snapshots, 3)
	require.True(t, view.List(before, "")[0].Roles[0].Ready)
	assert.Equal(t, view.List(before, ""), view.List(fork.Facts(), ""))

	require.NoError(t, fork.Store.Clusters.GetStore().Add(served("team-9", "new", nil)))
	assert.Len(t, fork.Facts().Snapshots, 4)
	assert.Len(t, w.Facts().Snapshots, 3)
	require.NoError(t, w.Store.Clusters.GetStore().Replace(nil, ""))
	assert.Len(t, fork.Facts().Snapshots, 4)
}
