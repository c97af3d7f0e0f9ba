package vip

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// decideProvided handles an endpoint that somebody else set: no VIP is needed, and a claim that was made before the
// host appeared goes back, for its address was never written.
func (a *allocation) decideProvided(o *outcome, choice Choice, claim *Claim) {
	owned := claim != nil && a.owns(claim)
	o.holds = owned
	o.silent = choice.Pool == nil && !owned
	o.Address, o.Claim, o.Pool = a.cluster.Endpoint.Host, "", PoolRef{}
	o.ready(names.ReasonEndpointProvided, "the endpoint's host %s was set by someone else; no address is allocated for it",
		a.cluster.Endpoint.Host)
	for _, warning := range warnings(a.Snapshot) {
		o.Message += "; " + warning.Message
	}
	if owned && !claim.Deleting {
		o.claim = append(o.claim, DeleteClaim{Role: o.Role, Claim: *claim, Why: "somebody else set the endpoint"})
	}
}

// refused leaves out what was to be done about the claim of a role, and what rests on it, if the API server has just refused
// that: a quota or a policy keeps one role waiting, and no other.
func (a *allocation) refused(o *outcome) {
	if len(o.claim) == 0 {
		return
	}
	said, ok := a.Refused[o.claim[0].String()]
	if !ok {
		return
	}
	if _, adopts := o.claim[0].(AdoptClaim); adopts {
		o.Ready, o.value = false, nil
	}
	o.claim = nil
	o.warnings = append(o.warnings, Warning{Reason: names.EventWriteRefused, Message: said})
	if !o.Ready { // an endpoint that somebody else set needs no claim
		o.conflict(names.ReasonWaitingForIPAddress, "%s", said)
	}
}

// decideUnclaimed handles a role that has no claim.
func (a *allocation) decideUnclaimed(o *outcome, choice Choice) {
	if choice.Pool == nil {
		o.waiting(names.ReasonPoolNotFound, a.withholdMissingPool(o.Role), "%s", a.missingPool(o.Role))
		return
	}
	o.Pool = choice.Pool.Ref
	o.Claim = names.ClaimName(a.cluster.Name, o.Role)
	if a.assigned(o.Role) && a.cluster.endpointOf(o.Role) == "" {
		// Its address may be another Cluster's by the time that a new claim has it, and as long as the condition says that
		// it is ours, it would be written over there and here. An endpoint in use is safe: nothing else is written over it.
		o.conflict(names.ReasonWaitingForIPAddress, "claim %s is gone, and the address with it; a new one follows", o.Claim)
		return
	}
	o.claim = append(o.claim, CreateClaim{Role: o.Role, Name: o.Claim, Pool: choice.Pool.Ref})
	if choice.Exhausted {
		o.waiting(names.ReasonPoolExhausted, a.withhold(a.Now), "%s", exhausted(choice))
		return
	}
	o.waiting(names.ReasonWaitingForIPAddress, a.withhold(a.Now), "%s", waitingFor(o.Claim, o.Pool))
}

// keepHost restores the annotation of an endpoint that our condition says is ours, when no claim says so any more. The
// condition is about to say something else, and a host without either would look like somebody else's.
func (a *allocation) keepHost(o *outcome) {
	host := ParseAddr(a.cluster.endpointOf(o.Role))
	if host.IsValid() && a.assignedAs(o.Role, host.String()) && !SameAddr(a.cluster.VIPs[o.Role], host.String()) {
		o.value = append(o.value, SetAnnotation{Role: o.Role, Value: host.String(), Restored: true})
	}
}

// withholdMissingPool holds the condition back for as long as pools may still be on their way in beside a new Cluster.
// It matters for the endpoint only: nothing waits for another role.
func (a *allocation) withholdMissingPool(role string) time.Duration {
	if role != names.RoleControlPlane {
		return 0
	}
	return a.withhold(a.cluster.Created)
}

