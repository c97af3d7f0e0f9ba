package viptest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Stranger makes someone answer on an address, or stops it.
func (w *World) Stranger(address string, there bool) {
	if w.strangers[address] = there; there {
		w.logf("network: someone answers on %s", address)
		return
	}
	w.logf("network: nobody answers on %s", address)
}

// Again makes the allocator consider its knowledge of addresses in use outdated.
func (w *World) Again() {
	for _, known := range w.probed {
		for addr, probed := range known {
			probed.Again = !probed.Free
			known[addr] = probed
		}
	}
}

// probe carries out a probe.
func (w *World) probe(k string, a vip.Probe) {
	if w.probed[k] == nil {
		w.probed[k] = map[netip.Addr]vip.Probed{}
	}
	w.probed[k][a.Address] = vip.Probed{Ports: a.Ports, Free: !w.strangers[a.Address.String()]}
}

// unprobed returns the addresses that a plan would write to a Cluster for the first time although their pool asks for
// a probe and no probe found them free.
func unprobed(s *vip.Snapshot, plan vip.Plan) []string {
	var found []string
	check := func(role string, addr netip.Addr) {
		i := slices.IndexFunc(s.Claims, func(c vip.Claim) bool {
			return c.Role == role && vip.ParseAddr(addressOf(s, &c)) == addr && c.Owner != nil &&
				c.Owner.UID == s.Cluster.UID
		})
		if i < 0 || inUse(s, role, &s.Claims[i]) {
			return
		}
		asks := slices.ContainsFunc(s.Pools, func(p vip.Pool) bool {
			return p.Ref == s.Claims[i].Pool && (p.Namespace == "" || p.Namespace == s.Cluster.Namespace) &&
				len(p.Probe) > 0
		})
		if asks && !s.Probed[addr].Free {
			found = append(found,
				fmt.Sprintf("%s: %s is written for role %s, and nobody found it free", s.Cluster.Key(), addr, role))
		}
	}
	for _, action := range plan.Actions {
		switch a := action.(type) {
		case vip.SetEndpoint:
			check(names.RoleControlPlane, vip.ParseAddr(a.Endpoint.Host))
		case vip.SetAnnotation:
			for _, addr := range vip.Addrs(a.Role, a.Value) {
				check(a.Role, addr)
			}
		}
	}
	return found
}
