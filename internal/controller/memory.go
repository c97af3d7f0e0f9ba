package controller

import (
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// memory is what this process remembers of Clusters, one recollection of each. It makes the work calmer and never
// decides whose an address is: it is lost with the process.
type memory struct {
	mu      sync.Mutex
	records map[types.NamespacedName]*recollection

	// underway counts the Clusters that are being served, and conflicts are those that cannot have an address because
	// someone else holds it, by address.
	underway  int
	conflicts map[string]map[types.NamespacedName]struct{}
}

// idleState is the state in which nothing was to be done for a Cluster: its object, and the version of all else.
type idleState struct {
	cluster *capi.Cluster
	version uint64
}

// recollection is what is remembered of one Cluster. What is nil there is nothing of.
type recollection struct {
	// run is how often it was written to lately; see pace.
	run *run
	// refused are the writes that the API server did not take; see refusals.
	refused map[vip.Key]refusal
	// unusable are the addresses, by slot, that its claims were last given while someone else used them; see unusable.
	unusable map[string]netip.Addr
	// probed is what is known of its addresses; see probes.
	probed map[netip.Addr]*probed
	// wait says that it waits, and for what; see waiters.
	wait *waiting
	// asked is when this process created its claims, by name, and warned what was last warned of; see reporter.
	asked  map[string]time.Time
	warned *string
	// idle is the state in which nothing was to be done for it.
	idle idleState
}

func newMemory() *memory {
	return &memory{
		records: map[types.NamespacedName]*recollection{}, conflicts: map[string]map[types.NamespacedName]struct{}{},
	}
}

// of has use look at what is remembered of a Cluster and change it. A recollection with nothing in it is not kept.
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

// calm reports whether nothing is remembered that is forgotten as time goes by, or that a decision rests on.
func (r *recollection) calm() bool {
	return r.run == nil && len(r.refused) == 0 && len(r.unusable) == 0 && len(r.probed) == 0 && r.wait == nil &&
		len(r.asked) == 0
}

// noteIdle notes that nothing was to be done for a Cluster in a state. That says nothing of the next time if something
// is remembered of the Cluster that time changes.
func (m *memory) noteIdle(cluster types.NamespacedName, state idleState) {
	m.of(cluster, func(r *recollection) {
		if r.calm() {
			r.idle = state
		}
	})
}

// isIdle reports whether nothing was to be done for a Cluster in this very state, so that nothing is now.
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
