package vip

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// doProvided: the role needs no VIP. A claim that was made before the host appeared goes back, since its address was
// never written.
func (r *sight) doProvided(o *outcome) {
	host := r.cluster.Endpoint.Host
	o.holds = r.claim != nil && r.owns(r.claim)
	o.silent = r.choice.Pool == nil && !o.holds
	r.giveBack(o, "someone else set the endpoint")
	o.Address, o.Claim, o.Pool = host, "", PoolRef{}
	o.ready(names.ReasonEndpointProvided,
		"the endpoint's host %s was set by someone else; no address is allocated for it", host)
	for _, warning := range append(r.endpointInRange(), r.shared(r.role)...) {
		o.Message += "; " + warning.Message
	}
}

// doBorrowed: the Cluster needs an endpoint of its own, and only its owner can remove the borrowed one.
func (r *sight) doBorrowed(o *outcome) {
	rival := r.borrowed()
	r.giveBack(o, "the endpoint in use is another Cluster's")
	o.holds = r.claim != nil && r.owns(r.claim)
	o.Rival, o.Address, o.Claim, o.Pool = rival, r.cluster.Endpoint.Host, "", PoolRef{}
	o.conflict(names.ReasonAddressConflict,
		"the endpoint %s belongs to %s, and this Cluster looks like a copy of it; "+
			"remove spec.controlPlaneEndpoint and the annotations %s/* here, and the Cluster gets addresses of its own",
		o.Address, r.known(rival), names.Domain)
}

// giveBack deletes the Cluster's own claim, whose address was never written.
func (r *sight) giveBack(o *outcome, why string) {
	if r.claim != nil && r.owns(r.claim) && !r.claim.Deleting {
		o.claim = append(o.claim, DeleteClaim{Role: o.Role, Claim: *r.claim, Why: why})
	}
}

// doNoPool: someone has to label a pool.
func (r *sight) doNoPool(o *outcome) {
	r.keepHost(o)
	o.Claim, o.Pool = "", PoolRef{}
	o.waiting(names.ReasonPoolNotFound, r.withholdMissingPool(o.Role), "%s", r.missingPool(o.Role))
}

// doKept: the endpoint stays in use. No pool can give its address to anyone, including the Cluster's own claim.
func (r *sight) doKept(o *outcome) {
	r.keepHost(o)
	o.Address = r.cluster.Endpoint.Host
	o.ready(names.ReasonEndpointProvided, "the endpoint's host %s is in use, no pool offers it, and no claim holds it",
		o.Address)
}

func (r *sight) doAnnounced(o *outcome) {
	o.holds = false
	o.ready(names.ReasonEndpointProvided,
		"variable %s of the Cluster gives the address of the control plane; none is allocated for it", r.announced())
}

// doUnusable: a claim would again get the address that someone else uses, until the pool stops offering it.
func (r *sight) doUnusable(o *outcome) {
	rival := r.unusable()
	o.Rival, o.Pool, o.Address = rival, r.choice.Pool.Ref, rival.Address.String()
	o.conflict(names.ReasonAddressConflict,
		"%s is in use by %s, and %s still offers it; add it to excludedAddresses there, and a new claim follows",
		rival.Address, r.known(rival), r.choice.Pool.Ref)
}

func (r *sight) doUnclaimed(o *outcome) {
	r.keepHost(o)
	pool := r.choice.Pool.Ref
	o.Pool, o.Claim = pool, names.ClaimName(r.cluster.Name, r.slot)
	o.claim = append(o.claim, CreateClaim{Role: o.Role, Name: o.Claim, Pool: pool})
	if r.choice.Exhausted {
		o.waiting(names.ReasonPoolExhausted, r.withhold(r.Now), "%s", exhausted(r.choice))
		return
	}
	o.waiting(names.ReasonWaitingForIPAddress, r.withhold(r.Now), "%s", waitingFor(o.Claim, pool))
}

func (r *sight) doDeleting(o *outcome) {
	r.keepHost(o)
	o.waiting(names.ReasonWaitingForIPAddress, r.withhold(r.claim.DeletedAt),
		"claim %s is being deleted; a new one follows when it is gone", r.claim.Name)
}

func (r *sight) doFormer(o *outcome) {
	o.waiting(names.ReasonWaitingForIPAddress, r.withhold(r.claim.Created),
		"claim %s belongs to a former Cluster of this name; a new one follows when it is gone", r.claim.Name)
}

