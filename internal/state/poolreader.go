package state

import (
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// poolReader reads pools for one decision, each once, however many Clusters it is asked about: anyone may have any
// number of Clusters carry an address in any number of annotations.
type poolReader struct {
	store   *Store
	read    map[*capi.Pool]vip.Pool
	markets map[market]map[string][]vip.Pool
}

// market is what Clusters have in common that are offered the same pools.
type market struct{ class, namespace string }

func newPoolReader(store *Store) *poolReader {
	return &poolReader{store: store, read: map[*capi.Pool]vip.Pool{}, markets: map[market]map[string][]vip.Pool{}}
}

// chooser returns what tells how many addresses some pools give to a Cluster for a role; 0 if none of them serves it.
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

// ranges are what a pool may hand out, as one version of it says.
type ranges struct {
	of   *capi.Pool
	what []vip.Range
}

// rangesOf returns what a pool of a cache may hand out. Each version of a pool is read once: it may list tens of
// thousands of addresses, and any number of Clusters may have an endpoint that was typed by hand.
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
