package capi

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Roles returns the valid roles that the pool serves, each once.
func (p *Pool) Roles() []string { return poolconfig.Of(&p.ObjectMeta).Roles() }

// PerCluster returns how many addresses a Cluster gets from the pool for a role.
func (p *Pool) PerCluster(role string) int { return poolconfig.Of(&p.ObjectMeta).PerCluster(role) }

// ClassKeys returns the names of the ClusterClasses the pool serves, for an index; see poolconfig.Keys.
func (p *Pool) ClassKeys() []string { return poolconfig.Of(&p.ObjectMeta).ClassKeys() }

// Ranges returns what the pool may hand out: its addresses without the excluded ones, the gateway and, as in the
// in-cluster provider, the first and (IPv4) last address of the subnet. It leaves out entries that it cannot parse;
// the provider's webhook refuses them.
func (p *Pool) Ranges() []vip.Range {
	var set netipx.IPSetBuilder
	for _, entry := range p.Spec.Addresses {
		if parsed, ok := parseRange(entry); ok {
			set.AddRange(parsed)
		}
	}
	p.removeReserved(&set)
	for _, entry := range append([]string{p.Spec.Gateway}, p.Spec.ExcludedAddresses...) {
		if parsed, ok := parseRange(entry); ok {
			set.RemoveRange(parsed)
		}
	}
	built, err := set.IPSet()
	if err != nil {
		return nil // only an invalid range gives an error, and parseRange lets none through
	}
	var ranges []vip.Range
	for _, r := range built.Ranges() {
		ranges = append(ranges, vip.Range{From: r.From(), To: r.To()})
	}
	return ranges
}

// removeReserved removes the network and broadcast address (IPv4) or the anycast address (IPv6) of the lowest
// address's subnet, unless the pool hands them out too.
func (p *Pool) removeReserved(set *netipx.IPSetBuilder) {
	all, err := set.IPSet() // the builder stays usable
	if err != nil || len(all.Ranges()) == 0 || p.Spec.Prefix == 0 || p.Spec.AllocateReservedIPAddresses {
		return
	}
	lowest := all.Ranges()[0].From()
	subnet, err := lowest.Prefix(p.Spec.Prefix)
	if err != nil {
		return // not a prefix length of this address family
	}
	reserved := netipx.RangeOfPrefix(subnet)
	set.Remove(reserved.From())
	if lowest.Is4() {
		set.Remove(reserved.To())
	}
}

// parseRange reads an address, a range from-to or a prefix in CIDR notation, as the in-cluster IPAM provider does.
func parseRange(entry string) (netipx.IPRange, bool) {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		return netipx.RangeOfPrefix(prefix), true
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		return netipx.IPRangeFrom(addr, addr), true
	}
	parsed, err := netipx.ParseIPRange(entry)
	return parsed, err == nil
}
