package vip

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// MostRoles is how many annotations of the allocator's domain, and how many conditions, are read of one Cluster.
const MostRoles = 64

// warnings returns what an admin should know of a Cluster that is served all the same.
func warnings(s *Snapshot) []Warning {
	if !s.Cluster.Cut {
		return endpointWarnings(s)
	}
	return append(endpointWarnings(s), Warning{
		Reason: names.EventClusterTooLarge,
		Message: fmt.Sprintf("the Cluster is too large to be read whole (%d annotations of %s, and 64 KiB of variables): remove annotations "+
			"of roles that no pool serves, and shorten variables", MostRoles, names.Domain),
	})
}

// endpointWarnings returns the dangers of an endpoint that was typed by hand: an address that a pool may hand out will meet
// another Cluster's one day. What the allocator assigned comes from a claim, which keeps others away.
func endpointWarnings(s *Snapshot) []Warning {
	c := &s.Cluster
	addr := ParseAddr(c.Endpoint.Host)
	if !addr.IsValid() || SameAddr(c.VIPs[names.RoleControlPlane], c.Endpoint.Host) {
		return nil
	}
	// The annotation may have been removed: a claim that is bound to the address says the same.
	a := &allocation{Snapshot: s, cluster: c}
	if a.boundTo(a.claimFor(names.RoleControlPlane)) == addr {
		return nil
	}
	var pools []string
	for i := range s.Pools {
		if Contain(s.Pools[i].Offers, addr) {
			pools = append(pools, s.Pools[i].Ref.String())
		}
	}
	if len(pools) == 0 {
		return nil
	}
	slices.Sort(pools)
	if more := len(pools) - namedPools; more > 0 {
		pools = append(pools[:namedPools], fmt.Sprintf("%d more", more))
	}
	return []Warning{{
		Reason: names.EventEndpointInPoolRange,
		Message: fmt.Sprintf("%s was set by hand and %s may give it to another Cluster: add it to excludedAddresses there",
			addr, strings.Join(pools, " and ")),
	}}
}
