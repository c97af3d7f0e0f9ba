package vip

import (
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// refused removes what the API server has just refused for a role, and what depends on it, and says so in the role's
// condition. A quota or a policy thus keeps only this role waiting.
func (a *allocation) refused(o *outcome) {
	if len(o.claim) > 0 {
		a.refusedClaim(o)
	}
	var said, unheld string
	if !a.cluster.HasFinalizer { // without the finalizer, we could not take back what is written now
		unheld = a.Refused[AddFinalizer{}.Key()]
	}
	o.value = slices.DeleteFunc(o.value, func(action Action) bool {
		text, ok := a.Refused[action.Key()]
		if !ok {
			text, ok = unheld, unheld != ""
		}
		if ok && said == "" {
			said = text
		}
		return ok
	})
	if said == "" {
		return
	}
	o.warnings = append(o.warnings, Warning{Reason: names.EventWriteRefused, Message: said})
	if o.Phase == PhaseBound && a.wroteAll(o) {
		return // only the record of it is missing
	}
	o.conflict(names.ReasonWriteRefused, "%s", said)
}

// wroteAll reports whether the role's VIP is on the Cluster.
func (a *allocation) wroteAll(o *outcome) bool {
	endpoint := o.Role != names.RoleControlPlane || a.cluster.Endpoint.Host != "" && validPort(a.cluster.Endpoint.Port)
	return endpoint && a.cluster.VIPs[o.Role] == o.Address
}

func (a *allocation) refusedClaim(o *outcome) {
	said, ok := a.Refused[o.claim[0].Key()]
	if !ok {
		return
	}
	if _, adopts := o.claim[0].(AdoptClaim); adopts {
		o.Ready, o.value = false, nil
	}
	o.claim = nil
	o.warnings = append(o.warnings, Warning{Reason: names.EventWriteRefused, Message: said})
	if !o.Ready { // an endpoint that someone else set needs no claim
		o.conflict(names.ReasonWriteRefused, "%s", said)
	}
}
