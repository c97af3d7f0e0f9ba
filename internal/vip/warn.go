package vip

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// MostRoles is how many annotations of the allocator's domain, and how many conditions, are read of one Cluster.
const MostRoles = 64

// warnings returns what is dangerous about the addresses that the Cluster carries: an endpoint that was set by hand
// and that a pool may hand out, and an address that was also assigned to someone else. It also warns of a Cluster that
// is too large.
func warnings(s *Snapshot) []Warning {
	a := newAllocation(s)
	warnings := append(a.endpointInRange(), a.shared(names.RoleControlPlane)...)
	for _, role := range slices.Sorted(maps.Keys(a.cluster.VIPs)) {
		if role != names.RoleControlPlane {
			warnings = append(warnings, a.shared(role)...)
		}
	}
	if a.cluster.Cut {
		warnings = append(warnings, Warning{
			Reason: names.EventClusterTooLarge,
			Message: fmt.Sprintf("the Cluster is too large to be read whole (%d annotations of %s, "+
				"and 64 KiB of variables): remove annotations of roles that no pool serves, and shorten variables",
				MostRoles, names.Domain),
		})
	}
	return warnings
}

// endpointInRange warns of an endpoint that was set by hand: if a pool may hand out its address, another Cluster will
// get it one day. An address that the allocator assigned comes from a claim, which keeps others away. The warning
// names no other tenant's pool.
func (a *allocation) endpointInRange() []Warning {
	c := a.cluster
	addr := ParseAddr(c.Endpoint.Host)
	if !addr.IsValid() || SameAddr(c.VIPs[names.RoleControlPlane], c.Endpoint.Host) {
		return nil
	}
	// The annotation may have been removed, but a claim that is bound to the address says the same.
	if a.boundTo(a.ClaimFor(names.RoleControlPlane)) == addr {
		return nil
	}
	var pools []string
	elsewhere := false
	for i := range a.Pools {
		switch pool := &a.Pools[i]; {
		case !Contain(pool.Offers, addr):
		case pool.Namespace != "" && pool.Namespace != c.Namespace:
			elsewhere = true
		default:
			pools = append(pools, pool.Ref.String())
		}
	}
	slices.Sort(pools)
	if elsewhere {
		pools = append(pools, "a pool of another namespace")
	}
	if len(pools) == 0 {
		return nil
	}
	if more := len(pools) - namedPools; more > 0 {
		pools = append(pools[:namedPools], fmt.Sprintf("%d more", more))
	}
	return []Warning{{
		Reason: names.EventEndpointInPoolRange,
		Message: fmt.Sprintf("%s was set by hand and %s may give it to another Cluster: "+
			"add it to excludedAddresses there",
			addr, strings.Join(pools, " and ")),
	}}
}

// shared warns if an IPAddress assigns an address that the Cluster carries for a role to someone else, as when a pool
// for machines overlaps one for VIPs. The warning names no other tenant.
func (a *allocation) shared(role string) []Warning {
	var warnings []Warning
	for _, addr := range Addrs(role, a.carried(role)) {
		warnings = append(warnings, a.sharedAddr(role, addr)...)
	}
	return warnings
}

func (a *allocation) sharedAddr(role string, addr netip.Addr) []Warning {
	rival := firstRival(a.Rivals, func(r *Rival) bool {
		return r.Address == addr && r.Claim.Name != "" && r.Cluster != a.cluster.Key() && !a.own(r.Claim)
	})
	if rival == nil {
		return nil
	}
	r := a.look(role)
	if r.borrowed() != nil {
		return nil // the condition says so already
	}
	return []Warning{{
		Reason: names.EventAddressShared,
		Message: fmt.Sprintf("%s, which this Cluster uses for role %s, was also assigned to %s from %s: "+
			"pools overlap, and one of the two needs another address",
			addr, role, r.known(rival), r.knownPool(rival)),
	}}
}

// own reports whether the Cluster owns a claim, or will.
func (a *allocation) own(key types.NamespacedName) bool {
	return slices.ContainsFunc(a.Claims, func(claim Claim) bool {
		return claim.Name == key.Name && claim.Namespace == key.Namespace && (claim.Owner == nil || a.owns(&claim))
	})
}
