package viptest

import (
	"maps"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// view is what the allocator's caches have of the world: one watch for each kind, each as late as it likes. Its own writes it sees
// at once, as the overlay has it.
type view struct {
	clusters map[string]*clusterState
	claims   map[string]*vip.Claim
	address  map[string]*addressState
}

// Lag has every kind seen by a watch of its own from now on.
func (w *World) Lag() {
	w.view = &view{}
	for kind := range 3 {
		w.CatchUp(kind)
	}
}

// Unlag ends it.
func (w *World) Unlag() { w.view = nil }

// CatchUp brings one watch up to date: 0 is that of Clusters, 1 of claims, 2 of addresses.
func (w *World) CatchUp(kind int) {
	if w.view == nil {
		return
	}
	switch kind {
	case 0:
		w.view.clusters = map[string]*clusterState{}
		for k, c := range w.clusters {
			w.view.clusters[k] = copyCluster(c)
		}
	case 1:
		w.view.claims = map[string]*vip.Claim{}
		for k, c := range w.claims {
			copied := *c
			w.view.claims[k] = &copied
		}
	case 2:
		w.view.address = map[string]*addressState{}
		for k, a := range w.address {
			copied := *a
			w.view.address[k] = &copied
		}
	}
}

func copyCluster(c *clusterState) *clusterState {
	copied := *c
	copied.VIPs, copied.Conditions = maps.Clone(c.VIPs), slices.Clone(c.Conditions)
	return &copied
}

// overlay shows the allocator the answer to its own write.
func (w *World) overlay(k string) {
	if w.view == nil {
		return
	}
	if c, ok := w.clusters[k]; ok {
		w.view.clusters[k] = copyCluster(c)
	}
}

func (w *World) overlayClaim(k string) {
	if w.view == nil {
		return
	}
	if c, ok := w.claims[k]; ok {
		copied := *c
		w.view.claims[k] = &copied
	}
}

func (w *World) seen() (map[string]*clusterState, map[string]*vip.Claim, map[string]*addressState) {
	if w.view == nil {
		return w.clusters, w.claims, w.address
	}
	return w.view.clusters, w.view.claims, w.view.address
}

// checkTruth: an address that is written is that of the claim it is said to come from.
func (w *World) checkTruth(state *clusterState, action vip.Action) {
	var claimName, value string
	switch a := action.(type) {
	case vip.SetEndpoint:
		claimName, value = a.Claim, a.Endpoint.Host
		if a.Completed {
			return
		}
	case vip.SetAnnotation:
		claimName, value = a.Claim, a.Value
		if a.Restored {
			return
		}
	}
	if claimName == "" {
		return
	}
	claim, ok := w.claims[key(state.Namespace, claimName)]
	if !ok || claim.Owner == nil || claim.Owner.UID != state.UID {
		return
	}
	if address, ok := w.address[key(claim.Namespace, claim.Name)]; ok && !vip.SameAddr(address.Value, value) {
		w.violation("wrong address: %s is written to Cluster %s, and its claim %s has %s", value, state.Key(), claimName, address.Value)
	}
}

// operatorState is what one of several operators has in its head.
type operatorState struct {
	view    *view
	flights map[string]*flight
}

// Operators has several of them at work, each with watches of its own.
func (w *World) Operators(n int) {
	for range n {
		w.ops = append(w.ops, operatorState{&view{}, map[string]*flight{}})
	}
	for i := range n {
		w.As(i)
		for kind := range 3 {
			w.CatchUp(kind)
		}
	}
}

// As says which one acts from now on.
func (w *World) As(i int) { w.view, w.flights = w.ops[i].view, w.ops[i].flights }
