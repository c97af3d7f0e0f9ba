package acceptance

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/harness"
	"github.com/gorizond/capi-vip-allocator/test/plane"
)

// carrier is a kind of objects that shall have the VIP of their Cluster.
type carrier struct {
	resource schema.GroupVersionResource
	// has tells whether an object has it.
	has func(*unstructured.Unstructured) bool
}

// fakeControlPlanes have the VIP where the classes of the harness write it.
func fakeControlPlanes() carrier {
	return carrier{plane.ControlPlaneResource(), func(object *unstructured.Unstructured) bool {
		vip, _, _ := unstructured.NestedString(object.Object, "spec", "virtualIP")
		return vip != ""
	}}
}

// recording is when things were first seen of each Cluster of a scope, as resourceVersions.
type recording struct {
	mu       sync.Mutex
	rendered map[schema.GroupVersionResource]map[string]string
	valid    map[string]string
}

// record begins to note when carriers have the VIP, and when the endpoints of Clusters are valid.
func (s *scope) record(carriers ...carrier) *recording {
	s.t.Helper()
	r := &recording{rendered: map[schema.GroupVersionResource]map[string]string{}, valid: map[string]string{}}
	note := func(seen map[string]string, name, resourceVersion string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, ok := seen[name]; !ok {
			seen[name] = resourceVersion
		}
	}
	require.NoError(s.t, s.OnCluster(func(_, after *harness.Cluster) {
		if after != nil && after.GetNamespace() == s.name && after.Endpoint().Host != "" && after.Endpoint().Port != 0 {
			note(r.valid, after.GetName(), after.GetResourceVersion())
		}
	}))
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.Dynamic, 0, s.name, nil)
	for _, carrier := range carriers {
		seen := map[string]string{}
		r.rendered[carrier.resource] = seen
		see := func(object any) {
			if o, ok := object.(*unstructured.Unstructured); ok && carrier.has(o) {
				note(seen, o.GetLabels()[names.ClusterName], o.GetResourceVersion())
			}
		}
		_, err := factory.ForResource(carrier.resource).Informer().AddEventHandler(
			cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, object any) { see(object) }})
		require.NoError(s.t, err)
	}
	factory.Start(s.t.Context().Done())
	for resource, synced := range factory.WaitForCacheSync(s.t.Context().Done()) {
		require.True(s.t, synced, resource.Resource)
	}
	return r
}

// inOrder checks that the VIP of a Cluster was in all that shall have it before its endpoint was valid.
func (r *recording) inOrder(t *testing.T, cluster string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for resource, seen := range r.rendered {
		require.NotEmpty(t, seen[cluster], "%s of %s never had the VIP", resource.Resource, cluster)
		order, err := resourceversion.CompareResourceVersion(seen[cluster], r.valid[cluster])
		require.NoError(t, err)
		require.Negative(t, order, "the endpoint of %s was valid before its %s had the VIP", cluster, resource.Resource)
	}
}
