package vip

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Phase is the state of a role of a Cluster. One function finds it, and one function per phase acts on it; see the
// table of phases in docs/architecture.md.
type Phase string

// The phases of a role, in the order in which they are checked.
const (
	// PhaseProvided: someone else set the endpoint's host, so the role needs no address.
	PhaseProvided Phase = "Provided"
	// PhaseBorrowed: the endpoint and its annotation name an address that another Cluster's claim holds, as in a
	// copied manifest.
	PhaseBorrowed Phase = "Borrowed"
	// PhaseNoPool: no pool serves the role, and the Cluster has no claim of its own.
	PhaseNoPool Phase = "NoPool"
	// PhaseKept: the endpoint in use is ours, but no claim holds it and no pool could give it to one.
	PhaseKept Phase = "Kept"
	// PhaseAnnounced: the user sets the address in a variable of the class, and the endpoint follows from it.
	PhaseAnnounced Phase = "Announced"
	// PhaseUnusable: there is no claim, and a new one may again get an address that someone else uses.
	PhaseUnusable Phase = "Unusable"
	// PhaseAnswering: there is no claim, and a new one may again get an address that someone answers on.
	PhaseAnswering Phase = "Answering"
	// PhaseUnclaimed: a pool serves the role, and there is no claim.
	PhaseUnclaimed Phase = "Unclaimed"
	// PhaseDeleting: the claim is being deleted.
	PhaseDeleting Phase = "Deleting"
	// PhaseFormer: the claim belongs to a former Cluster of the name.
	PhaseFormer Phase = "Former"
	// PhaseForeign: the claim belongs to something else.
	PhaseForeign Phase = "Foreign"
	// PhaseStray: the claim has no owner, and its pool does not serve the role.
	PhaseStray Phase = "Stray"
	// PhaseAnswered: the provider has created an IPAddress for the claim but has not updated the claim.
	PhaseAnswered Phase = "Answered"
	// PhaseStranded: the claim waits, and no pool serves the role any more.
	PhaseStranded Phase = "Stranded"
	// PhaseMisplaced: the claim waits for a pool in vain, and another pool would serve it.
	PhaseMisplaced Phase = "Misplaced"
	// PhaseUnbound: the claim waits for its pool.
	PhaseUnbound Phase = "Unbound"
	// PhaseUnknown: the claim names an IPAddress that does not exist, or that is not this claim's.
	PhaseUnknown Phase = "Unknown"
	// PhaseMisbound: the claim names an IPAddress that was made for another claim, or that holds no valid address.
	PhaseMisbound Phase = "Misbound"
	// PhaseUnserved: the claim's address was never written, and its pool does not serve the role.
	PhaseUnserved Phase = "Unserved"
	// PhaseContested: someone else holds the claim's address.
	PhaseContested Phase = "Contested"
	// PhaseMismatched: the endpoint in use differs from the claim's address.
	PhaseMismatched Phase = "Mismatched"
	// PhaseProbing: a probe is finding out whether someone answers on the claim's address.
	PhaseProbing Phase = "Probing"
	// PhaseInUse: someone answers on the claim's address, or the probe cannot tell.
	PhaseInUse Phase = "InUse"
	// PhaseBound: the claim's address is the role's VIP; it may still have to be written.
	PhaseBound Phase = "Bound"
)

