package state

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The indexes on the caches.
const (
	// byClass finds Clusters and pools by the name of a ClusterClass, and pools for any class by vip.AnyClass.
	byClass = "class"
	// byAddress finds the Clusters that carry an address, and the IPAddresses that assign it.
	byAddress = "address"
	// byOwner finds claims by the UID of their owner.
	byOwner = "owner"
	// byName finds Clusters by the DNS names that they would have.
	byName = "name"
)

// Informers are the caches of the kinds in use. They must be trimmed by capi.Trim and capi.PoolTrimmer, and not
// started yet.
type Informers struct {
	Clusters, ClusterClasses, Claims, Addresses cache.SharedIndexInformer
	Pools                                       []Pools

	// ClusterVersion is the apiVersion at which Clusters are read, and which ownerReferences to them should have.
	ClusterVersion string

	// SomeClasses says that not all classes could be read: a missing one may exist.
	SomeClasses bool

	// DNS is nil if no DNS records are kept.
	DNS cache.SharedIndexInformer

	// Names says which names the DNS records have.
	Names vip.DNSSettings
}

// Pools is the cache of the pools of one kind.
type Pools struct {
	capi.Resource
	cache.SharedIndexInformer
}

// Store holds what is known of the cluster: the caches, our own writes that they do not show yet, and when pools were
// last seen serving. It is safe for concurrent use.
type Store struct {
	Informers

	clusters *overlay[*capi.Cluster]
	claims   *overlay[*capi.Claim]
	dns      *overlay[*capi.DNSEndpoint]

	reserved reservations
	changes  atomic.Uint64

	mu     sync.Mutex
	served map[string]time.Time
	ranges map[string]ranges
}

// NewStore adds the indexes to the informers and returns the store over them.
func NewStore(informers Informers) (*Store, error) {
	indexes := map[cache.SharedIndexInformer]cache.Indexers{
		informers.Clusters:  {byClass: index(clusterClass), byAddress: index(carriedAddresses)},
		informers.Claims:    {byOwner: index(ownerUID)},
		informers.Addresses: {byAddress: index(assignedAddress)},
	}
	for _, pools := range informers.Pools {
		indexes[pools.SharedIndexInformer] = cache.Indexers{byClass: index((*capi.Pool).ClassKeys)}
	}
	if informers.DNS != nil {
		indexes[informers.Clusters][byName] = index(informers.nameKeys)
	}
	for informer, indexers := range indexes {
		if err := informer.AddIndexers(indexers); err != nil {
			return nil, fmt.Errorf("add indexes: %w", err)
		}
	}
	store := &Store{
		Informers: informers,
		clusters:  newOverlay[*capi.Cluster](informers.Clusters.GetStore()),
		claims:    newOverlay[*capi.Claim](informers.Claims.GetStore()),
		served:    map[string]time.Time{},
		ranges:    map[string]ranges{},
	}
	if informers.DNS != nil {
		store.dns = newOverlay[*capi.DNSEndpoint](informers.DNS.GetStore())
	}
	return store, nil
}

func index[T any](keys func(T) []string) cache.IndexFunc {
	return func(object any) ([]string, error) {
		typed, ok := object.(T)
		if !ok {
			return nil, nil
		}
		return keys(typed), nil
	}
}

func clusterClass(c *capi.Cluster) []string {
	if class := c.Class(); class.Name != "" {
		return []string{class.Name}
	}
	return nil
}

func carriedAddresses(c *capi.Cluster) []string {
	var keys []string
	for _, place := range carried(c, netip.Addr.IsValid) {
		keys = append(keys, place.Address.String())
	}
	return keys
}

func assignedAddress(a *capi.Address) []string {
	if addr := vip.ParseAddr(a.Spec.Address); addr.IsValid() {
		return []string{addr.String()}
	}
	return nil
}

func ownerUID(c *capi.Claim) []string {
	if uid := c.OwnerUID(); uid != "" {
		return []string{string(uid)}
	}
	return nil
}

// lookup returns the objects of a cache under a key of an index.
func lookup[T any](informer cache.SharedIndexInformer, indexName, key string) []T {
	objects, err := informer.GetIndexer().ByIndex(indexName, key)
	if err != nil {
		return nil // only a missing index gives an error, and NewStore made them all
	}
	typed := make([]T, 0, len(objects))
	for _, object := range objects {
		if t, ok := object.(T); ok {
			typed = append(typed, t)
		}
	}
	return typed
}

// ObserveCluster tells the store of a change in the cache of Clusters.
func (s *Store) ObserveCluster(c *capi.Cluster, deleted bool) { s.clusters.observe(c, deleted) }

// ObserveClaim tells the store of a change in the cache of claims.
func (s *Store) ObserveClaim(c *capi.Claim, deleted bool) { s.claims.observe(c, deleted) }

// ObserveDNS tells the store of a change in the cache of DNS records.
func (s *Store) ObserveDNS(d *capi.DNSEndpoint, deleted bool) { s.dns.observe(d, deleted) }