// doForeign: the claim may be in use. The one thing that is safe to change is the name that both need.
func (r *sight) doForeign(o *outcome) {
	remedy := "rename that one"
	if r.claim.Owner.Kind == "Cluster" {
		remedy = fmt.Sprintf("two roles of two Clusters need one name, so give role %s another name on its pool, "+
			"and leave the claim alone", o.Role)
	}
	o.conflict(names.ReasonClaimConflict, "claim %s belongs to %s %s; %s",
		r.claim.Name, r.claim.Owner.Kind, r.claim.Owner.Name, remedy)
}

func (r *sight) doStray(o *outcome) {
	why, remedy := r.notServing()
	o.conflict(names.ReasonClaimConflict, "claim %s belongs to nobody and its pool %s %s; delete it, or %s",
		r.claim.Name, r.claim.Pool, why, remedy)
}

func (r *sight) doAnswered(o *outcome) {
	r.keepHost(o)
	o.waiting(names.ReasonWaitingForIPAddress, r.withholdFor(r.claim), "%s", waitingFor(r.claim.Name, r.claim.Pool))
}

func (r *sight) doStranded(o *outcome) {
	r.keepHost(o)
	o.waiting(names.ReasonPoolNotFound, r.withholdFor(r.claim), "claim %s waits on %s: %s",
		r.claim.Name, r.claim.Pool, r.missingPool(o.Role))
}

func (r *sight) doMisplaced(o *outcome) {
	why := "its pool does not serve the Cluster, or no longer before others"
	if r.choice.candidate(r.claim.Pool) {
		why = "its pool is full and the other is not"
	}
	o.claim = append(o.claim, ReplaceClaim{Role: o.Role, Claim: *r.claim, Pool: r.choice.Pool.Ref, Why: why})
	r.doUnbound(o)
}

func (r *sight) doUnbound(o *outcome) {
	r.keepHost(o)
	claim := r.claim
	reason, message := names.ReasonWaitingForIPAddress, waitingFor(claim.Name, claim.Pool)
	if r.choice.Exhausted {
		reason, message = names.ReasonPoolExhausted, exhausted(r.choice)
	}
	if trouble := claim.Trouble; trouble != nil {
		message = fmt.Sprintf("claim %s on %s: %s: %s", claim.Name, claim.Pool, trouble.Reason, trouble.Message)
		if trouble.Reason == names.ReasonPoolExhausted { // the same name as in Cluster API's IPAM contract
			reason = names.ReasonPoolExhausted
		}
	}
	o.waiting(reason, r.withholdFor(claim), "%s", message)
}

// doUnknown: the watch of IPAddresses may be late, or a restore incomplete.
func (r *sight) doUnknown(o *outcome) {
	claim := r.claim
	said := "which does not exist"
	if r.addressNamed(claim.Namespace, claim.Address) != nil {
		said = "which belongs to a former claim of this name"
	}
	o.waiting(names.ReasonWaitingForIPAddress, r.withholdFor(claim), "claim %s names IPAddress %s, %s",
		claim.Name, claim.Address, said)
}

func (r *sight) doMisbound(o *outcome) {
	claim := r.claim
	if other := r.misnamed(); other != nil {
		o.conflict(names.ReasonAddressConflict,
			"claim %s names IPAddress %s, which was made for claim %s; delete the claim to get another",
			claim.Name, other.Name, other.Claim)
		return
	}
	o.conflict(names.ReasonAddressConflict,
		"IPAddress %s holds %q, which is no IP address; correct the pool and delete claim %s",
		r.address.Name, r.address.Value, claim.Name)
}

// doUnserved: the claim makes room for one that may serve the role, if a pool can provide one. A missing pool may just
// not have reached the watch yet.
func (r *sight) doUnserved(o *outcome) {
	o.Address = r.addr.String()
	if r.poolOf(r.claim) == nil {
		o.waiting(names.ReasonClaimConflict, r.withholdFor(r.claim),
			"%s is not written: %s, which claim %s names, does not exist; delete the claim to get another",
			o.Address, r.claim.Pool, r.claim.Name)
		return
	}
	if r.choice.Pool != nil && r.owns(r.claim) {
		o.claim = append(o.claim, ReplaceClaim{
			Role: o.Role, Claim: *r.claim, Pool: r.choice.Pool.Ref,
			Why: "its pool does not serve the Cluster, and its address was never written",
		})
		o.waiting(names.ReasonWaitingForIPAddress, r.withholdFor(r.claim), "%s",
			waitingFor(r.claim.Name, r.choice.Pool.Ref))
		return
	}
	why, remedy := r.notServing()
	o.conflict(names.ReasonClaimConflict, "%s is not written: %s, which claim %s names, %s; delete the claim, or %s",
		o.Address, r.claim.Pool, r.claim.Name, why, remedy)
}