func (a *allocation) missingPool(role string) string {
	message := fmt.Sprintf("no pool serves role %s for ClusterClass %s in namespace %s; put the labels %s=%s and %s=%s on one",
		role, a.cluster.Class, a.cluster.Namespace, names.ClusterClass, a.cluster.Class.Name, names.Role, role)
	if pool := closedFor(a.cluster, a.Pools, role); pool != nil {
		message = fmt.Sprintf("%s is labelled for role %s and ClusterClass %s, and serves nobody new until its labels and annotations are corrected; its event %s says which",
			pool.Ref, role, a.cluster.Class, names.EventInvalidPoolConfiguration)
	}
	if value := a.written(role); value != "" {
		message = fmt.Sprintf("%s is in use and no claim holds it: %s", value, message)
	}
	return message
}

// adopt takes a claim over that stands at the Cluster's name and belongs to nobody, as after a restore from a backup,
// if its pool serves this class and role or its address is already this Cluster's. It reports whether it did.
func (a *allocation) adopt(o *outcome, choice Choice, claim *Claim) bool {
	pool := a.poolOf(claim)
	switch {
	case a.lost(claim, o.Role):
		o.claim = append(o.claim, AdoptClaim{Role: o.Role, Claim: *claim, Why: "nobody owns it and its address is already the Cluster's"})
	case choice.Pool == nil: // without a pool no claim is needed, so none is in the way
		o.Claim, o.Pool = "", PoolRef{}
		a.decideUnclaimed(o, choice)
		return false
	case claim.Owner != nil && claim.Owner.Kind == "Cluster" && claim.Owner.Name == a.cluster.Name:
		o.waiting(names.ReasonWaitingForIPAddress, a.withhold(claim.Created),
			"claim %s belongs to a former Cluster of this name; a new one follows when it is gone", claim.Name)
		return false
	case claim.Owner != nil:
		o.conflict(names.ReasonClaimConflict, "claim %s belongs to %s %s; delete or rename the one of the two that is not needed",
			claim.Name, claim.Owner.Kind, claim.Owner.Name)
		return false
	case pool != nil && pool.servesRole(a.cluster, o.Role):
		o.claim = append(o.claim, AdoptClaim{Role: o.Role, Claim: *claim, Why: "nobody owns it and its pool serves the Cluster"})
	default:
		o.conflict(names.ReasonClaimConflict, "claim %s belongs to nobody and its pool %s does not serve role %s for ClusterClass %s; delete it, or label the pool",
			claim.Name, claim.Pool, o.Role, a.cluster.Class)
		return false
	}
	o.holds = true
	return true
}

// lost reports whether a claim that nobody owns is bound to the address that the Cluster carries for a role: it was the
// Cluster's before a restore.
func (a *allocation) lost(claim *Claim, role string) bool {
	bound := a.boundTo(claim)
	return claim.Owner == nil && bound.IsValid() && bound == ParseAddr(a.carried(role))
}

// carried returns the address that the Cluster carries for a role, whoever put it there.
func (a *allocation) carried(role string) string {
	if role == names.RoleControlPlane && a.cluster.Endpoint.Host != "" {
		return a.cluster.Endpoint.Host
	}
	return a.cluster.VIPs[role]
}

// decideUnbound handles a claim that the provider has not answered. It moves to another pool only where that helps:
// when its own pool does not serve the Cluster any more, or is full while another one is not.
func (a *allocation) decideUnbound(o *outcome, choice Choice, claim *Claim) {
	pool := a.poolOf(claim)
	switch {
	case a.answered(claim): // it is about to be told, whatever has become of its pool
		o.waiting(names.ReasonWaitingForIPAddress, a.withholdFor(claim), "%s", waitingFor(claim.Name, claim.Pool))
		return
	case choice.Pool == nil:
		o.waiting(names.ReasonPoolNotFound, a.withholdFor(claim), "claim %s waits on %s: %s", claim.Name, claim.Pool, a.missingPool(o.Role))
		return
	case !choice.candidate(claim.Pool):
		o.claim = append(o.claim, ReplaceClaim{
			Role: o.Role, Claim: *claim, Pool: choice.Pool.Ref,
			Why: "its pool does not serve the Cluster, or no longer before others",
		})
	case pool.Capacity.Full() && !choice.Exhausted && !a.mayBeServed(claim, pool):
		o.claim = append(o.claim, ReplaceClaim{
			Role: o.Role, Claim: *claim, Pool: choice.Pool.Ref,
			Why: "its pool is full and the other is not",
		})
	}
	reason, message := names.ReasonWaitingForIPAddress, waitingFor(claim.Name, claim.Pool)
	if choice.Exhausted {
		reason, message = names.ReasonPoolExhausted, exhausted(choice)
	}
	if trouble := claim.Trouble; trouble != nil {
		message = fmt.Sprintf("claim %s on %s: %s: %s", claim.Name, claim.Pool, trouble.Reason, trouble.Message)
		if trouble.Reason == names.ReasonPoolExhausted { // Cluster API's IPAM contract has the same name for it
			reason = names.ReasonPoolExhausted
		}
	}
	o.waiting(reason, a.withholdFor(claim), "%s", message)
}

