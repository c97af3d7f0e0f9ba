package viptest

import (
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// HostVariable is the variable of the worlds' classes that declare one.
const HostVariable = "vip"

// rendered is what the topology controller made of a Cluster, and what became of it.
type rendered struct {
	// rendering is the Cluster as the topology controller saw it when it began; half says that it has written the
	// infrastructure but not yet the control plane.
	rendering *vip.Cluster
	half      bool

	// infrastructure and controlPlane are the VIPs in these objects; paused says that the control plane object is
	// paused, and built that a machine was built from it.
	infrastructure, controlPlane []string
	paused, built                bool
}

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

// Render lets the topology controller take a step: it looks at a Cluster, writes the infrastructure, or writes the
// control plane. It reports whether there was anything to do. A failing step leaves the control plane as it was.
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
		state.rendering, state.half = &copied, false
		return true
	}
	vips := []string{seen.VIPs[names.RoleControlPlane], strings.Trim(string(seen.Variables[HostVariable]), `"`)}
	if !state.half {
		state.infrastructure, state.half = vips, true
		return true
	}
	state.rendering = nil
	if fails {
		state.Topology = vip.Topology{Observed: seen.Generation, Reason: "ReconcileFailed"}
		return true
	}
	state.controlPlane, state.paused, state.ControlPlane = vips, seen.Pause != vip.PauseNone, "controlplane/"+state.Name
	state.Topology = vip.Topology{Observed: seen.Generation, Rendered: true, Reason: "ReconcileSucceeded"}
	return true
}

// Build lets the providers take a step, as fast as they ever do: Cluster API copies the endpoint that the
// infrastructure brings, and the control plane provider builds its first machine as soon as the endpoint is valid. If
// the class brings the VIP to machines, no machine may be built without the Cluster's endpoint. It reports whether it
// did anything.
func (w *World) Build(k string) bool {
	state, ok := w.clusters[k]
	if !ok || state.Deleting || state.Paused {
		return false
	}
	if addr := firstAddr(state.infrastructure); state.Endpoint.Host == "" && addr != "" && w.rendersVIP(state) {
		state.Endpoint = vip.Endpoint{Host: addr, Port: max(state.Gate.Port, DefaultPort)}
		if state.port != 0 {
			state.Endpoint.Port = state.port
		}
		state.Generation++
		w.logf("capi: copies the endpoint %s of the infrastructure to Cluster %s", addr, k)
		return true
	}
	if state.built || state.paused || state.ControlPlane == "" || state.Endpoint.Host == "" {
		return false
	}
	state.built = true
	w.logf("provider: builds a machine of Cluster %s", k)
	if w.rendersVIP(state) && !state.manual && !slices.Contains(state.controlPlane, state.Endpoint.Host) {
		w.violation("a machine of %s is built with the VIPs %q, and its endpoint is %s",
			k, state.controlPlane, state.Endpoint)
	}
	return true
}

// firstAddr returns the first text that is an address, or "".
func firstAddr(texts []string) string {
	for _, text := range texts {
		if vip.ParseAddr(text).IsValid() {
			return text
		}
	}
	return ""
}
