package vip

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Tier is how specifically a pool is meant for a Cluster that it matches. Pools of a more specific tier come before
// all others, and what they cannot give is waited for. The table of tiers stands in docs/pools.md.
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

// tiers are the names of the tiers, and why a pool is in one.
var tiers = map[Tier]struct{ name, why string }{
	TierAny:       {"any", "the pool serves every class"},
	TierClass:     {"class", "the pool names the ClusterClass"},
	TierNamespace: {"namespace", "the pool is in the Cluster's namespace"},
	TierVariables: {"variables", "the Cluster's variables have the values that the pool asks for"},
	TierNames:     {"names", "the pool names the Cluster"},
}

// String returns the name of the tier; empty for none.
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

// tier is the table of tiers: named says that the pool names the Cluster, and ofClass which of its entries name its
// class.
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

// place is where a pool stands among those that match: by its tier, and within it the pools of the Cluster's namespace
// before the global ones, which are everyone's.
type place struct {
	tier  Tier
	local bool
}

func (p *Pool) placeFor(c *Cluster) place { return place{p.TierFor(c), p.Namespace != ""} }

// compare returns 1 if a place comes before another one, -1 if it comes after it.
func (a place) compare(b place) int {
	if a.local != b.local && a.tier == b.tier {
		if a.local {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.tier, b.tier)
}

// keepsOut reports whether a pool that does not serve a Cluster keeps less specific ones from serving it all the same:
// one that cannot be read, since a slip in a tenant's pool must not send its Clusters to a shared one, while a slip in
// a shared one must not stop everyone; and one of which it is not known whether it is for the Cluster. Claims that
// are bound never move, so neither could be put right later.
func (p *Pool) keepsOut(verdict Verdict) bool {
	return verdict == VerdictUnknown || verdict == VerdictClosed && p.Namespace != ""
}

// barsGlobal reports whether a closed pool of the Cluster's namespace keeps all global ones out, the more specific
// ones among them: as nobody knows whom it is for, it may be as specific as any.
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
