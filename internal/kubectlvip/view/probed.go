package view

import (
	"net/netip"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Probed returns what the operator has found out about the addresses of a Cluster's claims, as far as the Cluster's
// conditions say so. Only the operator remembers that, and this program probes nothing.
func Probed(s *vip.Snapshot) map[netip.Addr]vip.Probed {
	probed := map[netip.Addr]vip.Probed{}
	for _, condition := range s.Cluster.Conditions {
		if condition.Reason != names.ReasonAddressInUse {
			continue
		}
		for i := range s.Claims {
			claim := &s.Claims[i]
			if names.ConditionType(claim.Role) != condition.Type {
				continue
			}
			for _, pool := range s.Pools {
				if address := addressOf(s, claim); pool.Ref == claim.Pool && address.IsValid() {
					probed[address] = vip.Probed{Ports: pool.Probe}
				}
			}
		}
	}
	return probed
}

// addressOf returns the address that a claim is bound to.
func addressOf(s *vip.Snapshot, claim *vip.Claim) netip.Addr {
	for i := range s.Addresses {
		if s.Addresses[i].Name == claim.Address && s.Addresses[i].Namespace == claim.Namespace {
			return vip.ParseAddr(s.Addresses[i].Value)
		}
	}
	return netip.Addr{}
}
