package vip

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Tier is how specifically a pool is meant for a Cluster that it matches. Pools of a more specific tier come before
// all others, and Clusters wait for what these cannot give. See the table of tiers in docs/pools.md.
type Tier int

// The tiers, the least specific first.
const (
	TierNone Tier = iota
	TierAny
	TierClass
	TierNamespace
	TierVariables
	TierNames
)

// tiers holds the name of each tier, and why a pool is in it.
var tiers = map[Tier]struct{ name, why string }{
	TierAny:       {"any", "the pool serves every class"},
	TierClass:     {"class", "the pool names the ClusterClass"},
	TierNamespace: {"namespace", "the pool is in the Cluster's namespace"},
	TierVariables: {"variables", "the Cluster's variables have the values that the pool asks for"},
	TierNames:     {"names", "the pool names the Cluster"},
}

// String returns the name of the tier; empty for TierNone.
func (t Tier) String() string { return tiers[t].name }

// Why says in a sentence what puts a pool into the tier.
func (t Tier) Why() string { return tiers[t].why }

// TierFor returns the tier of a pool for a Cluster that it matches.
func (p *Pool) TierFor(c *Cluster) Tier {
	return p.tier(p.naming(c) == namesCluster, func(entry Class) bool {
		return entry.Name != AnyClass && c.Class.matches(entry)
	})
}

// BestTier returns the most specific tier that a pool can be in for any Cluster; TierNone if it serves nobody.
func (p *Pool) BestTier() Tier {
	if len(p.Classes) == 0 || len(p.Roles) == 0 {
		return TierNone
	}
	named := slices.ContainsFunc(p.Clusters, func(entry types.NamespacedName) bool { return entry.Name != AnyCluster })
	return p.tier(named, func(entry Class) bool { return entry.Name != AnyClass })
}

// tier is the table of tiers: named says that the pool names the Cluster, and ofClass reports whether an entry of the
// pool names the Cluster's class.
func (p *Pool) tier(named bool, ofClass func(Class) bool) Tier {
	switch {
	case named:
		return TierNames
	case len(p.Variables) > 0:
		return TierVariables
	case p.Namespace != "":
		return TierNamespace
	case slices.ContainsFunc(p.Classes, ofClass):
		return TierClass
	}
	return TierAny
}

// place is where a pool ranks among those that match: by its tier, and within a tier the pools of the Cluster's
// namespace before the global ones, which are everyone's.
type place struct {
	tier  Tier
	local bool
}

func (p *Pool) placeFor(c *Cluster) place { return place{p.TierFor(c), p.Namespace != ""} }

// compare returns 1 if a comes before b, -1 if it comes after b, and 0 otherwise.
func (a place) compare(b place) int {
	if a.local != b.local && a.tier == b.tier {
		if a.local {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.tier, b.tier)
}

// keepsOut reports whether a pool that does not serve a Cluster still keeps less specific ones from serving it. That
// is so for a closed pool of a namespace: a slip in a tenant's pool must not send its Clusters to a shared one, while
// a slip in a shared pool must not stop everyone. It is also so for a pool that may or may not be for the Cluster.
// Bound claims never move, so neither mistake could be put right later.
func (p *Pool) keepsOut(verdict Verdict) bool {
	return verdict == VerdictUnknown || verdict == VerdictClosed && p.Namespace != ""
}

// barsGlobal reports whether a closed pool of the Cluster's namespace keeps out all global pools, even more specific
// ones: nobody knows whom the closed pool is for, so it may be as specific as any.
func barsGlobal(s *subject, pools []Pool, role string) bool {
	for i := range pools {
		if pool := &pools[i]; pool.Unread && pool.Namespace != "" {
			if verdict, _ := pool.serves(s, role); verdict == VerdictClosed {
				return true
			}
		}
	}
	return false
}
