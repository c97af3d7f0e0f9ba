package viptest

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// checkHolders checks that no two Clusters ever hold the same address. A Cluster holds what its endpoint says, and
// what an annotation says and one of its own claims backs. Values that users write into annotations, or that outlive
// their claim, do not count.
func (w *World) checkHolders() {
	holders := map[netip.Addr]string{}
	for _, k := range sorted(w.clusters) {
		c := &w.clusters[k].Cluster
		if c.Deleting && !c.InUse {
			continue
		}
		held := map[netip.Addr]bool{vip.ParseAddr(c.Endpoint.Host): true}
		for _, claim := range w.claims {
			if claim.Owner == nil || claim.Owner.UID != c.UID {
				continue
			}
			address := w.address[key(claim.Namespace, claim.Name)]
			if address != nil &&
				slices.Contains(vip.Addrs(claim.Role, c.VIPs[claim.Role]), vip.ParseAddr(address.Value)) {
				held[vip.ParseAddr(address.Value)] = true
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

// checkClaims checks that each claim of a Cluster is for one address of a role, and no two for the same.
func (w *World) checkClaims() {
	seen := map[string]string{}
	for _, k := range sorted(w.claims) {
		claim := w.claims[k]
		cluster := w.owner(claim)
		if cluster == nil {
			continue
		}
		slot, ok := slotOf(cluster, claim.Role, claim)
		if !ok {
			w.violation("claim %s is for no address of role %s of %s", k, claim.Role, cluster.Key())
		}
		slot = string(cluster.UID) + " " + slot
		if other, ok := seen[slot]; ok {
			w.violation("claims %s and %s are both for %s", other, k, slot)
		}
		seen[slot] = k
	}
}

// checkAnnotations checks, at rest, the annotation of each role that is reported to have its addresses: it must
// contain the addresses of all the role's claims, in the order of their numbers, each once.
func (w *World) checkAnnotations(c *vip.Cluster) {
	for role, value := range c.VIPs {
		i := slices.IndexFunc(c.Conditions, func(x vip.Condition) bool { return x.Type == names.ConditionType(role) })
		if i < 0 || c.Conditions[i].Reason != names.ReasonIPAddressAssigned || role == names.RoleControlPlane ||
			c.Paused || c.Deleting {
			continue
		}
		var want []string
		for number := range names.MostAddresses {
			claim := w.claims[key(c.Namespace, names.ClaimName(c.Name, names.Slot(role, number+1)))]
			if claim != nil && claim.Owner != nil && claim.Owner.UID == c.UID {
				want = append(want, w.address[key(claim.Namespace, claim.Name)].Value)
				if c.Written[names.Slot(role, number+1)] != claim.UID {
					w.violation("%s has no record of claim %s", c.Key(), claim.Name)
				}
			}
		}
		if text := strings.Join(want, ","); text != value ||
			len(slices.Compact(slices.Sorted(slices.Values(want)))) != len(want) {
			w.violation("%s has %s=%s, and its claims hold %s", c.Key(), role, value, text)
		}
	}
}

// checkEndpoint checks that a write of the endpoint sets it once, to the port that the Cluster asked for.
func (w *World) checkEndpoint(state *clusterState, before vip.Endpoint) {
	if breach := EndpointBreach(before, state.Endpoint); breach != "" {
		w.violation("%s: %s", state.Key(), breach)
	}
	if before.Host == "" && state.port != 0 && state.Endpoint.Port != state.port {
		w.violation("the port of %s was to be %d and became %d", state.Key(), state.port, state.Endpoint.Port)
	}
	if state.Endpoint.Host == "" {
		w.violation("the endpoint of %s became %s", state.Key(), state.Endpoint)
	}
}

// checkRelease checks that an address returns to its pool only after Cluster API has finished with the Cluster that
// carries it.
func (w *World) checkRelease(claim *vip.Claim) {
	cluster, address := w.owner(claim), w.address[key(claim.Namespace, claim.Address)]
	if cluster == nil || address == nil || cluster.Deleting && !cluster.InUse {
		return
	}
	if slices.Contains(vip.Addrs(claim.Role, cluster.VIPs[claim.Role]), vip.ParseAddr(address.Value)) ||
		inVariable(cluster, address.Value) ||
		claim.Role == names.RoleControlPlane && vip.SameAddr(cluster.Endpoint.Host, address.Value) {
		w.violation("claim %s is deleted while Cluster %s carries %s", claim.Name, cluster.Key(), address.Value)
	}
}

// longestRecheck is longer than any condition is withheld at a time, whatever the clocks say.
const longestRecheck = 10 * time.Second

// checkPlan checks that no plan breaches tenancy or gives up what is needed, and that a Cluster that no pool serves
// gets nothing but its PoolNotFound condition.
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
	owns := slices.ContainsFunc(s.Claims, func(claim vip.Claim) bool {
		return claim.Owner != nil && claim.Owner.UID == c.UID
	})
	if c.HasFinalizer || owns || w.Served(c) {
		return
	}
	if len(plan.Actions) > 0 {
		w.violation("%s is not served and gets %s", c.Key(), plan)
	}
	for _, condition := range plan.Status.Conditions {
		if !plan.Status.Changed {
			break // for now it keeps what it has
		}
		if condition.Reason != names.ReasonPoolNotFound ||
			condition.Type != names.ConditionType(names.RoleControlPlane) {
			w.violation("%s is not served and gets %s %s", c.Key(), condition.Type, condition.Reason)
		}
	}
}

// CheckRest adds to the violations what is wrong with a world at rest: a claim without a Cluster, a finalizer that
// holds nothing, a Cluster that hangs in deletion, a role that waits for a provider with nothing to do, or a plan that
// is not empty after all.
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
		w.checkAnnotations(c)
		for _, condition := range c.Conditions {
			if condition.Reason == names.ReasonWaitingForIPAddress && !c.Paused {
				w.violation("%s waits at rest: %s", k, condition.Message)
			}
		}
	}
	w.checkHolders()
	w.checkClaims()
}
