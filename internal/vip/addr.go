package vip

import (
	"net/netip"
	"strings"

	netutils "k8s.io/utils/net"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// ParseAddr returns the canonical form of an IP address, or the zero Addr if s is none. One with a zone is none: it
// means something on one host only, and a zone may hold any characters. It knows the spellings that clients accept in a
// host: brackets around IPv6, and leading zeros, which count as decimal, as they do for Kubernetes.
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

// Addrs returns the addresses in the annotation of a role, in order: several for any role but the control plane, with
// commas between them. What is no address is left out, and of more than a role may have the first are read.
func Addrs(role, value string) []netip.Addr {
	if role == names.RoleControlPlane || !strings.Contains(value, ",") {
		if addr := ParseAddr(value); addr.IsValid() {
			return []netip.Addr{addr}
		}
		return nil
	}
	var addrs []netip.Addr
	for _, text := range strings.SplitN(value, ",", names.MostAddresses+1) {
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
