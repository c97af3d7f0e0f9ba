package vip

import (
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// plan combines the outcomes of all roles, so that what is known together is written together.
func (a *allocation) plan(outcomes []outcome) Plan {
	var plan Plan
	// The control plane's claim comes last. A provider that answers in order then answers it last, and everything is
	// there for the one write that matters most.
	for _, o := range slices.Backward(outcomes) {
		plan.Actions = append(plan.Actions, o.claim...)
	}
	records := a.dns(outcomes)
	postpone(outcomes)
	writable := !a.classMissing()
	var values []Action
	for _, o := range outcomes {
		plan.Warnings = append(plan.Warnings, o.warnings...)
		if writable {
			values = append(values, o.value...)
		}
	}
	values = append(values, records...)
	plan.Status = a.status(outcomes)
	switch holds := slices.ContainsFunc(outcomes, func(o outcome) bool { return o.holds }); {
	case !writable:
	case holds && !a.cluster.HasFinalizer && a.Refused[AddFinalizer{}.Key()] != "":
		values = nil // the DNS records too; see refused
		plan.Warnings = append(plan.Warnings, Warning{
			Reason: names.EventWriteRefused, Message: a.Refused[AddFinalizer{}.Key()],
		})
	case holds && !a.cluster.HasFinalizer && (len(values) > 0 || plan.Status.Changed || a.carriesAny(outcomes)):
		plan.Actions = append(plan.Actions, AddFinalizer{})
	case !holds && a.cluster.HasFinalizer:
		values = append(values, RemoveFinalizer{Why: "the Cluster neither holds nor awaits a VIP"})
	}
	plan.Actions = append(plan.Actions, values...)
	return plan
}

// postpone removes from the outcomes what must not be written now. Variables come first and by themselves, one role at
// a time. New annotations wait for an endpoint that is about to come, and go with it in one write; restored ones do
// not wait.
func postpone(outcomes []outcome) {
	variables := slices.IndexFunc(outcomes, func(o outcome) bool { return contains[SetVariables](o.value) })
	endpointSoon := slices.ContainsFunc(outcomes, func(o outcome) bool {
		return o.Role == names.RoleControlPlane && o.Claim != "" && o.withheld > 0 && !o.Ready &&
			!contains[HoldControlPlane](o.value) && !contains[SetEndpoint](o.value)
	})
	for i := range outcomes {
		o := &outcomes[i]
		isNew := slices.ContainsFunc(o.value, func(action Action) bool {
			annotation, ok := action.(SetAnnotation)
			return ok && !annotation.Restored
		})
		switch {
		case variables >= 0:
			o.postponed = o.Ready && len(o.value) > 0
			if i != variables {
				o.value = nil
			}
		case endpointSoon && isNew:
			o.postponed, o.value = o.Ready, nil
		}
	}
}

// contains reports whether one of the actions is of a kind.
func contains[Kind Action](actions []Action) bool {
	return slices.ContainsFunc(actions, func(action Action) bool { _, ok := action.(Kind); return ok })
}

// carriesAny reports whether the Cluster already carries a VIP. Until it does, the finalizer can wait for the first
// other write: a claim whose address was never written may go with its Cluster at any time, and its ownerReference
// sees to that.
func (a *allocation) carriesAny(outcomes []outcome) bool {
	return slices.ContainsFunc(outcomes, func(o outcome) bool {
		return o.holds && o.Phase != PhaseProvided && o.Phase != PhaseBorrowed && a.carried(o.Role) != ""
	})
}

// status combines the conditions of all roles. While one of them is withheld, the others are too, so that a single
// write covers them all. Trouble that has come to stay is reported at once; what is withheld then stays as it was.
func (a *allocation) status(outcomes []outcome) Status {
	var status Status
	trouble := false
	withheld := map[string]bool{}
	for _, o := range outcomes {
		if o.silent {
			continue
		}
		status.Roles = append(status.Roles, o.RoleStatus)
		status.Slots = append(status.Slots, o.slots()...)
		status.Waiting = status.Waiting || o.holds && !o.Ready || o.nameTaken
		trouble = trouble || o.trouble
		if o.postponed || o.withheld > 0 {
			withheld[names.ConditionType(o.Role)] = true
		}
		if o.withheld > 0 && (status.Recheck == 0 || o.withheld < status.Recheck) {
			status.Recheck = o.withheld
		}
	}
	if len(withheld) > 0 && !trouble {
		status.Conditions = a.cluster.Conditions
		return status
	}
	return status.withConditions(a.cluster, withheld, a.Now)
}
