package controller

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// waiters remembers which Clusters wait, and for which addresses, so that an event wakes only those that it affects.
// It is a shortcut: the retry interval catches what it misses.
type waiters struct{ *memory }

// waiting is what a Cluster waits for.
type waiting struct {
	// underway says that it is being served, and has not waited long enough to report it.
	underway bool
	// addresses are those that it cannot have because someone else holds them.
	addresses []string
}

// set records the outcome of a decision about a Cluster.
func (w waiters) set(cluster types.NamespacedName, status vip.Status) {
	w.of(cluster, func(r *recollection) {
		w.stopWaiting(cluster, r)
		if !status.Waiting {
			return
		}
		r.wait = &waiting{underway: status.Recheck > 0}
		if r.wait.underway {
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
			r.wait.addresses = append(r.wait.addresses, slot.Address)
		}
	})
}

// stopWaiting notes that a Cluster does not wait.
func (m *memory) stopWaiting(cluster types.NamespacedName, r *recollection) {
	if r.wait == nil {
		return
	}
	if r.wait.underway {
		m.underway--
	}
	for _, address := range r.wait.addresses {
		delete(m.conflicts[address], cluster)
		if len(m.conflicts[address]) == 0 {
			delete(m.conflicts, address)
		}
	}
	r.wait = nil
}

// isWaiting reports whether a Cluster waits for a VIP.
func (w waiters) isWaiting(cluster types.NamespacedName) (waits bool) {
	w.of(cluster, func(r *recollection) { waits = r.wait != nil })
	return waits
}

// crowd returns how many Clusters other than this one are being served.
func (w waiters) crowd(cluster types.NamespacedName) (others int) {
	w.of(cluster, func(r *recollection) {
		others = w.underway
		if r.wait != nil && r.wait.underway {
			others--
		}
	})
	return others
}

// inConflict returns the Clusters that cannot have an address because someone else holds it.
func (w waiters) inConflict(address string) []types.NamespacedName {
	w.mu.Lock()
	defer w.mu.Unlock()
	clusters := make([]types.NamespacedName, 0, len(w.conflicts[address]))
	for cluster := range w.conflicts[address] {
		clusters = append(clusters, cluster)
	}
	return clusters
}
