package controller

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// A change of who holds a DNS name wakes the Clusters whose names collide with it, and no others.
func TestTriggersOfNames(t *testing.T) {
	cluster := func(namespace, name string, change ...func(*capi.Cluster)) *capi.Cluster {
		c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Finalizers: []string{names.ClusterFinalizer},
		}}
		for _, f := range change {
			f(c)
		}
		return c
	}
	carries := func(c *capi.Cluster) { c.Spec.ControlPlaneEndpoint.Host = "10.0.0.10" }
	labelled := func(c *capi.Cluster) { c.Labels = map[string]string{"a": "label"} }
	released := func(c *capi.Cluster) { c.DeletionTimestamp, c.Finalizers = &metav1.Time{}, nil }
	records := func(name string) *capi.DNSEndpoint {
		d := &capi.DNSEndpoint{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: names.DNSEndpointName("prod")}}
		d.OwnerReferences = []metav1.OwnerReference{{Kind: capi.KindCluster, Name: "prod"}}
		d.Spec.Endpoints = []capi.DNSRecord{{DNSName: name, RecordType: "A", Targets: []string{"10.0.0.10"}}}
		return d
	}
	for name, test := range map[string]struct {
		event func(*triggers)
		want  []string
	}{
		"if a Cluster gets a VIP": {
			func(t *triggers) { t.cluster(cluster("a", "prod"), cluster("a", "prod", carries), false) },
			[]string{"b/prod"},
		},
		"if a Cluster loses its VIP": {
			func(t *triggers) { t.cluster(cluster("a", "prod", carries), cluster("a", "prod"), false) },
			[]string{"b/prod"},
		},
		"if Cluster API is done with a Cluster": {func(t *triggers) {
			t.cluster(cluster("a", "prod", carries), cluster("a", "prod", carries, released), false)
		}, []string{"b/prod"}},
		"if a Cluster with a VIP is gone": {
			func(t *triggers) { t.cluster(cluster("a", "prod", carries), nil, false) }, []string{"b/prod"},
		},
		"if anything else of a Cluster changes": {func(t *triggers) {
			t.cluster(cluster("a", "prod", carries), cluster("a", "prod", carries, labelled), false)
		}, nil},
		"if records are written": {
			func(t *triggers) { t.dns(nil, records("api.prod.d"), false) }, []string{"a/prod", "b/prod"},
		},
		"if records change": {
			func(t *triggers) { t.dns(records("api.prod.d"), records("x.d"), false) }, []string{"a/prod", "b/prod"},
		},
		"if records are gone": {
			func(t *triggers) { t.dns(records("api.prod.d"), nil, false) }, []string{"a/prod", "b/prod"},
		},
		"if records are there at the start": {func(t *triggers) { t.dns(nil, records("api.prod.d"), true) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			store := emptyStore(t, vip.DNSSettings{
				BaseDomain: "d", Names: map[string]string{names.RoleControlPlane: "api.{cluster}.{baseDomain}"},
			})
			for _, c := range []*capi.Cluster{cluster("a", "prod"), cluster("b", "prod"), cluster("b", "other")} {
				require.NoError(t, store.Clusters.GetIndexer().Add(c))
			}
			assert.ElementsMatch(t, test.want, wokenBy(store, test.event))
		})
	}
}

// emptyStore returns a store without anything in its caches.
func emptyStore(t *testing.T, dns vip.DNSSettings) *state.Store {
	t.Helper()
	informer := func() cache.SharedIndexInformer {
		return cache.NewSharedIndexInformer(&cache.ListWatch{}, nil, 0, cache.Indexers{})
	}
	store, err := state.NewStore(state.Informers{
		Clusters: informer(), ClusterClasses: informer(), Claims: informer(), Addresses: informer(),
		DNS: informer(), Names: dns,
	})
	require.NoError(t, err)
	return store
}

// wokenBy returns the Clusters that an event wakes.
func wokenBy(store *state.Store, event func(*triggers)) []string {
	var woken []string
	h := newHandler(context.Background(),
		Config{Logger: slog.New(slog.DiscardHandler), Events: &record.FakeRecorder{}}, store, nil,
		func(namespace, name string, _ time.Duration) { woken = append(woken, namespace+"/"+name) })
	event(&triggers{handler: h, store: store})
	return woken
}

// A change of a pool wakes the Clusters that it serves or served: those of its classes, or of any class if it says
// so.
func TestTriggersOfPools(t *testing.T) {
	pool := func(namespace, classes string, change ...func(*capi.Pool)) *capi.Pool {
		p := &capi.Pool{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "pool", Annotations: map[string]string{names.ClusterClass: classes},
			Labels: map[string]string{names.ClusterClass: names.SeeAnnotation, names.Role: names.RoleIngress},
		}}
		for _, f := range change {
			f(p)
		}
		return p
	}
	for7 := func(p *capi.Pool) { p.Annotations[names.Variables] = "network=vlan-7" }
	full := func(p *capi.Pool) { p.Status.IPAddresses = &capi.PoolCapacity{Total: 1, Used: 1} }
	free := func(p *capi.Pool) { p.Status.IPAddresses = &capi.PoolCapacity{Total: 2, Used: 1, Free: 1} }
	metal, all, waits := []string{"a/metal"}, []string{"a/metal", "a/vsphere", "b/vsphere"}, "b/vsphere"
	for name, test := range map[string]struct {
		before, after *capi.Pool
		want          []string
	}{
		"if a pool of one class comes":                    {nil, pool("", "metal"), metal},
		"if a pool for any class comes":                   {nil, pool("", "*"), all},
		"if a pool for any class goes":                    {pool("", "*"), nil, all},
		"if a pool for any class of a namespace comes":    {nil, pool("a", "*"), []string{"a/metal", "a/vsphere"}},
		"if a pool for any class asks for values":         {pool("", "*"), pool("", "*", for7), append(all, all...)},
		"if a pool becomes one for any class":             {pool("", "metal"), pool("", "*"), append(metal, all...)},
		"if a pool for any class has room again":          {pool("", "*", full), pool("", "*", free), []string{waits}},
		"if a pool for any class has room as before":      {pool("", "*", free), pool("", "*", free), nil},
		"if a pool of a class nobody uses has room again": {pool("", "x", full), pool("", "x", free), nil},
	} {
		t.Run(name, func(t *testing.T) {
			store := emptyStore(t, vip.DNSSettings{})
			for _, key := range []string{"a/metal", "a/vsphere", "b/vsphere", "b/"} {
				namespace, class, _ := strings.Cut(key, "/")
				cluster := &capi.Cluster{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: cmp.Or(class, "without")},
				}
				cluster.Spec.Topology.ClassRef.Name = class
				require.NoError(t, store.Clusters.GetIndexer().Add(cluster))
			}
			assert.ElementsMatch(t, test.want, wokenBy(store, func(tr *triggers) {
				tr.handler.waiters.set(types.NamespacedName{Namespace: "b", Name: "vsphere"}, vip.Status{Waiting: true})
				tr.pool(test.before, test.after, false)
			}))
		})
	}
}
