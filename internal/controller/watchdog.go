package controller

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/connrotation"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// watchdog finds caches that can no longer be trusted. Each check uses a new connection: the one before may have died
// with all others.
//
//   - A watch died silently, as behind a proxy that swallows what it should pass on: the API server has changes after
//     the last one that the cache saw, and the cache does not move. In a quiet system there are none, and the check
//     costs next to nothing.
//   - Time ran backwards, as when etcd is restored from a backup: the API server's version is lower than what the
//     cache saw. It accepts a watch from a future version, and sends nothing until it has passed that version.
//   - The API server was away. Restoring etcd means stopping the API servers, and by the next check the versions may
//     have passed the old ones. So after any outage that it notices, the watchdog trusts none of the caches.
type watchdog struct {
	clients metadata.Interface
	dialer  *connrotation.Dialer
	watched []watched
	period  time.Duration
	// lookout sees the watchdog's own requests: their client retries by itself and does not say what it has seen.
	lookout lookout
	// outage signals that a request of the caches or of a writer got no answer.
	outage  <-chan struct{}
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
	// comeBack is how soon the watchdog asks again after the API server was away.
	comeBack = time.Second
)

// verdict is what a probe says of a cache; of several, the highest counts.
type verdict int

const (
	fine verdict = iota
	// unanswered says that the API server could not be asked, or answered with an error.
	unanswered
	// unreachable says that there is no API server to ask.
	unreachable
	// returned says that the API server was unreachable before.
	returned
	dead
	backwards
)

func (v verdict) String() string {
	return [...]string{
		fine:        "nothing is wrong",
		unanswered:  "the API server cannot say",
		unreachable: "the API server is away",
		returned:    "the API server was away, and may have another history now",
		dead:        "a watch is dead: the API server has changes that the cache does not get",
		backwards: "time ran backwards: the API server's version is lower than what the cache has seen, " +
			"as after a restore of etcd; addresses that were given since may be given again, " +
			"see the operations guide, section \"When etcd is restored\"",
	}[v]
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
}

func newWatchdog(cfg Config, informers state.Informers) (*watchdog, error) {
	w, err := newIdleWatchdog(cfg)
	if err != nil {
		return nil, err
	}
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
		w.watched = append(w.watched, watched{
			resource.GroupVersion().WithResource(resource.Plural), cfg.namespaceOf(resource), informer,
		})
	}
	return w, nil
}

// newIdleWatchdog returns a watchdog that watches over nothing yet.
func newIdleWatchdog(cfg Config) (*watchdog, error) {
	w := &watchdog{
		dialer: connrotation.NewDialer(dial), // not a connection that it has to judge
		outage: cfg.outage, lookout: newLookout(), metrics: cfg.Metrics, logger: cfg.Logger,
		// Changes are missed at most from one probe to the next, and detecting that and rebuilding the caches takes
		// time too: together that must fit into the promised period.
		period: cfg.ReconcilePeriod * 2 / 3,
	}
	config := rest.CopyConfig(cfg.REST)
	config.Dial = w.dialer.DialContext
	config.Wrap(w.lookout.wrap)
	var err error
	if w.clients, err = metadata.NewForConfig(metadata.ConfigFor(config)); err != nil {
		return nil, fmt.Errorf("make the client of the watchdog: %w", err)
	}
	return w, nil
}

// run keeps probing all watches. It returns nil when ctx ends, and ErrRestart when the caches cannot be trusted.
func (w *watchdog) run(ctx context.Context) error {
	ticker := time.NewTicker(w.period)
	defer ticker.Stop()
	var again <-chan time.Time
	for wasAway := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-w.outage:
		case <-again:
		}
		found, resource := w.probeAll(ctx)
		wasAway = wasAway || found == unreachable
		switch {
		case ctx.Err() != nil:
			return nil
		case found == fine && !wasAway:
			continue
		case found == unreachable || found == unanswered:
			if wasAway {
				again = time.After(comeBack)
			}
			continue
		case found == fine:
			found = returned
		default:
			w.metrics.Stalled()
		}
		w.logger.Warn("rebuilding all caches: "+found.String(), "resource", resource)
		return fmt.Errorf("%s: %w", found, ErrRestart)
	}
}

// probeAll probes all watches at once. It returns the worst verdict, and the resource that it is about.
func (w *watchdog) probeAll(ctx context.Context) (worst verdict, resource string) {
	defer w.dialer.CloseAll()
	verdicts := make([]verdict, len(w.watched))
	var group wait.Group
	for i, watched := range w.watched {
		group.StartWithContext(ctx, func(ctx context.Context) { verdicts[i] = w.probe(ctx, watched) })
	}
	group.Wait()
	for i, watched := range w.watched {
		if verdicts[i] > worst {
			worst, resource = verdicts[i], watched.resource.String()
		}
	}
	if noticed := w.lookout.noticed(); noticed && worst == unanswered {
		worst = unreachable
	}
	return worst, resource
}

// probe probes one watch.
func (w *watchdog) probe(ctx context.Context, watched watched) verdict {
	seen := watched.informer.LastSyncResourceVersion()
	if seen == "" {
		return fine
	}
	now, err := w.version(ctx, watched)
	switch {
	case err != nil:
		return unanswered
	case isLower(now, seen):
		return backwards
	case !w.hasChanges(ctx, watched, seen):
		return fine
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, catchUp, true, func(context.Context) (bool, error) {
		return watched.informer.LastSyncResourceVersion() != seen, nil
	})
	if err != nil && ctx.Err() == nil {
		return dead
	}
	return fine
}

// version returns the API server's current version. A list that names no version is a consistent read: as long as
// time runs forwards, its version is no lower than any seen before.
func (w *watchdog) version(ctx context.Context, watched watched) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, listen+catchUp)
	defer cancel()
	one := metav1.ListOptions{Limit: 1}
	list, err := w.clients.Resource(watched.resource).Namespace(watched.namespace).List(ctx, one)
	if err != nil {
		return "", fmt.Errorf("list %s: %w", watched.resource.Resource, err)
	}
	return list.GetResourceVersion(), nil
}

// isLower reports whether a is a lower version than b; it returns false for versions that cannot be compared.
func isLower(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

// hasChanges reports whether the API server knows of a change after a version, or no longer knows that version: a
// live cache gets bookmarks and is never that far behind.
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
