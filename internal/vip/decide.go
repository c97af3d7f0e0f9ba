package vip

import (
	"fmt"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Decide returns what to do for the Cluster of a snapshot.
func Decide(s Snapshot) Plan {
	c := &s.Cluster
	switch {
	case c.Paused, c.Moving:
		return Plan{}
	case s.Settings.WatchFilter != "" && s.Settings.WatchFilter != c.WatchFilter:
		return Plan{}
	case c.Deleting:
		return release(&s)
	case c.Class.Name == "" && !c.HasFinalizer:
		return Plan{Warnings: warnings(&s)} // we only serve Clusters with a topology
	}
	plan := allocate(&s)
	plan.Warnings = append(plan.Warnings, warnings(&s)...)
	return plan
}

// allocation is the decision for a Cluster that is not being deleted.
type allocation struct {
	*Snapshot
	cluster *Cluster
	subject *subject
}

func newAllocation(s *Snapshot) *allocation {
	return &allocation{Snapshot: s, cluster: &s.Cluster, subject: &subject{Cluster: &s.Cluster}}
}

// outcome is the decision for one role, or for one of its addresses.
type outcome struct {
	RoleStatus

	// parts are the states of the addresses of a role that has several; nil for any other role.
	parts []RoleStatus

	// claim holds the actions on the claim, and value those that write the VIP to the Cluster.
	claim, value []Action

	// holds says that the Cluster holds or awaits a VIP in this role.
	holds bool

	// trouble says that the role's condition needs someone to act.
	trouble bool

	// silent says that the role has no condition.
	silent bool

	// postponed says that something else must be written before the VIP; until then its condition does not say that
	// the VIP is there.
	postponed bool

	// nameTaken says that the VIP has no DNS name because an older Cluster holds it.
	nameTaken bool

	// warnings are what someone should look into.
	warnings []Warning

	// withheld is how much longer to withhold the condition, because the wait is still within the usual time; see
	// settle.
	withheld time.Duration
}

func (o *outcome) warn(reason, format string, args ...any) {
	o.warnings = append(o.warnings, Warning{Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func allocate(s *Snapshot) Plan {
	a := newAllocation(s)
	roles := a.roles()
	slots := make([]outcome, 0, len(roles))
	var tooMany []Warning
	for _, role := range roles {
		slots = a.decide(slots, role, &tooMany)
	}
	a.controlPlaneFirst(slots)
	a.together(slots)
	for i := range slots {
		a.dropHold(&slots[i])
		a.refused(&slots[i])
		a.renew(&slots[i])
		a.keepPort(&slots[i])
	}
	outcomes := a.combine(slots)
	if !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.holds }) {
		outcomes = a.onlyMissingEndpoint(outcomes)
	}
	plan := a.plan(outcomes)
	plan.Warnings = append(plan.Warnings, tooMany[:min(len(tooMany), 1)]...)
	return plan
}

// onlyMissingEndpoint reduces the outcomes of a Cluster that no pool serves in any role to the one thing worth saying:
// that its endpoint stays empty. Everything else about such a Cluster is left alone.
func (a *allocation) onlyMissingEndpoint(outcomes []outcome) []outcome {
	return slices.DeleteFunc(outcomes, func(o outcome) bool {
		return o.Role != names.RoleControlPlane || o.silent || a.cluster.Class.Name == ""
	})
}

// roles returns the roles to decide about, the control plane first: the two standard ones, those of pools that match
// the Cluster, and those it has claims for, including claims that lost their owner in a restore.
func (a *allocation) roles() []string {
	roles := []string{names.RoleControlPlane, names.RoleIngress}
	add := func(role string) {
		if names.ValidateRole(role) == nil && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	for i := range a.Pools {
		for _, role := range a.Pools[i].Roles {
			if a.Pools[i].servesRole(a.subject, role) {
				add(role)
			}
		}
	}
	for i := range a.Claims {
		claim := &a.Claims[i]
		// A claim whose label someone changed by hand does not move to another role: its name says which role it is
		// for.
		if (a.owns(claim) || a.lost(claim, claim.Role)) && a.slotOf(claim) != "" {
			add(claim.Role)
		}
	}
	slices.SortFunc(roles, compareRoles)
	return roles
}

// decide decides on each address of a role and appends the outcomes to those of other roles.
func (a *allocation) decide(outcomes []outcome, role string, tooMany *[]Warning) []outcome {
	r := sight{allocation: a, role: role, choice: choose(a.subject, a.Pools, role)}
	slots := a.bounded(r.slots(), len(outcomes), tooMany)
	r.several = len(slots) > 1
	for _, slot := range slots {
		outcomes = append(outcomes, r.at(slot).decide())
	}
	return outcomes
}

// decide finds the phase of one address of a role, and does what that phase asks for.
func (r *sight) decide() outcome {
	role := r.role
	o := outcome{RoleStatus: RoleStatus{Role: role, Slot: r.slot, Phase: r.phase()}}
	o.holds = r.choice.Pool != nil || r.cluster.HasFinalizer && r.carried(role) != ""
	if r.claim != nil {
		o.Claim, o.Pool = r.claim.Name, r.claim.Pool
		o.holds = o.holds || r.mine
	}
	if r.adopt != "" && o.Phase != PhaseProvided && o.Phase != PhaseBorrowed {
		o.claim = append(o.claim, AdoptClaim{Role: role, Claim: *r.claim, Why: r.adopt})
	}
	do[o.Phase](r, &o)
	return o
}
