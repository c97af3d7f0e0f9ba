package view

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Atlas holds facts, and the indexes that maps of pools are drawn from, built once for all maps.
type Atlas struct {
	facts   *Facts
	holders map[netip.Addr]*holders
	claims  map[types.NamespacedName]*ClaimFacts
	// given are the addresses of each pool, and waiting its claims without one.
	given   map[poolKey][]PoolAddress
	waiting map[poolKey][]*ClaimFacts

	once     sync.Once
	clusters []Cluster
}

// poolKey names a pool; Namespace is empty for a global one.
type poolKey struct {
	vip.PoolRef
	namespace string
}

// NewAtlas indexes the facts.
func NewAtlas(f *Facts) *Atlas {
	a := &Atlas{
		facts: f, holders: f.holders(), claims: f.claims(), given: map[poolKey][]PoolAddress{},
		waiting: map[poolKey][]*ClaimFacts{},
	}
	local := map[vip.PoolRef]bool{}
	for i := range f.Pools {
		if f.Pools[i].Namespace != "" {
			local[vip.PoolRef{Group: f.Pools[i].Ref.Group, Kind: f.Pools[i].Ref.Kind}] = true
		}
	}
	key := func(ref vip.PoolRef, namespace string) poolKey {
		if !local[vip.PoolRef{Group: ref.Group, Kind: ref.Kind}] {
			namespace = ""
		}
		return poolKey{ref, namespace}
	}
	for i := range f.Addresses {
		address := &f.Addresses[i]
		k := key(address.Pool, address.Namespace)
		a.given[k] = append(a.given[k], a.facts.userOf(address, a.claims))
	}
	for _, users := range a.given {
		sortUsers(users)
	}
	for i := range f.Claims {
		if claim := &f.Claims[i]; claim.Address == "" && !claim.Deleting {
			k := key(claim.Pool, claim.Namespace)
			a.waiting[k] = append(a.waiting[k], claim)
		}
	}
	for _, claims := range a.waiting {
		slices.SortStableFunc(claims, func(x, y *ClaimFacts) int {
			return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.Namespace, y.Namespace),
				cmp.Compare(x.Name, y.Name))
		})
	}
	return a
}

// Facts returns the facts that the atlas was made from.
func (a *Atlas) Facts() *Facts { return a.facts }

// addressesOf returns who uses which address of a pool, in order.
func (a *Atlas) addressesOf(pool *vip.Pool) []PoolAddress {
	return a.given[poolKey{pool.Ref, pool.Namespace}]
}

func (a *Atlas) waitingFor(pool *vip.Pool) []*ClaimFacts {
	return a.waiting[poolKey{pool.Ref, pool.Namespace}]
}

// pool finds a pool by its kind, namespace and name in a view.
func (a *Atlas) pool(kind, namespace, name string) *PoolFacts {
	for i := range a.facts.Pools {
		if p := &a.facts.Pools[i]; p.Ref.Kind == kind && p.Namespace == namespace && p.Ref.Name == name {
			return p
		}
	}
	return nil
}

// Clusters returns all Clusters, as List does. It decides about them on the first call.
func (a *Atlas) Clusters() []Cluster {
	a.once.Do(func() { a.clusters = List(a.facts, "") })
	return a.clusters
}
