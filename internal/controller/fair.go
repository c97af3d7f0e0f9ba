package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// fair keeps the Clusters of one namespace from taking all workers. The framework's queue hands out keys in the order
// of arrival and cannot be replaced, so once a namespace has its share of workers, its other keys leave the queue and
// wait here: the keys of others move up.
type fair struct {
	most int

	mu     sync.Mutex
	shares map[string]*share
}

// share is a namespace's share of the workers, and the Clusters that wait for one. They wait only while the share is
// used up.
type share struct {
	used    int
	waiting []types.NamespacedName
	known   sets.Set[types.NamespacedName] // those that wait
	granted sets.Set[types.NamespacedName] // those that have a place in the share and are back in the queue
}

// newFair returns the shares of a number of workers: a quarter of them, and at least one if there are several, stays
// free for other namespaces.
func newFair(workers int) *fair {
	return &fair{most: max(1, workers-max(1, workers/4)), shares: map[string]*share{}}
}

// enter reports whether a Cluster may be handled now. If so, the caller must call leave; if not, a later leave
// returns the Cluster.
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

// leave gives a Cluster's place in its namespace's share to the one that has waited longest, and returns that one for
// the caller to requeue.
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
