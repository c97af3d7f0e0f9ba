package controller

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rancher/lasso/pkg/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// After one look, a Cluster that needs nothing is idle until it or anything else changes. One that waits is not idle.
func TestLookLeavesIdle(t *testing.T) {
	store := storeOf(t)
	cfg := Config{
		Workers: 1, RetryInterval: time.Second, Settings: vip.Settings{DefaultPort: 6443},
		Metrics: telemetry.NewMetrics(prometheus.NewRegistry(), "", ""), Logger: slog.New(slog.DiscardHandler),
	}
	writer := apply.NewWriter(cfg.API, store, func(capi.Resource) *client.Client { return nil }, time.Now)
	h := newHandler(t.Context(), cfg, store, writer, func(string, string, time.Duration) {})
	isIdle := func(cluster *capi.Cluster) bool {
		version, _ := store.Version(time.Now())
		return h.memory.isIdle(cluster.Key(), idleState{cluster, version})
	}
	cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "plain", UID: "1"}}
	require.NoError(t, store.Clusters.GetStore().Add(cluster))
	for range 2 { // the second look skips it
		_, err := h.onChange("ns/plain", cluster)
		require.NoError(t, err)
		assert.True(t, isIdle(cluster))
	}
	store.Changed()
	assert.False(t, isIdle(cluster))
	_, err := h.onChange("ns/plain", cluster)
	require.NoError(t, err)
	assert.True(t, isIdle(cluster))
	_, err = h.onChange("ns/plain", nil)
	require.NoError(t, err)
	assert.True(t, isIdle(cluster), "the cache still has it")
	require.NoError(t, store.Clusters.GetStore().Delete(cluster))
	_, err = h.onChange("ns/plain", nil)
	require.NoError(t, err)
	assert.Empty(t, h.memory.records)
}

// storeOf returns a store over empty caches.
func storeOf(t *testing.T) *state.Store {
	t.Helper()
	informer := func(kind runtime.Object) cache.SharedIndexInformer {
		return cache.NewSharedIndexInformer(&cache.ListWatch{}, kind, 0, cache.Indexers{})
	}
	store, err := state.NewStore(state.Informers{
		Clusters: informer(&capi.Cluster{}), ClusterClasses: informer(&capi.ClusterClass{}),
		Claims: informer(&capi.Claim{}), Addresses: informer(&capi.Address{}),
	})
	require.NoError(t, err)
	return store
}
