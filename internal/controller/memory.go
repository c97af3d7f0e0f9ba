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

	// idle are the Clusters that had all they need, as they were then.
	idle map[types.NamespacedName]idleState
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
}

func newMemory() *memory {
	return &memory{
		records: map[types.NamespacedName]*recollection{}, conflicts: map[string]map[types.NamespacedName]struct{}{},
		idle: map[types.NamespacedName]idleState{},
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

func (r *recollection) empty() bool {
	return r.run == nil && len(r.refused) == 0 && len(r.unusable) == 0 && len(r.probed) == 0 && r.wait == nil &&
		len(r.asked) == 0 && r.warned == nil
}

// noteIdle notes that nothing was to be done for a Cluster in a state. That says nothing of the next time if something
// is remembered of the Cluster, which is forgotten as time goes by.
func (m *memory) noteIdle(cluster types.NamespacedName, state idleState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.records[cluster]; !known {
		m.idle[cluster] = state
	}
}

// isIdle reports whether nothing was to be done for a Cluster in this very state, so that nothing is now.
func (m *memory) isIdle(cluster types.NamespacedName, state idleState) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, noted := m.idle[cluster]
	_, known := m.records[cluster]
	return noted && !known && last == state
}

// forget drops what is remembered of a Cluster that is gone.
func (m *memory) forget(cluster types.NamespacedName) {
	m.of(cluster, func(r *recollection) {
		m.stopWaiting(cluster, r)
		*r = recollection{}
		delete(m.idle, cluster)
	})
}