// do maps each phase to the function that acts on it.
var do = map[Phase]func(*sight, *outcome){
	PhaseProvided:   (*sight).doProvided,
	PhaseBorrowed:   (*sight).doBorrowed,
	PhaseNoPool:     (*sight).doNoPool,
	PhaseKept:       (*sight).doKept,
	PhaseAnnounced:  (*sight).doAnnounced,
	PhaseUnusable:   (*sight).doUnusable,
	PhaseAnswering:  (*sight).doAnswering,
	PhaseUnclaimed:  (*sight).doUnclaimed,
	PhaseDeleting:   (*sight).doDeleting,
	PhaseFormer:     (*sight).doFormer,
	PhaseForeign:    (*sight).doForeign,
	PhaseStray:      (*sight).doStray,
	PhaseAnswered:   (*sight).doAnswered,
	PhaseStranded:   (*sight).doStranded,
	PhaseMisplaced:  (*sight).doMisplaced,
	PhaseUnbound:    (*sight).doUnbound,
	PhaseUnknown:    (*sight).doUnknown,
	PhaseMisbound:   (*sight).doMisbound,
	PhaseUnserved:   (*sight).doUnserved,
	PhaseContested:  (*sight).doContested,
	PhaseMismatched: (*sight).doMismatched,
	PhaseProbing:    (*sight).doProbing,
	PhaseInUse:      (*sight).doInUse,
	PhaseBound:      (*sight).doBound,
}

// sight is what is known of one address of a role.
type sight struct {
	*allocation
	role   string
	choice Choice

	// slot is which address of the role this is about; several says that the role has more than one.
	slot    string
	several bool

	// claim is the claim that has the name of the slot's claim, whoever owns it; nil if there is none.
	claim *Claim

	// mine says that the Cluster owns the claim, or adopts it for the reason in adopt.
	mine  bool
	adopt string

	// address is the IPAddress of the claim, and addr the IP in it; nil and invalid if unknown.
	address *Address
	addr    netip.Addr
}

func (a *allocation) look(role string) *sight {
	r := &sight{allocation: a, role: role, choice: choose(a.subject, a.Pools, role)}
	return r.at(role)
}

// at returns the sight of one address of the role.
func (r *sight) at(slot string) *sight {
	seen := *r
	r = &seen
	r.slot, r.claim = slot, r.ClaimFor(slot)
	if r.claim == nil {
		return r
	}
	if r.claim.Deleting && !r.owns(r.claim) && r.choice.Pool == nil {
		r.claim = nil // what is left of a former Cluster, and blocks nothing
		return r
	}
	r.adopt = r.adoption()
	r.mine = r.owns(r.claim) || r.adopt != ""
	if r.address = r.addressOf(r.claim); r.address != nil {
		r.addr = ParseAddr(r.address.Value)
	}
	return r
}

// adoption returns why the Cluster takes over a claim without an owner, as after a restore from a backup; "" if it
// does not.
func (r *sight) adoption() string {
	switch pool := r.poolOf(r.claim); {
	case r.claim.Owner != nil || r.claim.Deleting:
		return ""
	case r.lost(r.claim, r.role):
		return "nobody owns it and its address is already the Cluster's"
	case r.choice.Pool != nil && pool != nil && pool.servesRole(r.subject, r.role):
		return "nobody owns it and its pool serves the Cluster"
	}
	return ""
}

// phase finds the state of the role. It changes nothing.
func (r *sight) phase() Phase {
	switch {
	case r.provided():
		return PhaseProvided
	case r.borrowed() != nil:
		return PhaseBorrowed
	case r.claim == nil:
		return r.phaseUnclaimed()
	case r.claim.Deleting:
		return PhaseDeleting
	case !r.mine:
		return r.phaseOfOthers()
	case r.claim.Address == "":
		return r.phaseUnbound()
	}
	return r.phaseBound()
}

func (r *sight) phaseUnclaimed() Phase {
	switch {
	case r.choice.Pool == nil:
		return PhaseNoPool
	case r.host().IsValid() && !r.offered(r.host()):
		return PhaseKept
	case r.announced() != "":
		return PhaseAnnounced
	case r.unusable() != nil:
		return PhaseUnusable
	case r.answered().IsValid():
		return PhaseAnswering
	}
	return PhaseUnclaimed
}

func (r *sight) phaseOfOthers() Phase {
	owner := r.claim.Owner
	switch {
	case r.choice.Pool == nil: // without a pool we need no claim, so none is in the way
		return PhaseNoPool
	case owner == nil:
		return PhaseStray
	case owner.Kind == "Cluster" && owner.Name == r.cluster.Name:
		return PhaseFormer
	}
	return PhaseForeign
}

