package view

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func checkPoolConfig(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Pools {
		pool := &f.Pools[i]
		say := func(severity Severity, message, do string) {
			found = append(found, Finding{Severity: severity, Object: poolName(&pool.Pool), Message: message, Do: do})
		}
		warn := func(message, do string) { say(SeverityWarning, message, do) }
		if pool.Closed {
			say(SeverityError, strings.Join(pool.Problems, "; "),
				"correct it: until then the pool serves nobody new; Clusters that have an address of it keep it")
		} else {
			for _, problem := range pool.Problems {
				warn(problem, "correct it; what is right in the pool's labels and annotations holds")
			}
		}
		for _, doubt := range vip.DoubtedRoles(&pool.Pool, f.poolsBeside(pool)) {
			warn(doubt, "correct it, if it is misspelled; "+
				"a role that nobody meant is taken out of service by kubectl vip retire")
		}
		switch {
		case len(pool.Problems) > 0, len(pool.Classes) == 0 && len(pool.Roles) == 0:
		case len(pool.Classes) == 0:
			warn("offers the role "+strings.Join(pool.Roles, ", ")+" but names no ClusterClass, so it serves nobody",
				"add the label "+names.ClusterClass)
		case len(pool.Roles) == 0:
			warn("names a ClusterClass but no role, so it serves nobody", "add the label "+names.Role)
		}
		if configured(pool) && pool.Paused {
			warn("is paused: the provider answers no claim on it", "take the annotation "+names.Paused+" off")
		}
	}
	return found
}

// poolsBeside returns the pools that can serve where a pool does.
func (f *Facts) poolsBeside(pool *PoolFacts) []vip.Pool {
	var pools []vip.Pool
	for i := range f.Pools {
		if other := &f.Pools[i].Pool; other.Namespace == "" || other.Namespace == pool.Namespace {
			pools = append(pools, *other)
		}
	}
	return pools
}

// configured reports whether a pool can serve anyone.
func configured(pool *PoolFacts) bool { return len(pool.Classes) > 0 && len(pool.Roles) > 0 }

func checkPoolClass(f *Facts, _ *Permissions) []Finding {
	if !f.ClassesKnown {
		return []Finding{{Severity: SeveritySkipped, Message: "the ClusterClasses cannot be read"}}
	}
	var found []Finding
	for i := range f.Pools {
		pool := &f.Pools[i]
		for _, class := range pool.Classes {
			if class.Among(f.Classes) {
				continue
			}
			message := fmt.Sprintf("names ClusterClass %s, which does not exist", class)
			if meant, ok := class.Meant(f.Classes); ok {
				message += fmt.Sprintf("; did you mean %s?", meant)
			}
			found = append(found, Finding{
				Severity: SeverityWarning, Object: poolName(&pool.Pool), Message: message,
				Do: "create the ClusterClass, or correct " + names.ClusterClass,
			})
		}
	}
	return found
}

func checkPoolCapacity(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Pools {
		pool := &f.Pools[i]
		if !configured(pool) || !pool.Capacity.Known {
			continue
		}
		finding := Finding{Severity: SeverityWarning, Object: poolName(&pool.Pool)}
		switch c := pool.Capacity; {
		case c.Total == 0:
			finding.Message, finding.Do = "has no addresses", "fill spec.addresses"
		case c.Full():
			finding.Message = fmt.Sprintf("all %d addresses are in use", c.Total)
			finding.Do = "add addresses, or label another pool"
		case c.OutOfRange > 0:
			finding.Message = fmt.Sprintf("%d addresses in use are not in its range any more", c.OutOfRange)
			finding.Do = "put them back into spec.addresses, or another pool may hand them out"
		default:
			continue
		}
		found = append(found, finding)
	}
	return found
}

// checkClaimPools finds bound claims whose pool is gone or being deleted. Their Clusters keep what they have.
func checkClaimPools(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for i := range f.Claims {
		claim := &f.Claims[i]
		if claim.Role == "" || claim.Deleting || claim.Address == "" {
			continue
		}
		finding := Finding{Severity: SeverityWarning, Object: "IPAddressClaim " + claim.Namespace + "/" + claim.Name}
		switch pool := f.poolOf(claim); {
		case pool == nil && len(f.Limits) == 0 && claim.Pool.Group == inCluster:
			finding.Message = fmt.Sprintf("is bound to %s, which does not exist (any more): "+
				"nobody counts its address as used", claim.Pool)
			finding.Do = "create the pool again with the same addresses, " +
				"and leave it unlabelled if it is to serve nobody new"
		case pool != nil && pool.Deleting:
			finding.Message = fmt.Sprintf("is bound to %s, which is being deleted: "+
				"it serves nobody new, and goes when its last address is back", claim.Pool)
			finding.Do = "label another pool for the class and role; nothing else, if the pool is to go"
		default:
			continue
		}
		found = append(found, finding)
	}
	return found
}

// inCluster is the API group of the pools that can always be read.
const inCluster = "ipam.cluster.x-k8s.io"

// poolOf returns the pool that a claim is on, or nil.
func (f *Facts) poolOf(claim *ClaimFacts) *PoolFacts {
	for i := range f.Pools {
		if pool := &f.Pools[i]; pool.Ref == claim.Pool && (pool.Namespace == "" || pool.Namespace == claim.Namespace) {
			return pool
		}
	}
	return nil
}

// checkPoolOverlap finds pools with common addresses, except for pairs of which neither is labelled for the allocator.
func checkPoolOverlap(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	f.overlapping(func(a, b *PoolFacts, common []vip.Range) {
		found = append(found, Finding{
			Severity: SeverityError, Object: poolName(&a.Pool),
			Message: fmt.Sprintf("shares %s with %s: the provider counts what is used by pool, so both can hand it out",
				ranges(common), poolName(&b.Pool)),
			Do: "exclude it from one of them (spec.excludedAddresses)",
		})
	})
	return found
}

// overlap returns the ranges that two lists of ranges have in common.
func overlap(a, b []vip.Range) []vip.Range {
	var common []vip.Range
	for _, x := range a {
		for _, y := range b {
			from, to := maxAddr(x.From, y.From), minAddr(x.To, y.To)
			if from.Is4() == to.Is4() && from.Compare(to) <= 0 {
				common = append(common, vip.Range{From: from, To: to})
			}
		}
	}
	return common
}

func maxAddr(a, b netip.Addr) netip.Addr {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

func minAddr(a, b netip.Addr) netip.Addr {
	if a.Compare(b) < 0 {
		return a
	}
	return b
}

// namedRanges is how many ranges a message names.
const namedRanges = 3

func ranges(list []vip.Range) string {
	var texts []string
	for i, r := range list {
		if i == namedRanges {
			texts = append(texts, fmt.Sprintf("%d more ranges", len(list)-i))
			break
		}
		texts = append(texts, rangeText(r))
	}
	return strings.Join(texts, ", ")
}