func waitingFor(claim string, pool PoolRef) string {
	return fmt.Sprintf("claim %s waits for an address from %s; if this lasts, look at the IPAM provider and whether the pool is paused", claim, pool)
}

// answered reports whether there is an IPAddress for a claim that does not name it yet.
func (a *allocation) answered(claim *Claim) bool {
	return slices.ContainsFunc(a.Addresses, func(address Address) bool {
		return address.Namespace == claim.Namespace && address.Claim == claim.Name
	})
}

// mayBeServed reports whether the provider may have taken an address for the claim already: it does so before it tells
// the claim, and with the last address the pool then looks full to the very claim that got it.
func (a *allocation) mayBeServed(claim *Claim, pool *Pool) bool {
	return a.withhold(claim.Created) > 0 || a.withhold(pool.LastServed) > 0
}

// namedPools is how many pools a message names: with hundreds it would be too long for a condition.
const namedPools = 10

func exhausted(choice Choice) string {
	var pools []string
	for i, pool := range choice.Candidates {
		if i == namedPools {
			pools = append(pools, fmt.Sprintf("and %d more", len(choice.Candidates)-i))
			break
		}
		pools = append(pools, fmt.Sprintf("%s (%d addresses)", pool.Ref, pool.Capacity.Total))
	}
	return fmt.Sprintf("no free address in %s; add addresses to a pool, or delete Clusters that are not needed", strings.Join(pools, ", "))
}

// decideBound handles a claim that the provider answered: the address is written if it is certain that it is ours.
func (a *allocation) decideBound(o *outcome, claim *Claim) {
	address := a.addressOf(claim)
	if address == nil {
		o.waiting(names.ReasonWaitingForIPAddress, a.withholdFor(claim), "claim %s names IPAddress %s, which does not exist", claim.Name, claim.Address)
		return
	}
	addr := ParseAddr(address.Value)
	if address.Claim != claim.Name {
		o.conflict(names.ReasonAddressConflict, "claim %s names IPAddress %s, which was made for claim %s; delete the claim to get another",
			claim.Name, address.Name, address.Claim)
		return
	}
	if !addr.IsValid() {
		o.conflict(names.ReasonAddressConflict, "IPAddress %s holds %q, which is no IP address; correct the pool and delete claim %s",
			address.Name, address.Value, claim.Name)
		return
	}
	o.Address = addr.String()
	if rival := a.rival(o.Role, claim, address); rival != nil {
		o.conflict(names.ReasonAddressConflict, "%s", rival.message(o.Address, claim.Pool))
		return
	}
	if host := a.cluster.Endpoint.Host; o.Role == names.RoleControlPlane && host != "" && ParseAddr(host) != addr {
		a.decideMismatch(o, claim)
		return
	}
	o.ready(names.ReasonIPAddressAssigned, "%s%s by claim %s", assignedMessage(o.Address), claim.Pool, claim.Name)
	o.since = claim.Created
	if a.Crowd >= storm && !a.assigned(o.Role) {
		o.withheld = a.withhold(address.Born.At)
	}
	a.write(o, claim)
}

