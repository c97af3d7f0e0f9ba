package viptest

import (
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// HostVariable is the variable of the classes of worlds that declare one.
const HostVariable = "vip"

// rendersVIP reports whether the templates of a Cluster carry its VIP.
func (w *World) rendersVIP(state *clusterState) bool {
	if w.Class == nil || w.Class.ReadsVIP {
		return true
	}
	claim, ok := w.claims[key(state.Namespace, names.ClaimName(state.Name, names.RoleControlPlane))]
	if !ok {
		return false
	}
	pool := w.poolOf(claim)
	return pool != nil && w.Class.Variables[pool.HostVariable] != ""
}

// Render lets the topology controller take a step: it looks at a Cluster, or finishes what it made of what it saw. It
// reports whether there was anything to do. One that fails leaves the templates as they were.
func (w *World) Render(k string, fails bool) bool {
	state, ok := w.clusters[k]
	if !ok || state.Deleting || state.Paused {
		return false
	}
	seen := state.rendering
	if seen == nil {
		if state.Topology.Rendered && state.Topology.Observed == state.Generation {
			return false
		}
		copied := state.Cluster
		state.rendering = &copied
		return true
	}
	state.rendering = nil
	if fails {
		state.Topology = vip.Topology{Observed: seen.Generation, Reason: "ReconcileFailed"}
		return true
	}
	state.templates = []string{seen.VIPs[names.RoleControlPlane], strings.Trim(string(seen.Variables[HostVariable]), `"`)}
	state.Topology = vip.Topology{Observed: seen.Generation, Rendered: true, Reason: "ReconcileSucceeded"}
	return true
}