// doContested: the claim stays, so that nobody else is given the address. While it exists, the provider refuses to
// exclude the address.
func (r *sight) doContested(o *outcome) {
	rival := r.contest()
	o.Address, o.Rival = r.addr.String(), rival
	exclude := fmt.Sprintf("delete claim %s and add %s to excludedAddresses of %s; "+
		"a new claim follows when both are done", r.claim.Name, o.Address, r.claim.Pool)
	if rival.Field != "" {
		o.conflict(names.ReasonAddressConflict, "%s from %s is in use: %s carries it in %s; %s, or free it there",
			o.Address, r.claim.Pool, r.known(rival), rival.Field, exclude)
		return
	}
	o.conflict(names.ReasonAddressConflict, "%s from %s is in use: %s holds it from %s, so the pools overlap; %s",
		o.Address, r.claim.Pool, r.known(rival), r.knownPool(rival), exclude)
}

// known describes the holder of an address as far as the Cluster's own tenant may know it: it names nothing in other
// namespaces. The operator's log and kubectl vip do.
func (r *sight) known(rival *Rival) string {
	inside := func(key string) bool { return key == r.cluster.Namespace }
	switch {
	case rival.Cluster.Name != "" && inside(rival.Cluster.Namespace):
		return "Cluster " + rival.Cluster.String()
	case rival.Cluster.Name != "":
		return "a Cluster of another namespace"
	case inside(rival.Claim.Namespace):
		return "claim " + rival.Claim.String()
	}
	return "a claim of another namespace"
}

// knownPool is known for the pool of an IPAddress.
func (r *sight) knownPool(rival *Rival) string {
	if rival.Claim.Namespace == r.cluster.Namespace {
		return rival.Pool.String()
	}
	return "another pool"
}

// doMismatched: it overwrites nothing, since the machines know the existing endpoint. A claim that can never hold that
// endpoint, and whose address was never written, goes back.
func (r *sight) doMismatched(o *outcome) {
	host, claim := r.cluster.Endpoint.Host, r.claim
	o.Address = r.addr.String()
	r.keepHost(o)
	if r.first() && r.choice.Pool != nil && r.host().IsValid() && !r.offered(r.host()) {
		r.giveBack(o, "the endpoint in use is another, and no pool offers it")
		r.doKept(o)
		return
	}
	if !r.first() {
		also := ""
		if r.cluster.inVariables(r.addr) {
			also = fmt.Sprintf(", and %s from the variables,", o.Address)
		}
		o.conflict(names.ReasonAddressConflict,
			"the endpoint was %s, which claim %s holds, and is %s now; "+
				"set it back, or remove the annotations %s and %s%s to keep %s without a claim",
			o.Address, claim.Name, host, names.Annotation(o.Role), names.Claims, also, host)
		return
	}
	o.conflict(names.ReasonAddressConflict,
		"the endpoint in use is %s, and claim %s holds %s instead; "+
			"add %s to excludedAddresses of %s to keep it, and the claim goes back",
		host, claim.Name, o.Address, host, claim.Pool)
}

// doBound: whatever part of the VIP the Cluster lacks is written.
func (r *sight) doBound(o *outcome) {
	o.Address = r.addr.String()
	o.ready(names.ReasonIPAddressAssigned, "%s from %s by claim %s%s",
		o.Address, r.claim.Pool, r.claim.Name, r.saidPort(o.Role))
	if r.Crowd >= storm && !r.saysAssigned(o.Role) {
		o.withheld = r.withhold(r.address.Born.At)
	}
	if !r.several { // see combine
		r.write(o)
	}
}

// saysAssigned reports whether the role's condition already says what it should.
func (a *allocation) saysAssigned(role string) bool {
	condition := a.cluster.condition(names.ConditionType(role))
	return condition != nil && condition.True && condition.Reason == names.ReasonIPAddressAssigned
}

// keepHost restores the annotation of an endpoint that is on record as ours. Without the annotation, the host would
// look like someone else's as soon as the record is lost too, and a class that reads the VIP would render templates
// without it.
func (r *sight) keepHost(o *outcome) {
	host := r.host()
	if host.IsValid() && r.cluster.Written[r.role] != "" && !ParseAddr(r.cluster.VIPs[r.role]).IsValid() {
		o.value = append(o.value, SetAnnotation{Role: r.role, Value: host.String(), Restored: true})
	}
}

