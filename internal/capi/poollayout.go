package capi

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Layout is what the spec of a pool says. The ranges of each field are in order and do not overlap.
//
// +kubebuilder:object:generate=false
type Layout struct {
	// Space is every address that the pool names, and Offers the part that the provider hands out; see Pool.Ranges.
	Space, Offers []vip.Range
	// Excluded is the part of the space that the pool excludes by name. Reserved is what the provider keeps back
	// besides that and the gateway: the addresses of the network itself.
	Excluded, Reserved []vip.Range
	// Gateway is the subnet's gateway, in the space or not; the zero Addr if the pool names none.
	Gateway netip.Addr
}

// Layout returns which addresses the pool names, and which of them it keeps back.
func (p *Pool) Layout() Layout {
	layout := Layout{Offers: p.Ranges(), Gateway: vip.ParseAddr(p.Spec.Gateway)}
	space := setOf(func(b *netipx.IPSetBuilder) { addEntries(b, p.Spec.Addresses) })
	excluded := setOf(func(b *netipx.IPSetBuilder) {
		addEntries(b, p.Spec.ExcludedAddresses)
		b.Intersect(space)
	})
	reserved := setOf(func(b *netipx.IPSetBuilder) {
		b.AddSet(space)
		b.RemoveSet(excluded)
		for _, offer := range layout.Offers {
			b.RemoveRange(netipx.IPRangeFrom(offer.From, offer.To))
		}
		if layout.Gateway.IsValid() {
			b.Remove(layout.Gateway)
		}
	})
	layout.Space, layout.Excluded, layout.Reserved = rangesOf(space), rangesOf(excluded), rangesOf(reserved)
	return layout
}

// addEntries adds the entries of a pool's spec that can be parsed.
func addEntries(b *netipx.IPSetBuilder, entries []string) {
	for _, entry := range entries {
		if parsed, ok := parseRange(entry); ok {
			b.AddRange(parsed)
		}
	}
}

func setOf(build func(*netipx.IPSetBuilder)) *netipx.IPSet {
	var b netipx.IPSetBuilder
	build(&b)
	set, err := b.IPSet()
	if err != nil {
		return &netipx.IPSet{} // only an invalid range gives an error, and parseRange lets none through
	}
	return set
}

func rangesOf(set *netipx.IPSet) []vip.Range {
	var ranges []vip.Range
	for _, r := range set.Ranges() {
		ranges = append(ranges, vip.Range{From: r.From(), To: r.To()})
	}
	return ranges
}
