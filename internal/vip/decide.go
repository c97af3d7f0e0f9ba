package vip

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Decide returns what has to be done for the Cluster of a snapshot.
func Decide(s Snapshot) Plan {
	c := &s.Cluster
	switch {
	case c.Paused, c.Moving:
		return Plan{}
	case s.Settings.WatchFilter != "" && s.Settings.WatchFilter != c.WatchFilter:
		return Plan{}
	case c.Deleting:
		return release(&s)
	case c.Class.Name == "" && !c.Held:
		return Plan{Warnings: warnings(&s)} // only a Cluster with a topology is ours to serve
	}
	plan := allocate(&s)
	plan.Warnings = append(plan.Warnings, warnings(&s)...)
	return plan
}

// allocation is the decision for a Cluster that lives.
type allocation struct {
	*Snapshot
	cluster *Cluster
}

// outcome is what was decided for one role.
type outcome struct {
	RoleStatus

	// claim and value hold the actions on the claim, and those that write the VIP to the Cluster.
	claim, value []Action

	// holds says that the Cluster holds or awaits a VIP in this role.
	holds bool

	// trouble says that the role's condition needs somebody to act.
	trouble bool

	// silent says that the role has no condition.
	silent bool

	// postponed says that what is to be written of the VIP follows something else; until then its condition does not say
	// that it is there.
	postponed bool

	// warnings are what somebody should look into.
	warnings []Warning

	// withheld is how long the condition is still held back, because the usual wait is shorter; see settle.
	withheld time.Duration
}

func allocate(s *Snapshot) Plan {
	a := &allocation{Snapshot: s, cluster: &s.Cluster}
	roles := a.roles()
	outcomes := make([]outcome, len(roles))
	for i, role := range roles {
		outcomes[i] = a.decide(role)
		a.refused(&outcomes[i])
		a.keepPort(&outcomes[i])
	}
	if !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.holds }) {
		outcomes = a.onlyMissingEndpoint(outcomes)
	}
	return a.plan(outcomes)
}

// onlyMissingEndpoint reduces the outcomes of a Cluster that no pool serves in any role to the one thing worth saying
// about it: that its endpoint stays empty. Such a Cluster is none of our business otherwise.
func (a *allocation) onlyMissingEndpoint(outcomes []outcome) []outcome {
	return slices.DeleteFunc(outcomes, func(o outcome) bool {
		return o.Role != names.RoleControlPlane || o.silent || a.cluster.Class.Name == ""
	})
}

