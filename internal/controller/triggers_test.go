package controller

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// What changes who holds a DNS name wakes the Clusters whose names collide with it, and nobody else.
func TestTriggersOfNames(t *testing.T) {
	cluster := func(namespace, name string, change ...func(*capi.Cluster)) *capi.Cluster {
		c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: []string{names.ClusterFinalizer}}}
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
		"if a Cluster gets a VIP":    {func(t *triggers) { t.cluster(cluster("a", "prod"), cluster("a", "prod", carries), false) }, []string{"b/prod"}},
		"if a Cluster loses its VIP": {func(t *triggers) { t.cluster(cluster("a", "prod", carries), cluster("a", "prod"), false) }, []string{"b/prod"}},
		"if Cluster API is done with a Cluster": {func(t *triggers) {
			t.cluster(cluster("a", "prod", carries), cluster("a", "prod", carries, released), false)
		}, []string{"b/prod"}},
		"if a Cluster with a VIP is gone": {func(t *triggers) { t.cluster(cluster("a", "prod", carries), nil, false) }, []string{"b/prod"}},
		"if anything else of a Cluster changes": {func(t *triggers) {
			t.cluster(cluster("a", "prod", carries), cluster("a", "prod", carries, labelled), false)
		}, nil},
		"if records are written":            {func(t *triggers) { t.dns(nil, records("api.prod.d"), false) }, []string{"a/prod", "b/prod"}},
		"if records change":                 {func(t *triggers) { t.dns(records("api.prod.d"), records("x.d"), false) }, []string{"a/prod", "b/prod"}},
		"if records are gone":               {func(t *triggers) { t.dns(records("api.prod.d"), nil, false) }, []string{"a/prod", "b/prod"}},
		"if records are there at the start": {func(t *triggers) { t.dns(nil, records("api.prod.d"), true) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			informer := func() cache.SharedIndexInformer {
				return cache.NewSharedIndexInformer(&cache.ListWatch{}, nil, 0, cache.Indexers{})
			}
			store, err := state.NewStore(state.Informers{
				Clusters: informer(), ClusterClasses: informer(), Claims: informer(), Addresses: informer(), DNS: informer(),
				Names: vip.DNSSettings{BaseDomain: "d", Names: map[string]string{names.RoleControlPlane: "api.{cluster}.{baseDomain}"}},
			})
			require.NoError(t, err)
			for _, c := range []*capi.Cluster{cluster("a", "prod"), cluster("b", "prod"), cluster("b", "other")} {
				require.NoError(t, store.Clusters.GetIndexer().Add(c))
			}
			var woken []string
			h := newHandler(context.Background(), Config{}, store, nil, func(namespace, name string, _ time.Duration) { woken = append(woken, namespace+"/"+name) })
			test.event(&triggers{handler: h, store: store})
			assert.ElementsMatch(t, test.want, woken)
		})
	}
}