// decideMismatch handles an endpoint in use whose address is not the claim's, as after the claim was lost and made
// again. Nothing is overwritten: the machines know the endpoint that is there.
func (a *allocation) decideMismatch(o *outcome, claim *Claim) {
	host := a.cluster.Endpoint.Host
	o.conflict(names.ReasonAddressConflict,
		"the endpoint in use is %s, and claim %s holds %s instead; exclude %s from the pool, or recreate the Cluster to move it to %s",
		host, claim.Name, o.Address, host, o.Address)
	if a.cluster.VIPs[o.Role] == "" {
		o.value = append(o.value, SetAnnotation{Role: o.Role, Value: host, Claim: claim.Name, Pool: claim.Pool, Restored: true})
	}
}

// write adds what is missing of the role's VIP on the Cluster.
func (a *allocation) write(o *outcome, claim *Claim) {
	v := a.variablesOf(o.Role, o.Address, claim)
	if a.cluster.VIPs[o.Role] != o.Address {
		o.value = append(o.value, SetAnnotation{Role: o.Role, Value: o.Address, Claim: claim.Name, Pool: claim.Pool, Restored: a.assignedBy(claim, o.Role, o.Address)})
	}
	variables := SetVariables{Role: o.Role, Values: v.values, Claim: claim.Name, Pool: claim.Pool}
	if v.missing {
		v.refused = a.Refused[variables.String()]
	}
	if o.Role == names.RoleControlPlane && !a.held(o, claim, &v) {
		a.writeEndpoint(o, claim, v.port)
	}
	switch {
	case v.refused != "":
		v.warnings = append(v.warnings, Warning{Reason: names.EventWriteRefused, Message: v.refused})
	case v.missing:
		// What the templates render comes first, and by itself: it is applied, and everything else is patched.
		o.value = []Action{variables}
	}
	o.warnings = v.warnings
	if len(o.value) > 0 && a.classMissing() {
		o.waiting(names.ReasonWaitingForTopology, a.withholdTopology(claim), "%s", a.waitingForTopology(o.Address))
	}
}

// writeEndpoint adds what is missing of the endpoint. Port is the one to use if the Cluster says nothing else; 0 for
// the default.
func (a *allocation) writeEndpoint(o *outcome, claim *Claim, port int32) {
	current := a.cluster.Endpoint
	if current.Host != "" && validPort(current.Port) && a.cluster.Gate == (Gate{}) {
		return
	}
	set := SetEndpoint{
		Endpoint: Endpoint{Host: cmp.Or(current.Host, o.Address), Port: a.port(port)},
		Claim:    claim.Name, Pool: claim.Pool, Completed: current.Host != "",
	}
	if asked := cmp.Or(current.Port, a.cluster.Gate.Port); !validPort(asked) {
		set.RefusedPort = asked
	}
	o.value = append(o.value, set)
}

// rival returns who keeps an address from being written for a role, or nil. What was assigned to the Cluster it keeps:
// then it is the other one who yields. What it merely carries, as a copied manifest does, gives it no right. Of two
// IPAddresses with one address, the earlier one is served; everybody who sees the later one sees both, so two operators
// cannot disagree.
func (a *allocation) rival(role string, claim *Claim, address *Address) *Rival {
	addr := ParseAddr(address.Value)
	if a.assignedBy(claim, role, addr.String()) {
		return nil
	}
	if role != names.RoleControlPlane && SameAddr(a.cluster.Endpoint.Host, address.Value) {
		// The endpoint's claim was lost, and its address came back for another role while the endpoint still uses it.
		return &Rival{Address: addr, Cluster: a.cluster.Key(), Field: "spec.controlPlaneEndpoint"}
	}
	return firstRival(a.Rivals, func(r *Rival) bool {
		return r.Address == addr && (r.Field != "" || r.Born.Before(address.Born))
	})
}

func (r *Rival) message(address string, pool PoolRef) string {
	if r.Field != "" {
		return fmt.Sprintf("%s from %s is in use: Cluster %s carries it in %s; add it to the pool's excludedAddresses and delete the claim, or free it there",
			address, pool, r.Cluster, r.Field)
	}
	return fmt.Sprintf("%s from %s is in use: claim %s holds it from %s; the pools overlap, so exclude it from one of them and delete the claim there",
		address, pool, r.Claim, r.Pool)
}