// ObserveServed tells the store that the provider was seen working on a claim in the namespace that names the pool.
// It ignores a pool that does not exist: claims may name whatever they like.
func (s *Store) ObserveServed(pool vip.PoolRef, namespace string, at time.Time) {
	found := s.pool(pool, namespace)
	if found == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[poolKey(found)] = at
}

// ForgetPool drops what is remembered of a pool that is gone.
func (s *Store) ForgetPool(p *capi.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.served, poolKey(p))
	delete(s.ranges, poolKey(p))
}

func (s *Store) lastServed(p *capi.Pool) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served[poolKey(p)]
}

// pool returns the pool that a claim in the namespace names, or nil if it does not exist.
func (s *Store) pool(ref vip.PoolRef, namespace string) *capi.Pool {
	for _, kind := range s.Informers.Pools {
		if kind.Group != ref.Group || kind.Kind != ref.Kind {
			continue
		}
		key := ref.Name
		if kind.Namespaced {
			key = namespace + "/" + ref.Name
		}
		if object, ok, err := kind.GetStore().GetByKey(key); err == nil && ok {
			pool, _ := object.(*capi.Pool)
			return pool
		}
	}
	return nil
}

// poolKey names a pool for the map of served pools.
func poolKey(p *capi.Pool) string {
	ref := p.Ref()
	return p.Namespace + "/" + ref.Group + "/" + ref.String()
}

// ClustersOf returns the Clusters that a pool may serve, going by its classes and namespace.
func (s *Store) ClustersOf(p *capi.Pool) []*capi.Cluster {
	var clusters []*capi.Cluster
	for _, class := range p.ClassKeys() {
		for _, cluster := range s.clustersByClass(class) {
			if p.Namespace == "" || p.Namespace == cluster.Namespace {
				clusters = append(clusters, cluster)
			}
		}
	}
	return clusters
}

// clustersByClass returns the Clusters that a class key of a pool stands for: those of a class, or all that have one.
func (s *Store) clustersByClass(key string) []*capi.Cluster {
	if key != vip.AnyClass {
		return lookup[*capi.Cluster](s.Clusters, byClass, key)
	}
	var clusters []*capi.Cluster
	for _, object := range s.Clusters.GetStore().List() {
		if cluster, ok := object.(*capi.Cluster); ok && cluster.Class().Name != "" {
			clusters = append(clusters, cluster)
		}
	}
	return clusters
}

// ClustersOfClass returns the Clusters that use a class.
func (s *Store) ClustersOfClass(class *capi.ClusterClass) []*capi.Cluster {
	return slices.DeleteFunc(lookup[*capi.Cluster](s.Clusters, byClass, class.Name), func(c *capi.Cluster) bool {
		return c.Class().Namespace != class.Namespace
	})
}

// configuredPools returns the pools of all kinds that name a class.
func (s *Store) configuredPools() []*capi.Pool {
	var configured []*capi.Pool
	for _, pools := range s.Informers.Pools {
		for _, object := range pools.GetStore().List() {
			if pool, ok := object.(*capi.Pool); ok && len(pool.ClassKeys()) > 0 {
				configured = append(configured, pool)
			}
		}
	}
	return configured
}

// Pools returns all pools that are configured for the allocator.
func (s *Store) Pools() []vip.Pool {
	var pools []vip.Pool
	for _, pool := range s.configuredPools() {
		pools = append(pools, pool.Snapshot(s.lastServed(pool)))
	}
	return pools
}

// PoolsBeside returns the pools that serve where a pool does: the global ones, and those of its namespace.
func (s *Store) PoolsBeside(pool *capi.Pool) []vip.Pool {
	var pools []vip.Pool
	for _, kind := range s.Informers.Pools {
		for _, object := range kind.GetStore().List() {
			if other, ok := object.(*capi.Pool); ok && (other.Namespace == "" || other.Namespace == pool.Namespace) {
				pools = append(pools, other.Snapshot(time.Time{}))
			}
		}
	}
	return pools
}

// Classes returns all ClusterClasses.
func (s *Store) Classes() []vip.Class {
	var classes []vip.Class
	for _, object := range s.ClusterClasses.GetStore().List() {
		if class, ok := object.(*capi.ClusterClass); ok {
			classes = append(classes, vip.Class{Namespace: class.Namespace, Name: class.Name})
		}
	}
	return classes
}

// CachedCluster returns a Cluster by its key, or nil. The caller must not change it.
func (s *Store) CachedCluster(key string) *capi.Cluster {
	cluster, ok := s.clusters.cached(key)
	if !ok {
		return nil
	}
	return cluster
}

// CachedClaim returns a claim by its key, or nil. The caller must not change it.
func (s *Store) CachedClaim(key string) *capi.Claim {
	claim, ok := s.claims.cached(key)
	if !ok {
		return nil
	}
	return claim
}

// All returns the informers of all kinds.
func (i Informers) All() []cache.SharedIndexInformer {
	all := []cache.SharedIndexInformer{i.Clusters, i.ClusterClasses, i.Claims, i.Addresses}
	for _, pools := range i.Pools {
		all = append(all, pools.SharedIndexInformer)
	}
	if i.DNS != nil {
		all = append(all, i.DNS)
	}
	return all
}
