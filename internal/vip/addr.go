package vip

import (
	"net/netip"
	"slices"
	"strings"

	netutils "k8s.io/utils/net"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// ParseAddr returns the canonical form of an IP address, or the zero Addr if s is not one. It rejects an address with
// a zone: such an address means something on one host only, and the zone may hold any characters. It accepts the
// spellings that clients accept in a host: brackets around IPv6, and leading zeros, which it reads as decimal, as
// Kubernetes does.
func ParseAddr(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		addr, _ = netip.AddrFromSlice(netutils.ParseIPSloppy(s))
	}
	if addr.Zone() != "" {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// Addrs returns the addresses in the annotation of a role, in order. Any role but the control plane may have several,
// separated by commas. Invalid addresses are skipped, and entries beyond the most that a role may have are ignored.
func Addrs(role, value string) []netip.Addr {
	if role == names.RoleControlPlane || !strings.Contains(value, ",") {
		if addr := ParseAddr(value); addr.IsValid() {
			return []netip.Addr{addr}
		}
		return nil
	}
	var addrs []netip.Addr
	texts := strings.SplitN(value, ",", names.MostAddresses+1)
	for _, text := range texts[:min(len(texts), names.MostAddresses)] {
		if addr := ParseAddr(text); addr.IsValid() {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// SameAddr reports whether two strings are the same IP address.
func SameAddr(a, b string) bool {
	addr := ParseAddr(a)
	return addr.IsValid() && addr == ParseAddr(b)
}

// Range is a range of addresses, both ends included.
type Range struct{ From, To netip.Addr }

// Contain reports whether an address is in one of the ranges, which must be in order and disjoint: there may be
// thousands, so it does a binary search.
func Contain(ranges []Range, addr netip.Addr) bool {
	i, _ := slices.BinarySearchFunc(ranges, addr, func(r Range, addr netip.Addr) int { return r.To.Compare(addr) })
	return i < len(ranges) && ranges[i].From.Compare(addr) <= 0
}
