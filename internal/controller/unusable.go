package controller

import (
	"maps"
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// unusable remembers, for each Cluster and slot, the address that its claim last got while someone else used it: once
// that claim is deleted, a new one would get the same address again, and the provider offers no way to exclude it
// meanwhile.
type unusable struct{ *memory }

// addresses returns them by slot.
func (u unusable) addresses(cluster types.NamespacedName) (known map[string]netip.Addr) {
	u.of(cluster, func(r *recollection) { known = maps.Clone(r.unusable) })
	return known
}

// note records the outcome of a decision about a Cluster. It learns nothing from a claim that is being deleted.
func (u unusable) note(cluster types.NamespacedName, status vip.Status) {
	u.of(cluster, func(r *recollection) {
		for _, slot := range status.Slots {
			switch slot.Phase {
			case vip.PhaseContested, vip.PhaseInUse:
				if r.unusable == nil {
					r.unusable = map[string]netip.Addr{}
				}
				r.unusable[slot.Slot] = vip.ParseAddr(slot.Address)
			case vip.PhaseDeleting, vip.PhaseUnusable, vip.PhaseAnswering:
			default:
				delete(r.unusable, slot.Slot)
			}
		}
	})
}