// write adds the actions that write whatever part of the role's VIP the Cluster lacks.
func (r *sight) write(o *outcome) {
	a, claim, wrote := r.allocation, r.claim, r.wrote(r.claim, r.slot)
	v := a.variablesOf(r)
	if a.cluster.VIPs[o.Role] != o.Address {
		o.value = append(o.value, SetAnnotation{
			Role: o.Role, Value: o.Address, Claim: claim.Name, ClaimUID: claim.UID, Pool: claim.Pool, Restored: wrote,
		})
	}
	variables := SetVariables{Role: o.Role, Values: v.values, Claim: claim.Name, Pool: claim.Pool}
	if v.missing {
		v.refused = a.Refused[variables.Key()]
	}
	if o.Role == names.RoleControlPlane && !r.waitsForTopology(o, &v) {
		r.writeEndpoint(o, v.port)
	}
	switch {
	case v.refused != "":
		v.warnings = append(v.warnings, Warning{Reason: names.EventWriteRefused, Message: v.refused})
	case v.missing:
		// What the templates render comes first, and by itself: it is written by apply, and everything else by patch.
		o.value = []Action{variables}
	}
	o.warnings = append(o.warnings, v.warnings...)
	r.takenAway(o, &v)
	r.letGo(o, &v)
	if len(o.value) > 0 && a.classMissing() {
		o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", a.waitingForTopology(o.Address))
	}
	recorded := contains[SetEndpoint](o.value) || o.Role != names.RoleControlPlane && contains[SetAnnotation](o.value)
	if !wrote && o.Ready && !v.missing && !recorded {
		o.value = append(o.value, RecordClaim{Role: o.Role, Slot: r.slot, Claim: claim.Name, ClaimUID: claim.UID})
	}
}

// takenAway warns that a written VIP which templates render was taken off the Cluster. It is written again at once,
// but what is rendered in between may replace machines, so whoever removed it should know.
func (r *sight) takenAway(o *outcome, v *variables) {
	var what []string
	if r.cluster.VIPs[r.role] != o.Address && r.ClusterClass != nil && r.ClusterClass.ReadsVIP {
		what = append(what, "annotation "+names.Annotation(r.role))
	}
	if v.missing {
		what = append(what, "a variable")
	}
	if len(what) > 0 && r.wrote(r.claim, r.slot) {
		r.warnTakenAway(o, strings.Join(what, " and "), o.Address)
	}
}

func (a *allocation) warnTakenAway(o *outcome, what, address string) {
	o.warn(names.EventVIPTakenAway,
		"%s lost its VIP %s, which templates of ClusterClass %s are rendered with; "+
			"it is written again, but machines may be replaced by what was rendered meanwhile: "+
			"see in managedFields who changes it, and have that leave it alone",
		what, address, a.cluster.Class)
}

// writeEndpoint adds whatever part of the endpoint is missing. Port is the one to use if the Cluster says nothing
// else; 0 for the default.
func (r *sight) writeEndpoint(o *outcome, port int32) {
	current := r.cluster.Endpoint
	if current.Host != "" && validPort(current.Port) {
		return
	}
	set := SetEndpoint{
		Endpoint: Endpoint{Host: cmp.Or(current.Host, o.Address), Port: r.port(port)},
		Claim:    r.claim.Name, ClaimUID: r.claim.UID, Pool: r.claim.Pool, Completed: current.Host != "",
	}
	if asked := cmp.Or(current.Port, r.cluster.Gate.Port, r.cluster.Port); !validPort(asked) {
		set.RefusedPort = asked
	}
	o.value = append(o.value, set)
}

func waitingFor(claim string, pool PoolRef) string {
	return fmt.Sprintf("claim %s waits for an address from %s; if this lasts, "+
		"look at the IPAM provider and whether the pool is paused", claim, pool)
}

// namedPools is how many pools a message names: hundreds would be too long for a condition.
const namedPools = 10

func exhausted(choice Choice) string {
	return fmt.Sprintf("no free address in %s; add addresses to a pool, or delete Clusters that are not needed",
		poolsText(choice.Candidates))
}

func poolsText(candidates []*Pool) string {
	var pools []string
	for i, pool := range candidates {
		if i == namedPools {
			pools = append(pools, fmt.Sprintf("and %d more", len(candidates)-i))
			break
		}
		pools = append(pools, fmt.Sprintf("%s (%d addresses)", pool.Ref, pool.Capacity.Total))
	}
	return strings.Join(pools, ", ")
}
