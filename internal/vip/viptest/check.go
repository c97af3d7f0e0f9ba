package viptest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// checkHolders: no two Clusters ever hold the same address. A Cluster holds what its endpoint says, and what an
// annotation says that a claim of its own backs; what users write into annotations, or what outlives its claim, is not
// held.
func (w *World) checkHolders() {
	holders := map[netip.Addr]string{}
	for _, k := range sorted(w.clusters) {
		c := &w.clusters[k].Cluster
		if c.Deleting && !c.InUse {
			continue
		}
		held := map[netip.Addr]bool{vip.ParseAddr(c.Endpoint.Host): true}
		for role, value := range c.VIPs {
			claim := w.claims[key(c.Namespace, names.ClaimName(c.Name, role))]
			if claim == nil || claim.Owner == nil || claim.Owner.UID != c.UID {
				continue
			}
			if address := w.address[key(claim.Namespace, claim.Name)]; address != nil && vip.SameAddr(address.Value, value) {
				held[vip.ParseAddr(value)] = true
			}
		}
		delete(held, netip.Addr{})
		for addr := range held {
			if other, ok := holders[addr]; ok {
				w.violation("Clusters %s and %s both hold %s", other, k, addr)
			}
			holders[addr] = k
		}
	}
}

// checkClaims: at most one claim for a Cluster and a role.
func (w *World) checkClaims() {
	seen := map[string]string{}
	for _, k := range sorted(w.claims) {
		claim := w.claims[k]
		if claim.Owner == nil {
			continue
		}
		role := string(claim.Owner.UID) + " " + claim.Role
		if other, ok := seen[role]; ok {
			w.violation("claims %s and %s are both for %s", other, k, role)
		}
		seen[role] = k
	}
}

// checkEndpoint: a host that is set is never overwritten, host and port appear together, and the port is the one that the
// Cluster asked for.
func (w *World) checkEndpoint(state *clusterState, before vip.Endpoint) {
	if before.Host != "" && state.Endpoint.Host != before.Host {
		w.violation("the host of %s was %s and became %s", state.Key(), before.Host, state.Endpoint.Host)
	}
	if before.Host == "" && state.port != 0 && state.Endpoint.Port != state.port {
		w.violation("the port of %s was to be %d and became %d", state.Key(), state.port, state.Endpoint.Port)
	}
	if state.Endpoint.Host == "" || state.Endpoint.Port < 1 || state.Endpoint.Port > 65535 {
		w.violation("the endpoint of %s became %s", state.Key(), state.Endpoint)
	}
}

// checkRelease: an address returns to its pool only after Cluster API has finished with the Cluster that carries it.
func (w *World) checkRelease(claim *vip.Claim) {
	cluster, address := w.owner(claim), w.address[key(claim.Namespace, claim.Address)]
	if cluster == nil || address == nil || cluster.Deleting && !cluster.InUse {
		return
	}
	if vip.SameAddr(cluster.VIPs[claim.Role], address.Value) || inVariable(cluster, address.Value) ||
		claim.Role == names.RoleControlPlane && vip.SameAddr(cluster.Endpoint.Host, address.Value) {
		w.violation("claim %s is deleted while Cluster %s carries %s", claim.Name, cluster.Key(), address.Value)
	}
}

// longestRecheck is more than any condition is held back at a time, whatever the clocks say.
const longestRecheck = 10 * time.Second

// checkPlan: no plan breaches tenancy or gives up what is needed, and a Cluster that is none of our business gets nothing
// but its PoolNotFound condition.
func (w *World) checkPlan(s *vip.Snapshot, plan vip.Plan) {
	c := &s.Cluster
	w.Violations = append(w.Violations, Breaches(s, plan)...)
	if recheck := plan.Status.Recheck; recheck < 0 || recheck > longestRecheck {
		w.violation("%s is looked at again only after %s", c.Key(), recheck)
	}
	for _, role := range plan.Status.Roles {
		if !names.IsReason(role.Reason) || role.Message == "" {
			w.violation("%s gets the reason %q with the message %q", c.Key(), role.Reason, role.Message)
		}
	}
	owns := slices.ContainsFunc(s.Claims, func(claim vip.Claim) bool { return claim.Owner != nil && claim.Owner.UID == c.UID })
	if c.Held || owns || w.Served(c) {
		return
	}
	if len(plan.Actions) > 0 {
		w.violation("%s is not served and gets %s", c.Key(), plan)
	}
	for _, condition := range plan.Status.Conditions {
		if !plan.Status.Changed {
			break // it keeps for the moment what it has
		}
		if condition.Reason != names.ReasonPoolNotFound || condition.Type != names.ConditionType(names.RoleControlPlane) {
			w.violation("%s is not served and gets %s %s", c.Key(), condition.Type, condition.Reason)
		}
	}
}

// CheckRest adds what is wrong with a world at rest to the violations: a claim without a Cluster, a finalizer that
// holds nothing, a Cluster in deletion that hangs, a role that waits for a provider that has nothing to do, or a plan
// that is not empty after all.
func (w *World) CheckRest() {
	for _, k := range sorted(w.claims) {
		claim := w.claims[k]
		if w.owner(claim) == nil {
			w.violation("claim %s has no Cluster", k)
		}
		if claim.Owner != nil && claim.Owner.Version != w.version {
			w.violation("claim %s names its owner at %q, and %q is served", k, claim.Owner.Version, w.version)
		}
	}
	for _, k := range sorted(w.address) {
		if _, ok := w.claims[k]; !ok {
			w.violation("address %s has no claim", k)
		}
	}
	for _, k := range w.Clusters() {
		c := w.Cluster(k)
		if plan := vip.Decide(w.Snapshot(k)); !plan.Empty() {
			w.violation("%s is at rest and gets %s", k, plan)
		}
		if c.Deleting && !c.InUse && !c.Paused {
			w.violation("%s hangs in deletion", k)
		}
		for _, condition := range c.Conditions {
			if condition.Reason == names.ReasonWaitingForIPAddress && !c.Paused {
				w.violation("%s waits at rest: %s", k, condition.Message)
			}
		}
	}
	w.checkHolders()
	w.checkClaims()
}
