package viptest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Stranger has somebody answer on an address, or nobody any more.
func (w *World) Stranger(address string, there bool) {
	if w.strangers[address] = there; there {
		w.logf("network: somebody answers on %s", address)
		return
	}
	w.logf("network: nobody answers on %s", address)
}

// Again has the allocator take what it knows of addresses in use for old.
func (w *World) Again() {
	for _, known := range w.probed {
		for addr, probed := range known {
			probed.Again = !probed.Free
			known[addr] = probed
		}
	}
}

// probe carries a probe out.
func (w *World) probe(k string, a vip.Probe) {
	if w.probed[k] == nil {
		w.probed[k] = map[netip.Addr]vip.Probed{}
	}
	w.probed[k][a.Address] = vip.Probed{Ports: a.Ports, Free: !w.strangers[a.Address.String()]}
}

// unprobed returns the addresses that a plan would write to a Cluster for the first time although their pool asks for a
// probe, and nobody found them free.
func unprobed(s *vip.Snapshot, plan vip.Plan) []string {
	var found []string
	for _, action := range plan.Actions {
		value, claimName := "", ""
		switch a := action.(type) {
		case vip.SetEndpoint:
			value, claimName = a.Endpoint.Host, a.Claim
		case vip.SetAnnotation:
			value, claimName = a.Value, a.Claim
		}
		i := slices.IndexFunc(s.Claims, func(c vip.Claim) bool { return c.Name == claimName })
		if i < 0 || inUse(s, s.Claims[i].Role, &s.Claims[i]) {
			continue
		}
		asks := slices.ContainsFunc(s.Pools, func(p vip.Pool) bool {
			return p.Ref == s.Claims[i].Pool && (p.Namespace == "" || p.Namespace == s.Cluster.Namespace) && len(p.Probe) > 0
		})
		if asks && !s.Probed[vip.ParseAddr(value)].Free {
			found = append(found, fmt.Sprintf("%s: %s, and nobody found %s free", s.Cluster.Key(), action, value))
		}
	}
	return found
}
