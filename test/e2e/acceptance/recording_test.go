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
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// carrier is a kind of object that must have the VIP of its Cluster.
type carrier struct {
	resource schema.GroupVersionResource
	// has reports whether an object has it.
	has func(*unstructured.Unstructured) bool
}

// fakeControlPlanes are carriers with the VIP where the harness's classes write it.
func fakeControlPlanes() carrier {
	return carrier{plane.ControlPlaneResource(), func(object *unstructured.Unstructured) bool {
		vip, _, _ := unstructured.NestedString(object.Object, "spec", "virtualIP")
		return vip != ""
	}}
}

// recording holds what was seen of each Cluster of a scope: the resourceVersion at which its endpoint became valid,
// and all states of the carriers.
type recording struct {
	mu     sync.Mutex
	states map[schema.GroupVersionResource]map[string][]carrierState
	valid  map[string]string
}

// carrierState is a state of a carrier: whether it has the VIP, and whether a provider leaves it alone.
type carrierState struct {
	resourceVersion string
	has, paused     bool
}

// record starts recording the states of carriers, and when the endpoints of Clusters become valid.
func (s *scope) record(carriers ...carrier) *recording {
	s.t.Helper()
	r := &recording{states: map[schema.GroupVersionResource]map[string][]carrierState{}, valid: map[string]string{}}
	require.NoError(s.t, s.OnCluster(func(_, after *harness.Cluster) {
		if after == nil || after.GetNamespace() != s.name || after.Endpoint().Host == "" || after.Endpoint().Port == 0 {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, ok := r.valid[after.GetName()]; !ok {
			r.valid[after.GetName()] = after.GetResourceVersion()
		}
	}))
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.Dynamic, 0, s.name, nil)
	for _, carrier := range carriers {
		states := map[string][]carrierState{}
		r.states[carrier.resource] = states
		see := func(object any) {
			o, ok := object.(*unstructured.Unstructured)
			if !ok {
				return
			}
			_, paused := o.GetAnnotations()[names.Paused]
			r.mu.Lock()
			defer r.mu.Unlock()
			name := o.GetLabels()[names.ClusterName]
			states[name] = append(states[name], carrierState{o.GetResourceVersion(), carrier.has(o), paused})
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

// inOrder checks that from the moment a Cluster's endpoint was valid, every carrier had the VIP or was paused.
// Otherwise a machine could be built without it.
func (r *recording) inOrder(t *testing.T, cluster string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for resource, seen := range r.states {
		states := seen[cluster]
		require.NotEmpty(t, states, "%s of %s", resource.Resource, cluster)
		require.True(t, states[len(states)-1].has, "%s of %s never had the VIP", resource.Resource, cluster)
		for i, state := range states {
			if i+1 < len(states) {
				next, err := resourceversion.CompareResourceVersion(states[i+1].resourceVersion, r.valid[cluster])
				require.NoError(t, err)
				if next < 0 {
					continue // a later state had replaced this one when the endpoint became valid
				}
			}
			require.True(t, state.has ||
				state.paused, "%s of %s was neither paused nor had it the VIP at %s, and the endpoint was valid at %s",
				resource.Resource, cluster, state.resourceVersion, r.valid[cluster])
		}
	}
}
