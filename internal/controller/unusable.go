package controller

import (
	"maps"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// unusable remembers, for each Cluster and slot, the address that its claim was last given while somebody else used it:
// once that claim is deleted, a new one would get the same address again, and the provider lets nobody exclude it
// meanwhile.
type unusable struct {
	mu       sync.Mutex
	clusters map[types.NamespacedName]map[string]netip.Addr
}

func newUnusable() *unusable {
	return &unusable{clusters: map[types.NamespacedName]map[string]netip.Addr{}}
}

// of returns the addresses by slot.
func (u *unusable) of(cluster types.NamespacedName) map[string]netip.Addr {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.clusters[cluster])
}

// note takes in the outcome of a decision about a Cluster. While a claim is on its way out, nothing is learned of it.
func (u *unusable) note(cluster types.NamespacedName, status vip.Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, slot := range status.Slots {
		switch slot.Phase {
		case vip.PhaseContested, vip.PhaseInUse:
			if u.clusters[cluster] == nil {
				u.clusters[cluster] = map[string]netip.Addr{}
			}
			u.clusters[cluster][slot.Slot] = vip.ParseAddr(slot.Address)
		case vip.PhaseDeleting, vip.PhaseUnusable, vip.PhaseAnswering:
		default:
			delete(u.clusters[cluster], slot.Slot)
		}
	}
	if len(u.clusters[cluster]) == 0 {
		delete(u.clusters, cluster)
	}
}

// forget drops a Cluster that is gone.
func (u *unusable) forget(cluster types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.clusters, cluster)
}