// phaseUnbound finds the phase of a claim that the provider has not answered yet. The claim moves to another pool only
// if that helps: when its own pool no longer serves the Cluster, or is full while another one is not.
func (r *sight) phaseUnbound() Phase {
	pool := r.poolOf(r.claim)
	switch {
	case r.address != nil: // the provider is about to update the claim, whatever has become of its pool
		return PhaseAnswered
	case r.choice.Pool == nil:
		return PhaseStranded
	case !r.choice.candidate(r.claim.Pool),
		pool.Capacity.Full() && !r.choice.Exhausted && !r.mayBeServed(r.claim, pool):
		return PhaseMisplaced
	}
	return PhaseUnbound
}

// phaseBound finds the phase of a claim that the provider has answered: whether its address can be the role's VIP.
func (r *sight) phaseBound() Phase {
	switch {
	case r.address == nil && r.misnamed() != nil, r.address != nil && !r.addr.IsValid():
		return PhaseMisbound
	case r.address == nil:
		return PhaseUnknown
	case r.unserved():
		return PhaseUnserved
	case r.contest() != nil:
		return PhaseContested
	case r.endpointDiffers():
		return PhaseMismatched
	}
	return r.phaseProbed()
}

// host returns the IP in the endpoint for the control plane, or the zero Addr for another role or if the host is a
// name.
func (r *sight) host() netip.Addr {
	if r.role != names.RoleControlPlane {
		return netip.Addr{}
	}
	return ParseAddr(r.cluster.Endpoint.Host)
}

// provided reports whether someone else set the endpoint's host. A host is ours if our annotation has the same value,
// if it is on record that we wrote one, or if our claim is bound to it or to what our annotation or a variable says.
// In the last case the host was set by hand after we had written another; that one may be in use, so it stays claimed.
// While we do not know what the claim is bound to, the host may be ours.
func (r *sight) provided() bool {
	host, annotation := r.cluster.Endpoint.Host, r.cluster.VIPs[names.RoleControlPlane]
	if r.role != names.RoleControlPlane || host == "" || SameAddr(host, annotation) || r.cluster.Written[r.role] != "" {
		return false
	}
	if r.claim == nil || !r.mine {
		return true
	}
	if r.claim.Address != "" && r.address == nil {
		return false
	}
	return !r.addr.IsValid() || r.addr != r.host() && r.addr != ParseAddr(annotation) && !r.cluster.inVariables(r.addr)
}

// borrowed returns the rival whose claim holds the endpoint that this Cluster carries; nil if there is none.
func (r *sight) borrowed() *Rival {
	host := r.host()
	if !host.IsValid() || r.mine && (r.addr == host || r.claim.Address != "" && r.address == nil) {
		return nil
	}
	return firstRival(r.Rivals, func(rival *Rival) bool {
		return rival.Address == host && rival.Owned && rival.Field != "" && rival.Cluster != r.cluster.Key()
	})
}

// unusable returns the rival that uses the address which a new claim may get again; nil if there is none, or if the
// pool no longer offers the address.
func (r *sight) unusable() *Rival {
	addr, ok := r.Unusable[r.slot]
	if !ok || !r.choice.Pool.mayOffer(addr) || !r.choice.Pool.Ranged {
		return nil
	}
	return firstRival(r.Rivals, func(rival *Rival) bool {
		return rival.Address == addr && rival.Cluster != r.cluster.Key()
	})
}

// offered reports whether a pool that serves the role may hand out an address.
func (r *sight) offered(addr netip.Addr) bool {
	return slices.ContainsFunc(r.choice.Candidates, func(p *Pool) bool { return p.mayOffer(addr) })
}

// mayOffer reports whether a pool may hand out an address, as far as its ranges are known.
func (p *Pool) mayOffer(addr netip.Addr) bool { return !p.Ranged || Contain(p.Offers, addr) }

