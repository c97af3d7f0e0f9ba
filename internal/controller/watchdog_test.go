package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

var things = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "things"}

// history is an API server without objects, as far as its versions go.
type history struct {
	address string
	changed *sync.Cond

	mu      sync.Mutex
	server  *httptest.Server
	version int
	refuses bool
	// asked counts the checks of the watchdog.
	asked int
}

func newHistory(t *testing.T, version int) *history {
	t.Helper()
	h := &history{version: version}
	h.changed = sync.NewCond(&h.mu)
	h.start(t, "127.0.0.1:0")
	t.Cleanup(h.stop)
	return h
}

func (h *history) start(t *testing.T, address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(h)
	require.NoError(t, server.Listener.Close())
	server.Listener = listener
	server.Start()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server, h.address = server, listener.Addr().String()
}

func (h *history) stop() {
	h.mu.Lock()
	server := h.server
	h.mu.Unlock()
	_ = server.Listener.Close() // it may be stopped already
	server.CloseClientConnections()
}

// beAway stops the server, and turns away a number of connections in its place.
func (h *history) beAway(t *testing.T, connections int) {
	t.Helper()
	h.stop()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", h.address)
	require.NoError(t, err)
	for range connections {
		connection, err := listener.Accept()
		require.NoError(t, err)
		require.NoError(t, connection.Close())
	}
	require.NoError(t, listener.Close())
}

// change changes something and wakes those that await it.
func (h *history) change(what func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what()
	h.changed.Broadcast()
}

// await waits until so holds.
func (h *history) await(so func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !so() {
		h.changed.Wait()
	}
}

func (h *history) now() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strconv.Itoa(h.version)
}

// ServeHTTP lists nothing at the current version. Its watches send no changes, like those from a future version.
func (h *history) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") != "" {
		if r.URL.Query().Get("sendInitialEvents") != "" {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": watch.Bookmark, "object": map[string]any{
				"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
				"metadata": map[string]any{"resourceVersion": h.now(), "annotations": map[string]string{
					metav1.InitialEventsAnnotationKey: "true",
				}},
			}})
		}
		seconds, _ := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(time.Duration(seconds) * time.Second):
		}
		return
	}
	h.mu.Lock()
	refuses := h.refuses
	if r.URL.Query().Get("limit") == "1" {
		h.asked++
		h.changed.Broadcast()
	}
	h.mu.Unlock()
	answer := map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
		"metadata": map[string]any{"resourceVersion": h.now()}, "items": []any{},
	}
	if refuses {
		w.WriteHeader(http.StatusInternalServerError)
		answer = map[string]any{
			"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": http.StatusInternalServerError,
		}
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// guard runs a watchdog over a cache of the history, and returns a channel with its result, and a function that ends
// it.
func (h *history) guard(t *testing.T) (ended <-chan error, end func()) {
	t.Helper()
	cfg := Config{REST: &rest.Config{Host: "http://" + h.address}}
	t.Cleanup(cfg.connect())
	clients, err := metadata.NewForConfig(metadata.ConfigFor(cfg.REST))
	require.NoError(t, err)
	informer := metadatainformer.NewFilteredMetadataInformer(clients, things, "", 0, cache.Indexers{}, nil).Informer()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go informer.RunWithContext(ctx)
	require.True(t, cache.WaitForCacheSync(ctx.Done(), informer.HasSynced))
	cfg.Metrics, cfg.Logger = telemetry.NewMetrics(prometheus.NewRegistry(), "", ""), slog.New(slog.DiscardHandler)
	w, err := newIdleWatchdog(cfg)
	require.NoError(t, err)
	w.period = 10 * time.Millisecond
	w.watched = []watched{{resource: things, informer: informer}}
	result := make(chan error, 1)
	go func() { result <- w.run(ctx) }()
	return result, cancel
}

func TestWatchdog(t *testing.T) {
	t.Run("if nothing happens, or time runs forwards unseen, should let be", func(t *testing.T) {
		h := newHistory(t, 100)
		ended, end := h.guard(t)
		h.await(func() bool { return h.asked >= 2 })
		asked := 0
		h.change(func() { h.version, asked = 200, h.asked }) // the change is of other kinds
		h.await(func() bool { return h.asked >= asked+2 })
		end()
		require.NoError(t, <-ended)
	})
	t.Run("if the API server's version is lower than what the cache has seen, "+
		"should ask for a restart", func(t *testing.T) {
		h := newHistory(t, 100)
		ended, _ := h.guard(t)
		h.await(func() bool { return h.asked >= 1 })
		h.change(func() { h.version = 99 })
		err := <-ended
		require.ErrorIs(t, err, ErrRestart)
		require.ErrorContains(t, err, backwards.String())
	})
	t.Run("if the API server was away, should ask for a restart whatever its version is", func(t *testing.T) {
		h := newHistory(t, 100)
		ended, _ := h.guard(t)
		h.await(func() bool { return h.asked >= 1 })
		h.beAway(t, 20)
		h.change(func() { h.version = 200 })
		h.start(t, h.address)
		err := <-ended
		require.ErrorIs(t, err, ErrRestart)
		require.ErrorContains(t, err, returned.String())
	})
	t.Run("if the API server answers with errors, should let be", func(t *testing.T) {
		h := newHistory(t, 100)
		ended, end := h.guard(t)
		asked := 0
		h.change(func() { h.refuses, h.version, asked = true, 1, h.asked })
		h.await(func() bool { return h.asked >= asked+3 })
		end()
		require.NoError(t, <-ended)
	})
}

func TestUnreachable(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	require.True(t, isUnreachable(fmt.Errorf("get: %w", refused)))
	require.False(t, isUnreachable(fmt.Errorf("get: %w", context.DeadlineExceeded)), "a slow one is there")
	require.False(t, isUnreachable(nil))
}
