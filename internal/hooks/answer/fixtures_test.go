package answer_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

var (
	now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	api = capi.API{
		Cluster: schema.GroupVersion{Group: capi.ClusterGroup, Version: "v1beta2"},
		IPAM:    schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1beta2"},
		Pools:   schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"},
	}
)

const (
	group          = "/hooks.runtime.cluster.x-k8s.io/v1alpha1/"
	discoveryPath  = group + "discovery"
	createPath     = group + "beforeclustercreate/before-cluster-create"
	generatePath   = group + "generatepatches/generate-patches"
	validatePath   = group + "validatetopology/validate-topology"
	namespace      = "team"
	class          = "bare-metal"
	claimOfCluster = "vip-cp-one"
)

// world holds the caches that the answers come from.
type world struct {
	*state.Store
	pools cache.SharedIndexInformer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	informer := func() cache.SharedIndexInformer {
		return cache.NewSharedIndexInformer(&cache.ListWatch{}, nil, 0, cache.Indexers{})
	}
	w := &world{pools: informer()}
	store, err := state.NewStore(state.Informers{
		Clusters: informer(), ClusterClasses: informer(), Claims: informer(), Addresses: informer(),
		Pools: []state.Pools{{Resource: api.GlobalPools(), SharedIndexInformer: w.pools}},
	})
	require.NoError(t, err)
	w.Store = store
	return w
}

func (w *world) add(t testing.TB, objects ...any) *world {
	t.Helper()
	for _, object := range objects {
		informer := w.pools
		switch object.(type) {
		case *capi.Cluster:
			informer = w.Clusters
		case *capi.ClusterClass:
			informer = w.ClusterClasses
		case *capi.Claim:
			informer = w.Claims
		case *capi.Address:
			informer = w.Addresses
		}
		require.NoError(t, informer.GetIndexer().Add(object))
	}
	return w
}

// pool returns a pool of the class for a role.
func pool(t testing.TB, name, role string, full bool) *capi.Pool {
	t.Helper()
	free := 9
	if full {
		free = 0
	}
	raw := map[string]any{
		"apiVersion": "ipam.cluster.x-k8s.io/v1alpha2", "kind": "GlobalInClusterIPPool",
		"metadata": map[string]any{"name": name, "labels": map[string]any{names.ClusterClass: class, names.Role: role}},
		"spec":     map[string]any{"addresses": []any{"10.0.0.10-10.0.0.19"}, "prefix": 24},
		"status":   map[string]any{"ipAddresses": map[string]any{"total": 10, "used": 10 - free, "free": free}},
	}
	body, err := json.Marshal(raw)
	require.NoError(t, err)
	view := &capi.Pool{}
	require.NoError(t, json.Unmarshal(body, view))
	trimmed, err := capi.PoolTrimmer(api.GlobalPools())(view)
	require.NoError(t, err)
	return trimmed.(*capi.Pool)
}

// cluster returns a Cluster of the class, changed by the options.
func cluster(options ...func(*capi.Cluster)) *capi.Cluster {
	c := &capi.Cluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "one", UID: "uid-one", CreationTimestamp: metav1.NewTime(now.Add(-time.Second)),
		},
		Spec: capi.ClusterSpec{Topology: capi.Topology{ClassRef: capi.ClassRef{Name: class}}},
	}
	for _, option := range options {
		option(c)
	}
	return c
}

func aged(age time.Duration) func(*capi.Cluster) {
	return func(c *capi.Cluster) { c.CreationTimestamp = metav1.NewTime(now.Add(-age)) }
}

func annotated(key, value string) func(*capi.Cluster) {
	return func(c *capi.Cluster) { c.Annotations = map[string]string{key: value} }
}

func config(store *state.Store) answer.Config {
	return answer.Config{
		Store:    func() *state.Store { return store },
		Settings: vip.Settings{DefaultPort: 6443},
		Now:      func() time.Time { return now },
		Metrics:  telemetry.NewMetrics(prometheus.NewRegistry(), "v0", "c0"),
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// ask sends a request, given as a value or as bytes, and returns the answer.
func ask(t testing.TB, handler http.Handler, path string, request any) *httptest.ResponseRecorder {
	t.Helper()
	body, raw := request.([]byte)
	if !raw {
		var err error
		body, err = json.Marshal(request)
		require.NoError(t, err)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path+"?timeout=5s", bytes.NewReader(body)))
	return recorder
}

// reply is ask for a request that is understood; it returns the decoded answer.
func reply[T any](t testing.TB, handler http.Handler, path string, request any) *T {
	t.Helper()
	recorder := ask(t, handler, path, request)
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body.String())
	response := new(T)
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), response))
	return response
}
