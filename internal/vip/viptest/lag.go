package viptest

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The kinds of watched objects. Each has a watch of its own.
const (
	WatchClusters = iota
	WatchClaims
	WatchAddresses
	watches
)

// view is what an operator's caches hold of the world: one watch for each kind, each arbitrarily late. The operator
// sees its own writes at once.
type view struct {
	seen
	// before is what was seen before the latest update: a restarting operator may get that from another API server.
	before seen
}

type seen struct {
	clusters map[string]*clusterState
	claims   map[string]*vip.Claim
	address  map[string]*addressState
}

// CatchUp brings one watch up to date. It does nothing while the allocator sees the world as it is.
func (w *World) CatchUp(kind int) {
	if w.view == nil {
		return
	}
	switch v := w.view; kind {
	case WatchClusters:
		v.before.clusters, v.clusters = v.clusters, map[string]*clusterState{}
		for k, c := range w.clusters {
			v.clusters[k] = copyCluster(c)
		}
	case WatchClaims:
		v.before.claims, v.claims = v.claims, map[string]*vip.Claim{}
		for k, c := range w.claims {
			copied := *c
			v.claims[k] = &copied
		}
	case WatchAddresses:
		v.before.address, v.address = v.address, map[string]*addressState{}
		for k, a := range w.address {
			copied := *a
			v.address[k] = &copied
		}
	}
}

// startLate makes a restarting operator begin with an older state of one kind.
func (w *World) startLate() {
	if w.view == nil {
		return
	}
	switch v := w.view; w.serial % watches {
	case WatchClusters:
		v.clusters = orEmpty(v.before.clusters)
	case WatchClaims:
		v.claims = orEmpty(v.before.claims)
	case WatchAddresses:
		v.address = orEmpty(v.before.address)
	}
}

func orEmpty[T any](m map[string]T) map[string]T {
	if m == nil {
		return map[string]T{}
	}
	return m
}

func copyCluster(c *clusterState) *clusterState {
	copied := *c
	copied.VIPs, copied.Conditions = maps.Clone(c.VIPs), slices.Clone(c.Conditions)
	return &copied
}

// overlay shows the allocator the result of its own write to a Cluster.
func (w *World) overlay(k string) {
	if w.view == nil {
		return
	}
	if c, ok := w.clusters[k]; ok {
		w.view.clusters[k] = copyCluster(c)
	}
}

// overlayClaim does the same for a write to a claim.
func (w *World) overlayClaim(k string) {
	if w.view == nil {
		return
	}
	if c, ok := w.claims[k]; ok {
		copied := *c
		w.view.claims[k] = &copied
	}
}

// seen returns what the allocator sees.
func (w *World) seen() (map[string]*clusterState, map[string]*vip.Claim, map[string]*addressState) {
	if w.view == nil {
		return w.clusters, w.claims, w.address
	}
	return w.view.clusters, w.view.claims, w.view.address
}

// checkTruth checks that a written address is that of the claim it is said to come from.
func (w *World) checkTruth(state *clusterState, action vip.Action) {
	var claimName, value string
	var uid types.UID
	switch a := action.(type) {
	case vip.SetEndpoint:
		claimName, uid, value = a.Claim, a.ClaimUID, a.Endpoint.Host
		if a.Completed {
			return
		}
	case vip.SetAnnotation:
		if a.Restored {
			return
		}
		claimName, uid, value = a.Claim, a.ClaimUID, vip.Addrs(a.Role, a.Value)[0].String()
	}
	if claimName == "" {
		return
	}
	claim, ok := w.claims[key(state.Namespace, claimName)]
	if !ok || claim.Owner == nil || claim.Owner.UID != state.UID || claim.UID != uid {
		return // its claim has been deleted since, which a late watch did not show; that heals
	}
	if address, ok := w.address[key(claim.Namespace, claim.Name)]; ok && !vip.SameAddr(address.Value, value) {
		w.violation("wrong address: %s is written to Cluster %s, and its claim %s has %s",
			value, state.Key(), claimName, address.Value)
	}
}

// operatorState is what one of several operators keeps in memory.
type operatorState struct {
	view    *view
	flights map[string]*flight
}

// Operators puts n operators to work, each with watches of its own.
func (w *World) Operators(n int) {
	for range n {
		w.ops = append(w.ops, operatorState{&view{}, map[string]*flight{}})
	}
	for i := range n {
		w.As(i)
		for kind := range watches {
			w.CatchUp(kind)
		}
	}
}

// As selects the operator that acts from now on.
func (w *World) As(i int) { w.view, w.flights = w.ops[i].view, w.ops[i].flights }
