package state

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// reservations are the addresses that are being written to Clusters at this moment. Caches show a write only when it
// is done; until then two workers could write the same address to two Clusters.
type reservations struct {
	mu      sync.Mutex
	holders map[netip.Addr]reservation
}

type reservation struct {
	cluster types.UID
	until   time.Time
}

// reservationLimit is how long a reservation lasts if its write gets no answer: longer than any request may take.
const reservationLimit = time.Minute

// Reserve keeps addresses for a Cluster while they are written to it. It returns a function that ends that, or false
// if one of them is being written to another Cluster. With the reservation, the caller must decide once more: only
// now is it certain to see what was written in the meantime.
func (s *Store) Reserve(addresses []netip.Addr, cluster types.UID, now time.Time) (release func(), ok bool) {
	r := &s.reserved
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.holders, func(_ netip.Addr, held reservation) bool { return !now.Before(held.until) })
	for _, addr := range addresses {
		if held, exists := r.holders[addr]; exists && held.cluster != cluster {
			return nil, false
		}
	}
	if r.holders == nil {
		r.holders = map[netip.Addr]reservation{}
	}
	for _, addr := range addresses {
		r.holders[addr] = reservation{cluster, now.Add(reservationLimit)}
	}
	return func() { r.release(addresses, cluster) }, true
}

func (r *reservations) release(addresses []netip.Addr, cluster types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, addr := range addresses {
		if r.holders[addr].cluster == cluster {
			delete(r.holders, addr)
		}
	}
}
