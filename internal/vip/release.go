package vip

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// release decides for a Cluster that is being deleted. Its addresses go back once Cluster API has removed its own
// finalizer: until then machines may still answer on them.
func release(s *Snapshot) Plan {
	a := newAllocation(s)
	if !a.cluster.HasFinalizer {
		return a.releaseUnwritten()
	}
	owned := a.claimsWhere(func(claim *Claim) bool { return a.owns(claim) && a.named(claim) || a.orphaned(claim) })
	var plan Plan
	waits := a.cluster.InUse
	if !a.cluster.InUse {
		plan.Actions = a.withdraw()
		for _, claim := range owned {
			if !claim.Deleting {
				plan.Actions = append(plan.Actions, DeleteClaim{
					Role: claim.Role, Claim: claim, Why: "Cluster API has finished with the Cluster",
				})
				waits = true
			} else if !a.kept(&claim) {
				waits = true
			}
		}
	}
	if !waits {
		plan.Actions = append(plan.Actions, RemoveFinalizer{
			Released: a.carriedVIPs(), Why: "the claims of the Cluster are released",
		})
		if a.cluster.Lingers {
			plan.Status = a.released()
		}
	} else {
		plan.Status = a.releasing(owned)
	}
	a.refusedRelease(&plan)
	return plan
}

// refusedRelease removes what the API server has just refused, and all actions after it.
func (a *allocation) refusedRelease(plan *Plan) {
	for i, action := range plan.Actions {
		if said, ok := a.Refused[action.Key()]; ok {
			plan.Actions = plan.Actions[:i]
			plan.Warnings = append(plan.Warnings, Warning{Reason: names.EventWriteRefused, Message: said})
			plan.Status.Waiting = true
			return
		}
	}
}

// released says in the conditions that the VIPs are back in their pools, for a Cluster whose deletion something else
// holds up.
func (a *allocation) released() Status {
	var status Status
	for _, role := range slices.SortedFunc(maps.Keys(a.cluster.VIPs), compareRoles) {
		if a.cluster.condition(names.ConditionType(role)) != nil {
			status.Roles = append(status.Roles, RoleStatus{
				Role: role, Reason: names.ReasonReleased,
				Message: "the VIP is back in its pool; what still holds the Cluster are finalizers of others",
			})
		}
	}
	return status.withConditions(a.cluster, nil, a.Now)
}

// releaseUnwritten decides for a Cluster that no VIP was written to. The garbage collector deletes its claims along
// with it, except for those that it was told to orphan; nobody can answer on their addresses.
func (a *allocation) releaseUnwritten() Plan {
	var plan Plan
	for _, claim := range a.claimsWhere(func(claim *Claim) bool {
		unwritten := a.carried(claim.Role) == "" && a.cluster.Written[a.slotOf(claim)] == ""
		return unwritten && !claim.Deleting && a.orphaned(claim)
	}) {
		plan.Actions = append(plan.Actions, DeleteClaim{
			Role: claim.Role, Claim: claim, Why: "the Cluster goes without it, and its address was never written",
		})
	}
	for _, claim := range a.claimsWhere(func(claim *Claim) bool { return a.named(claim) && a.misnames(claim) }) {
		plan.Actions = append(plan.Actions, RenewOwner{Role: claim.Role, Claim: claim, Version: a.ClusterVersion})
	}
	a.refusedRelease(&plan)
	return plan
}

// claimsWhere returns the claims that satisfy a predicate, sorted by name.
func (a *allocation) claimsWhere(is func(*Claim) bool) []Claim {
	claims := slices.DeleteFunc(slices.Clone(a.Claims), func(claim Claim) bool { return !is(&claim) })
	slices.SortFunc(claims, func(x, y Claim) int { return cmp.Compare(x.Name, y.Name) })
	return claims
}

// named reports whether a claim has a name that the allocator gives to claims of the Cluster. Other claims that the
// Cluster owns, because someone wants them to go with it, are left to the garbage collector once the Cluster is gone.
// The role label may have been changed by hand.
func (a *allocation) named(claim *Claim) bool {
	roles := []string{claim.Role, names.RoleControlPlane, names.RoleIngress}
	for role := range a.cluster.VIPs {
		roles = append(roles, role)
	}
	for i := range a.Pools {
		roles = append(roles, a.Pools[i].Roles...)
	}
	return slices.ContainsFunc(roles, func(role string) bool {
		_, _, ok := names.SlotOfClaim(claim.Name, a.cluster.Name, role)
		return ok
	})
}