// roles returns the roles to decide about, the control plane first: the two standard ones, those of pools that match
// the Cluster, and those it has claims for, be it one that lost its owner in a restore.
func (a *allocation) roles() []string {
	roles := []string{names.RoleControlPlane, names.RoleIngress}
	add := func(role string) {
		if names.ValidateRole(role) == nil && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	for i := range a.Pools {
		for _, role := range a.Pools[i].Roles {
			if a.Pools[i].servesRole(a.cluster, role) {
				add(role)
			}
		}
	}
	for i := range a.Claims {
		claim := &a.Claims[i]
		// A label that somebody changed by hand does not make the claim another role's: its name says whose it is.
		if (a.owns(claim) || a.lost(claim, claim.Role)) && claim.Name == names.ClaimName(a.cluster.Name, claim.Role) {
			add(claim.Role)
		}
	}
	slices.SortFunc(roles, compareRoles)
	return roles
}

// decide takes the decision for one role.
func (a *allocation) decide(role string) outcome {
	choice := Choose(a.cluster, a.Pools, role)
	claim := a.claimFor(role)
	if claim != nil && claim.Deleting && !a.owns(claim) && choice.Pool == nil {
		claim = nil // the remains of a former Cluster, in the way of nothing
	}
	o := outcome{RoleStatus: RoleStatus{Role: role}}
	o.holds = choice.Pool != nil || a.cluster.Held && a.written(role) != ""
	if claim != nil {
		o.Claim, o.Pool = claim.Name, claim.Pool
		o.holds = o.holds || a.owns(claim)
	}
	switch {
	case role == names.RoleControlPlane && a.provided(claim):
		a.decideProvided(&o, choice, claim)
	case claim == nil:
		a.keepHost(&o)
		a.decideUnclaimed(&o, choice)
	case claim.Deleting:
		a.keepHost(&o)
		o.waiting(names.ReasonWaitingForIPAddress, a.withhold(claim.DeletedAt),
			"claim %s is being deleted; a new one follows when it is gone", claim.Name)
	case !a.owns(claim) && !a.adopt(&o, choice, claim):
		return o
	case claim.Address == "":
		a.keepHost(&o)
		a.decideUnbound(&o, choice, claim)
	default:
		a.decideBound(&o, claim)
	}
	return o
}

// claimFor returns the claim at the name of a role's claim, whoever owns it, or nil.
func (a *allocation) claimFor(role string) *Claim {
	name := names.ClaimName(a.cluster.Name, role)
	for i := range a.Claims {
		if claim := &a.Claims[i]; claim.Name == name && claim.Namespace == a.cluster.Namespace {
			return claim
		}
	}
	return nil
}

func (a *allocation) owns(claim *Claim) bool {
	return claim.Owner != nil && claim.Owner.UID == a.cluster.UID
}

func (a *allocation) addressOf(claim *Claim) *Address {
	for i := range a.Addresses {
		if a.Addresses[i].Name == claim.Address {
			return &a.Addresses[i]
		}
	}
	return nil
}

// poolOf returns the pool of a claim, or nil if it is not known.
func (a *allocation) poolOf(claim *Claim) *Pool {
	for i := range a.Pools {
		pool := &a.Pools[i]
		if pool.Ref == claim.Pool && (pool.Namespace == "" || pool.Namespace == a.cluster.Namespace) {
			return pool
		}
	}
	return nil
}

// boundTo returns the IP that a claim is bound to, or the zero Addr while it is not known or not valid. After a move or a
// restore the claim, whose status stayed behind, does not name its IPAddress yet; but that names the claim.
func (a *allocation) boundTo(claim *Claim) netip.Addr {
	if claim == nil {
		return netip.Addr{}
	}
	for i := range a.Addresses {
		address := &a.Addresses[i]
		if address.Claim == claim.Name && (claim.Address == "" || claim.Address == address.Name) {
			return ParseAddr(address.Value)
		}
	}
	return netip.Addr{}
}

// written returns the VIP that the Cluster carries for a role. For the control plane that is the endpoint's host, if
// it came from us; see provided.
func (a *allocation) written(role string) string {
	if role != names.RoleControlPlane {
		return a.cluster.VIPs[role]
	}
	if a.provided(a.claimFor(role)) {
		return ""
	}
	return a.cluster.Endpoint.Host
}

// provided reports whether somebody else set the endpoint's host. A host is ours if our annotation says the same, if
// our condition says that we assigned it, or if our claim is bound to it or to what our annotation says. The last case
// is a host that was changed by hand after we had written it: the old address may still be in use, so it stays claimed.
func (a *allocation) provided(claim *Claim) bool {
	host := a.cluster.Endpoint.Host
	if host == "" {
		return false
	}
	annotation := a.cluster.VIPs[names.RoleControlPlane]
	if SameAddr(host, annotation) || a.assigned(names.RoleControlPlane) {
		return false
	}
	bound := a.boundTo(claim)
	return !bound.IsValid() || (bound != ParseAddr(host) && bound != ParseAddr(annotation))
}

// assignedBy reports whether our condition says that the role has this address, and that this claim was there at the time.
// A claim never changes its address, so it is the one that the Cluster has held since. Either alone is not enough: a claim
// that was lost may come back with another address, and by a clock that is wrong it may seem to be older than it is.
func (a *allocation) assignedBy(claim *Claim, role, address string) bool {
	return a.assignedAs(role, address) && !claim.Created.After(a.cluster.condition(names.ConditionType(role)).Since)
}

// assignedAs reports whether our condition says that the role has this address.
func (a *allocation) assignedAs(role, address string) bool {
	return a.assigned(role) && strings.HasPrefix(a.cluster.condition(names.ConditionType(role)).Message, assignedMessage(address))
}

// assignedMessage begins the message of a condition that says that a role has an address.
func assignedMessage(address string) string { return address + " from " }

// endpointOf returns the host of the endpoint for the control plane, and nothing for other roles.
func (c *Cluster) endpointOf(role string) string {
	if role == names.RoleControlPlane {
		return c.Endpoint.Host
	}
	return ""
}

// assigned reports whether our condition says that the role has its VIP.
func (a *allocation) assigned(role string) bool {
	condition := a.cluster.condition(names.ConditionType(role))
	return condition != nil && condition.True && condition.Reason == names.ReasonIPAddressAssigned
}

// settle is how long a role may wait before its condition says so: two seconds, and the second by which a creation
// timestamp may be off. The usual allocation is faster and costs no write for its condition but the last.
const settle = 3 * time.Second

// storm is from how many other Clusters on a Cluster does not come alone. Cluster API then answers the endpoint with work of
// its own on the Cluster, and a condition in the middle of that makes its writes fail and its work begin again. So the
// condition waits until that is over, which shortens the storm for all.
const storm = 10

// patience is how long the sight of others being served keeps a waiting claim's condition back: as long as a storm of a
// thousand Clusters takes on a small machine, where a herd of conditions would only make it longer.
const patience = 10 * time.Minute

// withhold returns how long the condition of a wait that began at since is still to be held back.
func (a *allocation) withhold(since time.Time) time.Duration {
	return max(a.believed(since).Add(settle).Sub(a.Now), 0)
}

// believed returns a timestamp by the API server's clock, or a moment long ago if by ours it is still to come: then one of
// the two is wrong, and what is held back until then may never be said.
func (a *allocation) believed(since time.Time) time.Time {
	if since.After(a.Now.Add(settle)) {
		return time.Time{}
	}
	return since
}

// withholdFor is withhold for a claim: in a storm of Clusters the provider works through a queue, and as long as it is
// seen to serve the pool, a claim in that queue does not count as waiting.
func (a *allocation) withholdFor(claim *Claim) time.Duration {
	since := a.believed(claim.Created)
	if pool := a.poolOf(claim); pool != nil && pool.LastServed.After(since) {
		since = pool.LastServed
	}
	limit := claim.Created.Add(patience - settle)
	if since.After(limit) {
		since = limit
	}
	return a.withhold(since)
}

// withholdTopology is withhold for a VIP that has to be rendered: since its address is there, or in a storm, as long as
// others are being served.
func (a *allocation) withholdTopology(claim *Claim) time.Duration {
	return max(a.withhold(a.addressOf(claim).Born.At), a.withholdFor(claim))
}

// compareRoles orders the control plane before ingress, and ingress before all other roles.
func compareRoles(a, b string) int {
	order := func(role string) int { return slices.Index([]string{names.RoleIngress, names.RoleControlPlane}, role) }
	return cmp.Or(-cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
}

// ParseAddr returns the canonical form of an IP address, or the zero Addr if s is none. One with a zone is none: it means
// something on one host only, and a zone may hold any characters.
func ParseAddr(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// SameAddr reports whether two strings are the same IP address.
func SameAddr(a, b string) bool {
	addr := ParseAddr(a)
	return addr.IsValid() && addr == ParseAddr(b)
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
		cmp.Compare(b.Field, a.Field), // whoever carries the address is named before whoever was assigned it
		cmp.Compare(a.Cluster.String(), b.Cluster.String()),
		cmp.Compare(a.Claim.String(), b.Claim.String()),
	)
}
