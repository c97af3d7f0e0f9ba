package state

import (
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// poolReader reads pools for one decision, each once, however many Clusters it is asked about: anyone may create any
// number of Clusters that carry an address in any number of annotations.
type poolReader struct {
	store   *Store
	read    map[*capi.Pool]vip.Pool
	markets map[market]map[string][]vip.Pool
}

// market is what Clusters that are offered the same pools have in common.
type market struct{ class, namespace string }

func newPoolReader(store *Store) *poolReader {
	return &poolReader{store: store, read: map[*capi.Pool]vip.Pool{}, markets: map[market]map[string][]vip.Pool{}}
}

// chooser returns a function that says how many addresses some pools give a Cluster for a role; 0 if none serves it.
func chooser(cluster *capi.Cluster) func(pools []vip.Pool, role string) int {
	var choose func([]vip.Pool, string) vip.Choice
	return func(pools []vip.Pool, role string) int {
		if choose == nil {
			choose = vip.Chooser(&vip.Cluster{
				Namespace: cluster.Namespace, Name: cluster.Name, Class: cluster.Class(),
				Variables: cluster.Variables(),
			})
		}
		choice := choose(pools, role)
		if choice.Pool == nil {
			return 0
		}
		return choice.PerCluster()
	}
}

// poolsFor returns the pools that may serve a Cluster, by role.
func (r *poolReader) poolsFor(cluster *capi.Cluster) map[string][]vip.Pool {
	key := market{cluster.Class().Name, cluster.Namespace}
	byRole, known := r.markets[key]
	if known {
		return byRole
	}
	byRole = map[string][]vip.Pool{}
	for _, object := range r.store.poolsFor(cluster) {
		pool, known := r.read[object]
		if !known {
			pool = object.Snapshot(time.Time{})
			r.read[object] = pool
		}
		for _, role := range pool.Roles {
			byRole[role] = append(byRole[role], pool)
		}
	}
	r.markets[key] = byRole
	return byRole
}

// ranges are what one version of a pool may hand out.
type ranges struct {
	of   *capi.Pool
	what []vip.Range
}

// rangesOf returns what a cached pool may hand out. It reads each version of a pool once: a pool may list tens of
// thousands of addresses, and any number of Clusters may have an endpoint that was set by hand.
func (s *Store) rangesOf(pool *capi.Pool) []vip.Range {
	key := poolKey(pool)
	s.mu.Lock()
	known := s.ranges[key]
	s.mu.Unlock()
	if known.of == pool {
		return known.what
	}
	known = ranges{of: pool, what: pool.Ranges()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges[key] = known
	return known.what
}