// orphaned reports whether a claim without an owner goes with the Cluster all the same: one that the Cluster would
// adopt if it lived. When a Cluster is deleted without its dependents (kubectl delete --cascade=orphan), the garbage
// collector leaves such claims behind, and nobody else would ever give their addresses back.
func (a *allocation) orphaned(claim *Claim) bool {
	if claim.Owner != nil || a.slotOf(claim) == "" {
		return false
	}
	bound := a.boundTo(claim)
	// A provider may delete the address before it lets go of the claim.
	released := claim.Deleting && !bound.IsValid() && len(Addrs(claim.Role, a.carried(claim.Role))) > 0
	if released || a.carries(claim.Role, bound) {
		return true
	}
	pool := a.poolOf(claim)
	return pool != nil && pool.servesRole(a.subject, claim.Role)
}

// kept reports whether the pool of a claim in deletion keeps the claim for its reuse grace period. The provider then
// needs no Cluster to finish, so the Cluster need not wait for it.
func (a *allocation) kept(claim *Claim) bool {
	pool := a.poolOf(claim)
	return pool != nil && pool.KeepsReleased
}

// carriedVIPs returns the addresses that the Cluster carries, sorted. It skips anything else in the annotations.
func (a *allocation) carriedVIPs() []string {
	var vips []string
	for role, value := range a.cluster.VIPs {
		for _, addr := range Addrs(role, value) {
			vips = append(vips, fmt.Sprintf("%s (%s)", addr, role))
		}
	}
	slices.Sort(vips)
	return vips
}

// releasingMessage is the message of a condition until the VIP is back in its pool. slowRelease is how long a provider
// may take to let a claim go before the condition mentions it: longer than the claims of a hundred Clusters deleted at
// once take, since every mention is a write.
const (
	releasingMessage = "the VIP returns to its pool when Cluster API has finished deleting the Cluster"
	slowRelease      = 30 * time.Second
)

// releasing says in the conditions that the VIP goes back soon, for all roles with a claim, or with a VIP on the
// Cluster whose claim went early.
func (a *allocation) releasing(owned []Claim) Status {
	var status Status
	add := func(role, claim, message string) {
		if names.ValidateRole(role) != nil ||
			slices.ContainsFunc(status.Roles, func(r RoleStatus) bool { return r.Role == role }) {
			return
		}
		status.Roles = append(status.Roles, RoleStatus{
			Role: role, Reason: names.ReasonReleasing, Claim: claim, Address: a.carried(role),
			Message: message,
		})
	}
	for _, claim := range owned {
		message := releasingMessage
		if a.cluster.Pause == PauseOwn && a.cluster.ControlPlane != "" && a.cluster.InUse &&
			claim.Role == names.RoleControlPlane {
			// The topology controller renders nothing for a Cluster in deletion, so the hold cannot be removed through
			// it.
			message = fmt.Sprintf("%s; it was deleted while its control plane was held: "+
				"if it stays, run kubectl -n %s annotate %s %s-",
				releasingMessage, a.cluster.Namespace, a.cluster.ControlPlane, names.Paused)
		}
		if claim.Deleting && !a.cluster.InUse && a.Now.Sub(a.believed(claim.DeletedAt)) >= slowRelease {
			message = fmt.Sprintf("claim %s is being deleted, and the IPAM provider of %s has not let go of it; "+
				"see whether it runs, and whether the Cluster or the pool is paused",
				claim.Name, claim.Pool)
		}
		add(claim.Role, claim.Name, message)
	}
	for role := range a.cluster.VIPs {
		if a.cluster.condition(names.ConditionType(role)) != nil {
			add(role, "", releasingMessage)
		}
	}
	slices.SortFunc(status.Roles, func(x, y RoleStatus) int { return compareRoles(x.Role, y.Role) })
	status.Waiting = true
	return status.withConditions(a.cluster, nil, a.Now)
}
