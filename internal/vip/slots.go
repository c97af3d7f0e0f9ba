package vip

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// A pool may give a Cluster several addresses for a role. Each has a slot, with its own claim, phase and actions, like
// the single address of any other role. This file combines them for the role as a whole: into one condition, and into
// one annotation with all addresses in the order of the slots, once all of them are there.

// MostSlots is the most addresses that a Cluster gets across roles with several, because the record of them has to be
// read.
const MostSlots = 128

// bounded cuts the slots of a role to what a Cluster may have on top of those of other roles, and warns if it cuts
// any.
func (a *allocation) bounded(slots []string, others int, o *[]Warning) []string {
	most := max(MostSlots-others, 1)
	if len(slots) <= most {
		return slots
	}
	*o = append(*o, Warning{
		Reason: names.EventClusterTooLarge,
		Message: fmt.Sprintf("pools give the Cluster more than %d addresses, and it gets no further ones; "+
			"lower their annotation %s", MostSlots, names.PerCluster),
	})
	return slots[:most]
}

// slots returns the slots of the role that are needed or that the Cluster has claims for: if a pool gives fewer
// addresses later, none is taken away.
func (r *sight) slots() []string {
	if r.role == names.RoleControlPlane {
		return []string{r.role}
	}
	var needed [names.MostAddresses + 1]bool
	for number := range r.choice.PerCluster() {
		needed[number+1] = true
	}
	for i := range r.Claims {
		claim := &r.Claims[i]
		_, number, ok := names.SlotOfClaim(claim.Name, r.cluster.Name, r.role)
		if ok && (r.owns(claim) || claim.Role == r.role && r.lost(claim, r.role)) {
			needed[number] = true
		}
	}
	var slots []string
	for number, is := range needed {
		if is {
			slots = append(slots, names.Slot(r.role, number))
		}
	}
	return slots
}

// PerCluster returns how many addresses a Cluster gets for a role other than the control plane: as many as the first
// candidate says, even if it is full.
func (c Choice) PerCluster() int {
	if len(c.Candidates) == 0 {
		return 1
	}
	return min(max(c.Candidates[0].PerCluster, 1), names.MostAddresses)
}

// slotOf returns the slot of the claim's role that the claim's name stands for, or "" if it stands for none.
func (a *allocation) slotOf(claim *Claim) string {
	slot, _, ok := names.SlotOfClaim(claim.Name, a.cluster.Name, claim.Role)
	if !ok {
		return ""
	}
	return slot
}

// together holds back the claims for several addresses of a role until there is room for all of them: having only some
// of them is useless, and keeps others from getting theirs.
func (a *allocation) together(slots []outcome) {
	for role := range byRole(slots) {
		if len(role) == 1 {
			continue
		}
		var missing []*outcome
		for i := range role {
			if role[i].Phase == PhaseUnclaimed {
				missing = append(missing, &role[i])
			}
		}
		if len(missing) < 2 {
			continue
		}
		candidates := choose(a.subject, a.Pools, missing[0].Role).Candidates
		free, known := 0, true
		for _, pool := range candidates {
			free, known = free+max(pool.Capacity.Free, 0), known && pool.Capacity.Known
		}
		// A slot without a claim yields to the control plane.
		back := slices.ContainsFunc(missing, func(o *outcome) bool { return len(o.claim) == 0 })
		if !back && (!known || free >= len(missing)) {
			continue
		}
		for _, o := range missing {
			o.claim, o.Claim = nil, ""
			o.waiting(names.ReasonPoolExhausted, a.withhold(a.cluster.Created),
				"role %s needs %d addresses more, and %d are free in %s; add addresses to it",
				o.Role, len(missing), free, poolsText(candidates))
		}
	}
}

// controlPlaneFirst holds back the claims of other roles if their pool has too few addresses for them and the control
// plane: a Cluster can do without any VIP but that one.
func (a *allocation) controlPlaneFirst(outcomes []outcome) {
	first := &outcomes[0]
	waits := slices.Contains([]Phase{PhaseUnclaimed, PhaseUnbound, PhaseMisplaced}, first.Phase)
	if first.Role != names.RoleControlPlane || !waits {
		return
	}
	pool := choose(a.subject, a.Pools, first.Role).Pool
	if pool == nil || !pool.Capacity.Known {
		return
	}
	free := pool.Capacity.Free - 1
	for i := range outcomes[1:] {
		o := &outcomes[i+1]
		if o.Phase != PhaseUnclaimed || o.Pool != pool.Ref {
			continue
		}
		free--
		if free < 0 {
			o.claim, o.Claim = nil, ""
			o.waiting(names.ReasonPoolExhausted, a.withhold(a.cluster.Created),
				"%s has %d free addresses, and the control plane comes first; add addresses to it",
				pool.Ref, pool.Capacity.Free)
		}
	}
}

