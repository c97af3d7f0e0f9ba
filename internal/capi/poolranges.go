package capi

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Ranges returns what the pool may hand out: its addresses without the excluded ones and the gateway. Entries that cannot
// be understood are left out; the provider's webhook refuses them.
func (p *Pool) Ranges() []vip.Range {
	var set netipx.IPSetBuilder
	for _, entry := range p.Spec.Addresses {
		if parsed, ok := parseRange(entry); ok {
			set.AddRange(parsed)
		}
	}
	for _, entry := range append([]string{p.Spec.Gateway}, p.Spec.ExcludedAddresses...) {
		if parsed, ok := parseRange(entry); ok {
			set.RemoveRange(parsed)
		}
	}
	built, err := set.IPSet()
	if err != nil {
		return nil // only a range that is not valid gives an error, and parseRange lets none through
	}
	var ranges []vip.Range
	for _, r := range built.Ranges() {
		ranges = append(ranges, vip.Range{From: r.From(), To: r.To()})
	}
	return ranges
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
