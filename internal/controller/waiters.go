package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// waiters remembers which Clusters wait, and for which addresses, so that an event wakes those that it concerns and no
// others. It is a shortcut: what it misses, the retry interval finds.
type waiters struct {
	mu sync.Mutex
	// waiting says of each Cluster that waits whether it is being served, or has waited for long enough to say so.
	waiting map[types.NamespacedName]bool
	// underway counts those that are being served.
	underway  int
	conflicts map[string]map[types.NamespacedName]struct{}
	addresses map[types.NamespacedName][]string
}

func newWaiters() *waiters {
	return &waiters{
		waiting:   map[types.NamespacedName]bool{},
		conflicts: map[string]map[types.NamespacedName]struct{}{},
		addresses: map[types.NamespacedName][]string{},
	}
}

// set takes in the outcome of a decision about a Cluster.
func (w *waiters) set(cluster types.NamespacedName, status vip.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(cluster)
	if !status.Waiting {
		return
	}
	underway := status.Recheck > 0
	w.waiting[cluster] = underway
	if underway {
		w.underway++
	}
	for _, slot := range status.Slots {
		if slot.Reason != names.ReasonAddressConflict || slot.Address == "" {
			continue
		}
		if w.conflicts[slot.Address] == nil {
			w.conflicts[slot.Address] = map[types.NamespacedName]struct{}{}
		}
		w.conflicts[slot.Address][cluster] = struct{}{}
		w.addresses[cluster] = append(w.addresses[cluster], slot.Address)
	}
}

// forget drops a Cluster that is gone.
func (w *waiters) forget(cluster types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(cluster)
}

func (w *waiters) drop(cluster types.NamespacedName) {
	if w.waiting[cluster] {
		w.underway--
	}
	delete(w.waiting, cluster)
	for _, address := range w.addresses[cluster] {
		delete(w.conflicts[address], cluster)
		if len(w.conflicts[address]) == 0 {
			delete(w.conflicts, address)
		}
	}
	delete(w.addresses, cluster)
}

// isWaiting reports whether a Cluster waits for a VIP.
func (w *waiters) isWaiting(cluster types.NamespacedName) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.waiting[cluster]
	return ok
}

// crowd returns how many other Clusters than this one are being served.
func (w *waiters) crowd(cluster types.NamespacedName) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[cluster] {
		return w.underway - 1
	}
	return w.underway
}

// inConflict returns the Clusters that cannot have an address because someone else holds it.
func (w *waiters) inConflict(address string) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	clusters := make([]types.NamespacedName, 0, len(w.conflicts[address]))
	for cluster := range w.conflicts[address] {
		clusters = append(clusters, cluster)
	}
	return clusters
}
