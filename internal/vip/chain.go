package vip

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// A chain of UIDs says whose an address is: the claim owns the IPAddress, and the Cluster owns the claim. A name
// proves nothing, because a deleted object had it too, and neither does what a copied manifest brings along (ADR 11).

// ClaimFor returns the claim that has the name of a slot's claim, whoever owns it, or nil. The slot of a role's first
// address is the role.
func (s *Snapshot) ClaimFor(slot string) *Claim {
	name := names.ClaimName(s.Cluster.Name, slot)
	for i := range s.Claims {
		if claim := &s.Claims[i]; claim.Name == name && claim.Namespace == s.Cluster.Namespace {
			return claim
		}
	}
	return nil
}

func (a *allocation) owns(claim *Claim) bool {
	return claim.Owner != nil && claim.Owner.UID == a.cluster.UID
}

// addressOf returns the IPAddress of a claim, or nil while it is not known. After a move or a restore the claim does
// not name its IPAddress yet, because its status stayed behind; the in-cluster provider gives the IPAddress the
// claim's name. An IPAddress that another claim owns belongs to a former claim of the name; one without an owner was
// restored.
func (a *allocation) addressOf(claim *Claim) *Address {
	address := a.addressNamed(claim.Namespace, cmp.Or(claim.Address, claim.Name))
	if address == nil || address.Claim != claim.Name || address.ClaimUID != "" && address.ClaimUID != claim.UID {
		return nil
	}
	return address
}

func (a *allocation) addressNamed(namespace, name string) *Address {
	i := slices.IndexFunc(a.Addresses, func(x Address) bool { return x.Name == name && x.Namespace == namespace })
	if i < 0 {
		return nil
	}
	return &a.Addresses[i]
}

// boundTo returns the IP that a claim is bound to, or the zero Addr while it is unknown or invalid.
func (a *allocation) boundTo(claim *Claim) netip.Addr {
	if claim == nil {
		return netip.Addr{}
	}
	address := a.addressOf(claim)
	if address == nil {
		return netip.Addr{}
	}
	return ParseAddr(address.Value)
}

// wrote reports whether it is on record that the VIP of a slot was written from this very claim. A claim never changes
// its address, so the Cluster has had this address since. A claim that lost its owner in a restore kept its UID.
func (a *allocation) wrote(claim *Claim, slot string) bool {
	return (a.owns(claim) || claim.Owner == nil) && a.cluster.Written[slot] == claim.UID
}

// lost reports whether a claim without an owner is bound to the address that the Cluster carries for a role: it was
// the Cluster's before a restore.
func (a *allocation) lost(claim *Claim, role string) bool {
	bound := a.boundTo(claim)
	return claim.Owner == nil && a.carries(role, bound)
}

// carried returns what the Cluster carries for a role, whoever put it there.
func (a *allocation) carried(role string) string {
	if role == names.RoleControlPlane && a.cluster.Endpoint.Host != "" {
		return a.cluster.Endpoint.Host
	}
	return a.cluster.VIPs[role]
}

// carries reports whether the Cluster carries an address for a role, whoever put it there.
func (a *allocation) carries(role string, addr netip.Addr) bool {
	return addr.IsValid() && slices.Contains(Addrs(role, a.carried(role)), addr)
}

// CarriedIn returns where a Cluster with the given endpoint host and annotations carries an address as the VIP of a
// role: "spec.controlPlaneEndpoint", or the key of the annotation; "" if nowhere.
func CarriedIn(role, host string, vips map[string]string, addr netip.Addr) string {
	switch {
	case role == names.RoleControlPlane && ParseAddr(host) == addr:
		return EndpointField
	case slices.Contains(Addrs(role, vips[role]), addr):
		return names.Annotation(role)
	}
	return ""
}

// EndpointField is the field in which a Cluster carries its endpoint.
const EndpointField = "spec.controlPlaneEndpoint"

// poolOf returns the pool of a claim, or nil if it is not known.
func (a *allocation) poolOf(claim *Claim) *Pool {
	for i := range a.Pools {
		pool := &a.Pools[i]
		if pool.Ref == claim.Pool && (pool.Namespace == "" || pool.Namespace == a.cluster.Namespace) {
			return pool
		}
	}
	return nil
}

// compareRoles orders the control plane before ingress, and ingress before all other roles.
func compareRoles(a, b string) int {
	order := func(role string) int { return slices.Index([]string{names.RoleIngress, names.RoleControlPlane}, role) }
	return cmp.Or(-cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
}

// HoldsEndpoint reports whether the Cluster owns the control plane's claim and that claim holds the endpoint.
func (s *Snapshot) HoldsEndpoint() bool {
	a := newAllocation(s)
	claim, host := a.ClaimFor(names.RoleControlPlane), ParseAddr(s.Cluster.Endpoint.Host)
	return claim != nil && host.IsValid() && a.owns(claim) && a.boundTo(claim) == host
}
