package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/connrotation"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kube"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// watchdog finds watches that died without a sign, as behind a proxy that swallows what it should pass on. It asks for
// the changes since the last one that a cache saw, each time over a new connection: the one it used before may have died
// with all others. In a quiet system there are none and the question costs next to nothing; if there are some and the
// cache does not move, its watch is dead.
type watchdog struct {
	clients metadata.Interface
	dialer  *connrotation.Dialer
	watched []watched
	period  time.Duration
	metrics *telemetry.Metrics
	logger  *slog.Logger
}

type watched struct {
	resource  schema.GroupVersionResource
	namespace string
	informer  cache.SharedIndexInformer
}

const (
	// listen is how long a probe listens for changes.
	listen = time.Second
	// catchUp is how long a cache may take to see anything new after a probe saw a change. A cache that lags but moves
	// is not dead.
	catchUp = 2 * time.Second
)

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
}

func newWatchdog(cfg Config, informers kube.Informers) (*watchdog, error) {
	dialer := connrotation.NewDialer(dial) // not the connection that it is to judge
	config := rest.CopyConfig(cfg.REST)
	config.Dial = dialer.DialContext
	clients, err := metadata.NewForConfig(metadata.ConfigFor(config))
	if err != nil {
		return nil, fmt.Errorf("make the client of the watchdog: %w", err)
	}
	w := &watchdog{clients: clients, dialer: dialer, metrics: cfg.Metrics, logger: cfg.Logger}
	// A change is missed at most from one probe to the next, and to find that out and to rebuild the caches takes time
	// too: together that must fit into the period that is promised.
	w.period = cfg.ReconcilePeriod * 2 / 3
	all := map[capi.Resource]cache.SharedIndexInformer{
		cfg.API.Clusters():       informers.Clusters,
		cfg.API.ClusterClasses(): informers.ClusterClasses,
		cfg.API.Claims():         informers.Claims,
		cfg.API.Addresses():      informers.Addresses,
	}
	if cfg.API.DNS != nil {
		all[*cfg.API.DNS] = informers.DNS
	}
	for _, pools := range informers.Pools {
		all[pools.Resource] = pools.SharedIndexInformer
	}
	for resource, informer := range all {
		w.watched = append(w.watched, watched{resource.GroupVersion().WithResource(resource.Plural), cfg.namespaceOf(resource), informer})
	}
	return w, nil
}

// run probes all watches again and again. It returns nil when ctx ends, and ErrRestart when a watch is dead.
func (w *watchdog) run(ctx context.Context) error {
	ticker := time.NewTicker(w.period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		dead := make(chan string, len(w.watched))
		var group wait.Group
		for _, watched := range w.watched {
			group.StartWithContext(ctx, func(ctx context.Context) {
				if w.isDead(ctx, watched) {
					dead <- watched.resource.String()
				}
			})
		}
		group.Wait()
		w.dialer.CloseAll()
		close(dead)
		if resource, ok := <-dead; ok && ctx.Err() == nil {
			w.metrics.Stalled()
			w.logger.Warn("a watch is dead: the API server has changes that the cache does not get; rebuilding all caches", "resource", resource)
			return fmt.Errorf("watch of %s is dead: %w", resource, ErrRestart)
		}
	}
}

// isDead probes one watch. A probe that fails says nothing: without the API server all is still anyway.
func (w *watchdog) isDead(ctx context.Context, watched watched) bool {
	seen := watched.informer.LastSyncResourceVersion()
	if seen == "" || !w.hasChanges(ctx, watched, seen) {
		return false
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, catchUp, true, func(context.Context) (bool, error) {
		return watched.informer.LastSyncResourceVersion() != seen, nil
	})
	return err != nil && ctx.Err() == nil
}

// hasChanges reports whether the API server knows of a change after a version, or no longer knows that version: a cache
// that is alive gets bookmarks and is never that far behind.
func (w *watchdog) hasChanges(ctx context.Context, watched watched, since string) bool {
	ctx, cancel := context.WithTimeout(ctx, listen+catchUp)
	defer cancel()
	seconds := int64(listen / time.Second)
	changes, err := w.clients.Resource(watched.resource).Namespace(watched.namespace).Watch(ctx, metav1.ListOptions{
		ResourceVersion: since, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return false
	}
	defer changes.Stop()
	for change := range changes.ResultChan() {
		switch change.Type {
		case watch.Added, watch.Modified, watch.Deleted:
			return true
		case watch.Error:
			status, ok := change.Object.(*metav1.Status)
			return ok && status.Reason == metav1.StatusReasonExpired
		case watch.Bookmark:
		}
	}
	return false
}
