package view

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Pool is a pool in a list.
type Pool struct {
	Kind string `json:"kind"`
	// Namespace is empty for a global pool.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Classes and Roles are what the pool serves; without both it serves nobody.
	Classes []string `json:"classes"`
	Roles   []string `json:"roles"`
	// Tier is the most specific one that the pool can be in: names, variables, namespace, class or any; empty if it
	// serves nobody.
	Tier     string `json:"tier,omitempty"`
	Priority int    `json:"priority"`
	// Namespaces are those that a global pool is restricted to; empty means all.
	Namespaces []string `json:"namespaces,omitempty"`
	// Clusters are those that the pool is restricted to, namespace/name or namespace/*; empty means all.
	Clusters []string `json:"clusters,omitempty"`
	// Variables are the values that the variables of a Cluster must have, path=value.
	Variables []string `json:"variables,omitempty"`
	// PerCluster is how many addresses a Cluster gets for a role other than the control plane, if it is more than one.
	PerCluster int `json:"addressesPerCluster,omitempty"`
	// Probe are the ports that are tried before an address is first written.
	Probe []uint16 `json:"probe,omitempty"`
	// Capacity is nil where the provider has not reported it.
	Capacity *Capacity `json:"capacity,omitempty"`
	Paused   bool      `json:"paused,omitempty"`
	Deleting bool      `json:"deleting,omitempty"`
	// Closed says that the pool serves nobody new until the problems are corrected.
	Closed   bool     `json:"closed,omitempty"`
	Problems []string `json:"problems,omitempty"`
	// Addresses are those that are given away; nil unless they were asked for.
	Addresses []PoolAddress `json:"addresses,omitempty"`
}

// Title is the name of the pool as printed: after its namespace, if it has one.
func (p Pool) Title() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// Capacity counts the addresses of a pool.
type Capacity struct {
	Total      int `json:"total"`
	Used       int `json:"used"`
	Free       int `json:"free"`
	OutOfRange int `json:"outOfRange,omitempty"`
}

// PoolAddress is an address of a pool that is given away.
type PoolAddress struct {
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
	Claim     string `json:"claim"`
	// Cluster is the Cluster of the claim and Role its role; empty for a claim that is not the allocator's.
	Cluster string `json:"cluster,omitempty"`
	Role    string `json:"role,omitempty"`
	// Since is when the address was given away.
	Since time.Time `json:"since"`
	// Releasing says that it is on its way back; with a reuse grace period that takes a while.
	Releasing bool `json:"releasing,omitempty"`
}

func capacityOf(c vip.Capacity) *Capacity {
	if !c.Known {
		return nil
	}
	return &Capacity{Total: c.Total, Used: c.Used, Free: c.Free, OutOfRange: c.OutOfRange}
}

// Pools returns the pools of a namespace (all if it is empty) and the global ones. If addresses is set, it adds who
// uses which address.
func Pools(f *Facts, namespace string, addresses bool) []Pool {
	return PoolsOf(NewAtlas(f), namespace, addresses)
}

// PoolsOf is Pools for facts that are already indexed.
func PoolsOf(a *Atlas, namespace string, addresses bool) []Pool {
	pools := []Pool{}
	f := a.facts
	for i := range f.Pools {
		facts := &f.Pools[i]
		if facts.Namespace != "" && namespace != "" && facts.Namespace != namespace {
			continue
		}
		pool := poolOf(facts)
		if addresses {
			pool.Addresses = append([]PoolAddress{}, a.addressesOf(&facts.Pool)...)
		}
		pools = append(pools, pool)
	}
	slices.SortFunc(pools, func(a, b Pool) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return pools
}

func poolOf(facts *PoolFacts) Pool {
	pool := Pool{
		Kind: facts.Ref.Kind, Namespace: facts.Namespace, Name: facts.Ref.Name, Classes: []string{},
		Roles: append([]string{}, facts.Roles...), Tier: facts.BestTier().String(), Priority: facts.Priority,
		Namespaces: facts.Namespaces, Capacity: capacityOf(facts.Capacity), Paused: facts.Paused,
		Deleting: facts.Deleting, Closed: facts.Closed, Problems: facts.Problems, Probe: facts.Probe,
	}
	if facts.PerCluster > 1 {
		pool.PerCluster = facts.PerCluster
	}
	for _, cluster := range facts.Clusters {
		pool.Clusters = append(pool.Clusters, cluster.String())
	}
	for _, variable := range facts.Variables {
		pool.Variables = append(pool.Variables, variable.String())
	}
	for _, class := range facts.Classes {
		pool.Classes = append(pool.Classes, class.String())
	}
	return pool
}

// userOf says who uses an address.
func (f *Facts) userOf(address *AddressFacts, claims map[types.NamespacedName]*ClaimFacts) PoolAddress {
	user := PoolAddress{
		Address: address.Value, Namespace: address.Namespace, Claim: address.Claim, Since: address.Born.At,
		Releasing: address.Deleting,
	}
	if claim := claims[address.claimKey()]; claim != nil {
		user.Cluster, user.Role = claim.Cluster, claim.Role
		user.Releasing = user.Releasing || claim.Deleting
	}
	return user
}

// sortUsers sorts addresses.
func sortUsers(users []PoolAddress) {
	slices.SortFunc(users, func(a, b PoolAddress) int {
		return cmp.Or(vip.ParseAddr(a.Address).Compare(vip.ParseAddr(b.Address)), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Claim, b.Claim))
	})
}
