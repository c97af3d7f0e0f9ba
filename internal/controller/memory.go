package controller

import (
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// memory is what this process remembers of Clusters, one recollection each. It spares needless work, but never
// decides who has an address: it is lost with the process.
type memory struct {
	mu      sync.Mutex
	records map[types.NamespacedName]*recollection

	// underway counts the Clusters being served. conflicts has, by address, the Clusters that cannot have it because
	// someone else holds it.
	underway  int
	conflicts map[string]map[types.NamespacedName]struct{}
}

// idleState is the state in which a Cluster needed nothing: its object, and the version of everything else.
type idleState struct {
	cluster *capi.Cluster
	version uint64
}

// recollection is what is remembered of one Cluster. A nil field holds nothing.
type recollection struct {
	// run is its recent writes; see pace.
	run *run
	// refused are the writes that the API server refused; see refusals.
	refused map[vip.Key]refusal
	// unusable are the addresses, by slot, that its claims last got while someone else used them; see unusable.
	unusable map[string]netip.Addr
	// probed is what is known of its addresses; see probes.
	probed map[netip.Addr]*probed
	// wait is what it waits for, if it waits; see waiters.
	wait *waiting
	// asked is when this process created its claims, by name, and warned is the text of its last warnings; see
	// reporter.
	asked  map[string]time.Time
	warned *string
	// idle is the state in which it needed nothing.
	idle idleState
}

func newMemory() *memory {
	return &memory{
		records: map[types.NamespacedName]*recollection{}, conflicts: map[string]map[types.NamespacedName]struct{}{},
	}
}

// of calls use to read and change what is remembered of a Cluster. It does not keep an empty recollection.
func (m *memory) of(cluster types.NamespacedName, use func(*recollection)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.records[cluster]
	if !known {
		r = &recollection{}
	}
	use(r)
	switch {
	case r.empty():
		delete(m.records, cluster)
	case !known:
		m.records[cluster] = r
	}
}

func (r *recollection) empty() bool { return r.calm() && r.warned == nil && r.idle == idleState{} }

// calm reports whether nothing is remembered that expires, or that a decision rests on.
func (r *recollection) calm() bool {
	return r.run == nil && len(r.refused) == 0 && len(r.unusable) == 0 && len(r.probed) == 0 && r.wait == nil &&
		len(r.asked) == 0
}

// noteIdle notes that a Cluster needed nothing in a state, unless something is remembered of it that time changes:
// then it may need something next time.
func (m *memory) noteIdle(cluster types.NamespacedName, state idleState) {
	m.of(cluster, func(r *recollection) {
		if r.calm() {
			r.idle = state
		}
	})
}

// isIdle reports whether a Cluster needed nothing in this very state, and so needs nothing now.
func (m *memory) isIdle(cluster types.NamespacedName, state idleState) (idle bool) {
	m.of(cluster, func(r *recollection) { idle = state.cluster != nil && r.idle == state && r.calm() })
	return idle
}

// forget drops what is remembered of a Cluster that is gone.
func (m *memory) forget(cluster types.NamespacedName) {
	m.of(cluster, func(r *recollection) {
		m.stopWaiting(cluster, r)
		*r = recollection{}
	})
}
