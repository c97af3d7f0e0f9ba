package state

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// view is an object of one of the cached kinds.
type view interface {
	GetNamespace() string
	GetName() string
	GetResourceVersion() string
}

// overlay holds the answers of the API server to our own writes until the cache has caught up with them, so that a
// decision never misses what the one before it did: nothing is written twice because a watch is slow.
type overlay[T view] struct {
	cache cache.Store

	mu      sync.Mutex
	written map[string]entry[T]
	// swept is when answers that were never confirmed were last dropped.
	swept time.Time
}

type entry[T view] struct {
	object T
	at     time.Time
	// created says that the cache has not had the object yet. An object that it had and no longer has is gone.
	created bool
}

// ghost is how long an answer counts that the cache never confirms: an object may have come and gone before the
// answer arrives here.
const ghost = 30 * time.Second

func newOverlay[T view](store cache.Store) *overlay[T] {
	return &overlay[T]{cache: store, written: map[string]entry[T]{}}
}

// record stores the answer to a write; mayBeNew says that the write may have created the object. The answer to any
// other write may arrive after the object is gone, and is then ignored.
func (o *overlay[T]) record(object T, mayBeNew bool, now time.Time) {
	key := keyOf(object)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sweep(now)
	cached, ok := o.cached(key)
	created := !ok && (mayBeNew || o.written[key].created)
	if ok && newer(cached, object) || !ok && !created {
		return
	}
	o.written[key] = entry[T]{object, now, created}
}

// sweep drops answers that no longer count: nobody may ever ask for their objects again.
func (o *overlay[T]) sweep(now time.Time) {
	if now.Sub(o.swept) < ghost {
		return
	}
	o.swept = now
	maps.DeleteFunc(o.written, func(_ string, written entry[T]) bool { return now.Sub(written.at) > ghost })
}

// observe notes that the cache got a new state of an object, or dropped it.
func (o *overlay[T]) observe(object T, deleted bool) {
	key := keyOf(object)
	o.mu.Lock()
	defer o.mu.Unlock()
	if written, ok := o.written[key]; ok &&
		(deleted || newer(object, written.object) || sameVersion(object, written.object)) {
		delete(o.written, key)
	}
}

// get returns the latest known state of an object. The caller must not change it.
func (o *overlay[T]) get(key string, now time.Time) (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	cached, ok := o.cached(key)
	written, exists := o.written[key]
	switch {
	case !exists:
		return cached, ok
	case now.Sub(written.at) > ghost || ok && newer(cached, written.object) || !ok && !written.created:
		delete(o.written, key)
		return cached, ok
	}
	return written.object, true
}

// unconfirmed reports whether there are answers that still count and that the cache has not confirmed yet.
func (o *overlay[T]) unconfirmed(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sweep(now)
	return len(o.written) > 0
}

// all returns what the cache has not confirmed yet.
func (o *overlay[T]) all() []T {
	o.mu.Lock()
	defer o.mu.Unlock()
	objects := make([]T, 0, len(o.written))
	for key, written := range o.written {
		if _, ok := o.cached(key); ok || written.created {
			objects = append(objects, written.object)
		}
	}
	return objects
}

func (o *overlay[T]) cached(key string) (T, bool) {
	var none T
	object, ok, err := o.cache.GetByKey(key)
	if err != nil || !ok {
		return none, false
	}
	typed, ok := object.(T)
	return typed, ok
}

func keyOf(object view) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

// newer reports whether a is a later version than b; versions that cannot be compared count as later, so that the
// cache wins over the overlay.
func newer(a, b view) bool {
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err != nil || order > 0
}

func sameVersion(a, b view) bool { return a.GetResourceVersion() == b.GetResourceVersion() }