// misnamed returns the IPAddress that the claim names although it was made for another claim; nil if there is none.
func (r *sight) misnamed() *Address {
	named := r.addressNamed(r.claim.Namespace, r.claim.Address)
	if named == nil || named.Claim == r.claim.Name {
		return nil
	}
	return named
}

// first reports whether the claim's address was never written for the role and the Cluster does not carry it.
func (r *sight) first() bool {
	carried := slices.Contains(Addrs(r.role, r.cluster.VIPs[r.role]), r.addr) || r.cluster.inVariables(r.addr)
	return !r.wrote(r.claim, r.slot) && r.host() != r.addr && !carried
}

// unserved reports whether the claim's address must not be written because the claim's pool is not for the Cluster:
// anyone who may create claims may name any pool in them. The Cluster keeps what it already carries, whatever becomes
// of the pool.
func (r *sight) unserved() bool {
	if !r.first() {
		return false
	}
	pool := r.poolOf(r.claim)
	if pool == nil {
		return true
	}
	verdict, ok := pool.serves(r.subject, r.role)
	return !ok && verdict != VerdictDeleting
}

// endpointDiffers reports whether the endpoint in use has a host other than the claim's address.
func (r *sight) endpointDiffers() bool {
	return r.role == names.RoleControlPlane && r.cluster.Endpoint.Host != "" && r.host() != r.addr
}

// contest returns the rival that keeps the address from being the role's VIP, or nil. An address that was written from
// this very claim stays; then the rival yields. A Cluster that carries an address keeps it from those that do not
// carry it yet. Of two IPAddresses with one address, one that its claim owns comes before one without an owner, and
// otherwise the earlier one wins. Everyone who sees the later one sees both, so two operators cannot disagree.
func (r *sight) contest() *Rival {
	if r.wrote(r.claim, r.slot) {
		return nil
	}
	if r.role != names.RoleControlPlane && SameAddr(r.cluster.Endpoint.Host, r.address.Value) {
		// The endpoint's claim was lost, and the address was assigned to another role while the endpoint still uses
		// it.
		return &Rival{Address: r.addr, Cluster: r.cluster.Key(), Field: EndpointField}
	}
	carried := (r.carries(r.role, r.addr) || r.cluster.inVariables(r.addr)) && !r.ofAnotherSlot()
	owned := r.address.ClaimUID != ""
	return firstRival(r.Rivals, func(rival *Rival) bool {
		switch {
		case rival.Address != r.addr:
			return false
		case rival.Field != "" && !carried:
			return true
		case rival.Claim.Name == "":
			return false
		case rival.Owned != owned:
			return rival.Owned
		}
		return rival.Born.Before(r.address.Born)
	})
}

// ofAnotherSlot reports whether the address was written from the claim of another slot of the role, as when a pool
// overlaps itself.
func (r *sight) ofAnotherSlot() bool {
	return r.several && slices.ContainsFunc(r.Claims, func(claim Claim) bool {
		slot := r.slotOf(&claim)
		return claim.Role == r.role && slot != "" && slot != r.slot && r.wrote(&claim, slot) &&
			r.boundTo(&claim) == r.addr
	})
}

// firstRival returns the rival that sorts first among those that match, or nil.
func firstRival(rivals []Rival, match func(*Rival) bool) *Rival {
	var first *Rival
	for i := range rivals {
		rival := &rivals[i]
		if match(rival) && (first == nil || compareRivals(rival, first) < 0) {
			first = rival
		}
	}
	return first
}

func compareRivals(a, b *Rival) int {
	return cmp.Or(
		cmp.Compare(b.Field, a.Field), // name those that carry the address before those that it was only assigned to
		cmp.Compare(a.Cluster.String(), b.Cluster.String()),
		cmp.Compare(a.Claim.String(), b.Claim.String()),
		cmp.Compare(a.Pool.Name, b.Pool.Name), cmp.Compare(a.Pool.Kind, b.Pool.Kind),
		a.Born.At.Compare(b.Born.At), cmp.Compare(a.Born.Serial, b.Born.Serial),
	)
}