// byRole yields the consecutive outcomes of each role.
func byRole(slots []outcome) iter.Seq[[]outcome] {
	return func(yield func([]outcome) bool) {
		for len(slots) > 0 {
			end := 1
			for end < len(slots) && slots[end].Role == slots[0].Role {
				end++
			}
			if !yield(slots[:end]) {
				return
			}
			slots = slots[end:]
		}
	}
}

// combine merges the outcomes of addresses into one outcome for each role.
func (a *allocation) combine(slots []outcome) []outcome {
	outcomes := slots[:0] // there are never more roles than slots
	for role := range byRole(slots) {
		outcomes = append(outcomes, a.combined(role))
	}
	return outcomes
}

// combined merges the addresses of a role. The most urgent one speaks for all: the condition is True only if all of
// them are ready.
func (a *allocation) combined(slots []outcome) outcome {
	if len(slots) == 1 {
		return slots[0]
	}
	at := 0
	for i := range slots {
		if urgency(&slots[i]) > urgency(&slots[at]) {
			at = i
		}
	}
	o := slots[at]
	o.claim, o.value, o.warnings = nil, nil, nil
	for i := range slots {
		s := &slots[i]
		o.parts = append(o.parts, s.RoleStatus)
		o.claim, o.warnings = append(o.claim, s.claim...), append(o.warnings, s.warnings...)
		o.holds, o.trouble = o.holds || s.holds, o.trouble || s.trouble
		if o.Ready {
			o.withheld = max(o.withheld, s.withheld)
		}
	}
	if o.Ready {
		o.RoleStatus = all(slots)
	} else {
		o.Message = fmt.Sprintf("address %d of %d: %s", at+1, len(slots), o.Message)
	}
	a.writeAll(&o, slots)
	a.refused(&o)
	return o
}

// urgency orders outcomes by how much they need attention.
func urgency(o *outcome) int {
	switch {
	case o.trouble:
		return 2
	case !o.Ready:
		return 1
	}
	return 0
}

// all returns the state of a role whose addresses are all there.
func all(slots []outcome) RoleStatus {
	status := slots[0].RoleStatus
	var addresses, messages []string
	for i := range slots {
		addresses, messages = append(addresses, slots[i].Address), append(messages, slots[i].Message)
	}
	status.Address, status.Message = strings.Join(addresses, ","), strings.Join(messages, "; ")
	return status
}

// writeAll adds the actions that write the addresses of a role that the Cluster lacks. Until all addresses are there,
// it only restores those that were written before.
func (a *allocation) writeAll(o *outcome, slots []outcome) {
	set := SetAnnotation{Role: o.Role, Restored: true}
	var values []string
	var records []Action
	first, lost := "", false
	for i := range slots {
		s := &slots[i]
		claim := a.ClaimFor(s.Slot)
		if s.Phase != PhaseBound || !s.Ready || claim == nil {
			continue
		}
		if !a.wrote(claim, s.Slot) {
			if !o.Ready {
				continue
			}
			records = append(records, RecordClaim{Role: o.Role, Slot: s.Slot, Claim: claim.Name, ClaimUID: claim.UID})
			set.Restored = false
		}
		if len(values) == 0 {
			first, set.Claim, set.Pool = s.Slot, claim.Name, claim.Pool
		}
		values = append(values, s.Address)
		lost = lost || !a.carries(o.Role, ParseAddr(s.Address))
	}
	set.Value, set.Further = strings.Join(values, ","), len(values)-1
	if len(values) > 0 && (lost || o.Ready && a.cluster.VIPs[o.Role] != set.Value) {
		o.value = append(o.value, set)
		if set.Restored && a.ClusterClass != nil && a.ClusterClass.ReadsVIP {
			a.warnTakenAway(o, "annotation "+names.Annotation(o.Role), set.Value)
		}
	}
	o.value = append(o.value, records...)
	if len(o.value) > 0 && a.classMissing() {
		o.waiting(names.ReasonWaitingForTopology, a.look(o.Role).at(first).withholdTopology(), "%s",
			a.waitingForTopology(set.Value))
	}
}

// slots returns the states of the addresses of a role.
func (o *outcome) slots() []RoleStatus {
	if o.parts == nil {
		return []RoleStatus{o.RoleStatus}
	}
	return o.parts
}
