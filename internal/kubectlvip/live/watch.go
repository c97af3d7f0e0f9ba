package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// together is how long changes are gathered before they are reported: a new Cluster changes many objects at once.
const together = 100 * time.Millisecond

// Watch keeps the world up to date until ctx ends or changed returns an error. It calls changed once the world is
// filled, then after every change and at least once per period. It reports changes that come together as one.
func (w *World) Watch(ctx context.Context, period time.Duration, changed func() error) error {
	config := rest.CopyConfig(w.reader.config)
	config.Timeout = 0 // a request timeout would cut every watch
	watcher, err := newReader(config)
	if err != nil {
		return err
	}
	watching := *w
	watching.reader = watcher
	sources, informers, err := watching.sources(config)
	if err != nil {
		return err
	}
	// The cache of a forbidden kind never fills; the first read has reported it.
	sources = slices.DeleteFunc(sources, func(s source) bool { return slices.Contains(w.unreadable, s.Resource) })
	store, err := state.NewStore(informers)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bell, err := start(ctx, sources, store)
	if err != nil {
		return err
	}
	w.Store = store
	asking := time.NewTicker(beat)
	defer asking.Stop()
	go w.pulse.run(ctx, asking.C, w.reader.ask, func() { ring(bell) })
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if err := changed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if w.pulse.since().IsZero() { // else keep what was found before
				operators, _ := w.reader.findOperators(ctx)
				w.latest.Store(&operators)
			}
		case <-bell:
			gather(ctx, bell)
		}
	}
}

// AwaitOutdated asks once per period, until ctx ends, what the cluster serves. It reports whether that differs from
// when the world was read: other versions, other kinds, or other kinds of pools that the operator is set up for.
func (w *World) AwaitOutdated(ctx context.Context, period time.Duration) bool {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
			if now, err := w.reader.Discover(ctx); err == nil && now.platform.APIs != w.platform.APIs {
				return true
			}
		}
	}
}

var errNotFilled = errors.New("interrupted before everything was read")

// start runs the caches, waits until they are filled, and returns a channel that receives when one changes.
func start(ctx context.Context, sources []source, store *state.Store) (chan struct{}, error) {
	bell := make(chan struct{}, 1)
	var synced []cache.InformerSynced
	for _, s := range sources {
		_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(object any) {
				if address, ok := object.(*capi.Address); ok {
					store.ObserveServed(address.Spec.PoolRef.Snapshot(), address.Namespace,
						address.CreationTimestamp.Time)
				}
				ring(bell)
			},
			UpdateFunc: func(_, _ any) { ring(bell) },
			DeleteFunc: func(any) { ring(bell) },
		})
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", s.Plural, err)
		}
		go s.informer.RunWithContext(ctx)
		synced = append(synced, s.informer.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return nil, errNotFilled
	}
	return bell, nil
}

// ring signals that something has changed.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it rings already
	}
}

// gather waits a moment for more changes, so that they are reported together.
func gather(ctx context.Context, bell <-chan struct{}) {
	quiet := time.NewTimer(together)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-bell:
		case <-quiet.C:
			return
		}
	}
}
