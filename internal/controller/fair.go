package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// fair sees to it that the Clusters of one namespace do not keep all workers from those of others. The framework's
// queue hands out keys in the order in which they came and cannot be replaced, so a namespace that has its share of
// workers leaves the queue and waits here: the keys of others move up.
type fair struct {
	most int

	mu     sync.Mutex
	shares map[string]*share
}

// share is what a namespace has of the workers, and who waits for one. Someone waits only while the share is used up.
type share struct {
	used    int
	waiting []types.NamespacedName
	known   sets.Set[types.NamespacedName] // those that wait
	granted sets.Set[types.NamespacedName] // those that have a place in the share and are back in the queue
}

// newFair returns the shares of so many workers: a quarter of them, and at least one if there are several, is for
// others.
func newFair(workers int) *fair {
	return &fair{most: max(1, workers-max(1, workers/4)), shares: map[string]*share{}}
}

// enter reports whether a Cluster may be handled now; then leave must follow. If not, leave will name it.
func (f *fair) enter(key types.NamespacedName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shares[key.Namespace]
	if s == nil {
		s = &share{known: sets.New[types.NamespacedName](), granted: sets.New[types.NamespacedName]()}
		f.shares[key.Namespace] = s
	}
	switch {
	case s.granted.Has(key):
		s.granted.Delete(key)
		return true
	case s.used < f.most:
		s.used++
		return true
	case !s.known.Has(key):
		s.known.Insert(key)
		s.waiting = append(s.waiting, key)
	}
	return false
}

// leave gives the place of a Cluster in its namespace's share to the one that has waited longest, and returns that one,
// which must be put into the queue.
func (f *fair) leave(namespace string) (types.NamespacedName, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.shares[namespace]
	if len(s.waiting) > 0 {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.known.Delete(next)
		s.granted.Insert(next)
		return next, true
	}
	s.used--
	if s.used == 0 {
		delete(f.shares, namespace)
	}
	return types.NamespacedName{}, false
}
