package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Explanation is all that is known about the VIPs of one Cluster and why it is so.
type Explanation struct {
	Cluster

	// Cause is the one thing that keeps the Cluster from its VIPs, where no role says it: the operator, the class, or a
	// pool that is nearly right; empty if there is no such thing.
	Cause string `json:"cause,omitempty"`
	// Summary is one sentence for the whole Cluster.
	Summary string `json:"summary"`
	// Do is what a person can do about the state of the Cluster; that of single roles is with them.
	Do []string `json:"do,omitempty"`

	Operator Operator `json:"operator"`

	// Roles are those of Cluster with all that is known of them.
	Roles []RoleExplanation `json:"roles"`

	// Next is what the operator does next, each a line; NextNote says when, or why not.
	Next     []string `json:"next"`
	NextNote string   `json:"nextNote"`

	Warnings []string `json:"warnings,omitempty"`
	// Limits say what could not be read, so that what is said may be wrong.
	Limits []string `json:"limits,omitempty"`
}

// RoleExplanation says why a role has its VIP or not.
type RoleExplanation struct {
	Role
	Advice

	// Tier is the tier of the pool that is chosen, and why it is in it; empty if the address comes from elsewhere.
	Tier string `json:"tier,omitempty"`

	// Idle says that nothing waits for the role, because no pool offers it.
	Idle bool `json:"idle,omitempty"`

	// ClaimState is the claim that all this speaks of, and Claims are all of a role with several addresses, in order.
	ClaimState *ClaimState   `json:"claimState,omitempty"`
	Claims     []ClaimState  `json:"claims,omitempty"`
	Condition  *Condition    `json:"condition,omitempty"`
	Pools      []PoolVerdict `json:"pools"`
}

// ClaimState is the claim of a role as it is.
type ClaimState struct {
	Name string `json:"name"`
	Pool string `json:"pool"`
	// Owner is Kind/name of who owns the claim; empty if nobody does.
	Owner string `json:"owner,omitempty"`
	// IPAddress is the object that answers the claim, and Address what it assigns; empty while there is none.
	IPAddress string `json:"ipAddress,omitempty"`
	Address   string `json:"address,omitempty"`
	Deleting  bool   `json:"deleting,omitempty"`
	// Foreign says that it is owned by something else than this very Cluster, or by nobody.
	Foreign bool      `json:"foreign,omitempty"`
	Created time.Time `json:"created"`
	// Says is what the provider says keeps it from answering; empty if it says nothing.
	Says string `json:"says,omitempty"`
}

// Condition is the condition of a role as the Cluster carries it.
type Condition struct {
	Type    string    `json:"type"`
	Status  bool      `json:"status"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
	// Outdated says that the operator will change its status or reason.
	Outdated bool `json:"outdated,omitempty"`
}

// PoolVerdict says what was made of a pool when one was chosen for the role.
type PoolVerdict struct {
	// Pool is Kind/name, with the namespace before it if it has one.
	Pool    string `json:"pool"`
	Verdict string `json:"verdict"`
	// Chosen says that the pool is the one to claim from; Matches that it serves class, role and namespace.
	Chosen  bool `json:"chosen,omitempty"`
	Matches bool `json:"matches,omitempty"`
	// Tier is that of a pool that matches, and why says what puts it there. Less says that others are more specific.
	Tier string `json:"tier,omitempty"`
	why  string
	// near says what about the pool is nearly right; empty if it matches, or if nothing is.
	near string
	Less bool `json:"lessSpecific,omitempty"`
	// Claimed says that the claim of the role is on it, whatever would be chosen now.
	Claimed  bool      `json:"claimed,omitempty"`
	Priority int       `json:"priority"`
	Capacity *Capacity `json:"capacity,omitempty"`
	Paused   bool      `json:"paused,omitempty"`
	Problems []string  `json:"problems,omitempty"`
}

// Explain explains a Cluster; it reports false if the Cluster does not exist.
func Explain(f *Facts, namespace, name string) (Explanation, bool) {
	s, ok := f.snapshot(namespace, name)
	if !ok {
		return Explanation{}, false
	}
	operator := f.operatorOf(&s.Cluster)
	judged := judge(&s, operator)
	e := Explanation{
		Cluster: ClusterOf(&s, operator), Operator: *operator, Limits: f.Limits, Roles: []RoleExplanation{},
		Next: []string{},
	}
	e.Summary, e.Do = summary(&s, &e.Cluster, operator)
	pools := f.poolsInSight(namespace)
	for _, role := range e.Cluster.Roles {
		explained := RoleExplanation{
			Role: role, ClaimState: claimState(&s, cmp.Or(role.slot, role.Role)), Claims: claimStates(&s, role.Role),
			Condition: conditionOf(&s, judged.plan, role.Role),
		}
		if s.Cluster.Class.Name != "" && !s.Cluster.Deleting {
			explained.Pools = verdicts(&s.Cluster, pools, role.Role)
			explained.claimed()
		}
		explained.Tier = explained.tier()
		explained.Idle = idle(&role)
		explained.Advice = adviceFor(&s, &explained, operator)
		if role.Reason == names.ReasonWaitingForIPAddress && explained.ClaimState == nil {
			explained.Message = "" // it is about the claim that is yet to be made
		}
		e.Roles = append(e.Roles, explained)
	}
	e.Cause = e.cause(f, &s)
	e.warn(judged.plan.Warnings)
	e.next(judged, s.Cluster.HasFinalizer)
	return e, true
}

// warn adds the warnings that no role mentions.
func (e *Explanation) warn(warnings []vip.Warning) {
	for _, warning := range warnings {
		says := func(r RoleExplanation) bool { return strings.Contains(r.Message, warning.Message) }
		if !slices.ContainsFunc(e.Roles, says) {
			e.Warnings = append(e.Warnings, warning.Message)
		}
	}
}

// next says what the operator does next. Finalizer says whether the operator has its finalizer on the Cluster.
func (e *Explanation) next(judged judgement, finalizer bool) {
	for _, action := range judged.plan.Actions {
		e.Next = append(e.Next, action.String())
	}
	for _, change := range judged.plan.Status.Changes {
		e.Next = append(e.Next, change.String())
	}
	switch {
	case e.State == StateFiltered && len(e.Next) > 0:
		e.NextNote = "This operator does nothing; one that looks at this Cluster would do this:"
	case judged.heldUp && len(e.Next) > 0:
		e.NextNote = "Once that is over, and not before:"
	case judged.heldUp, e.State == StateNoTopology, e.State == StateDeleting && !finalizer:
		e.NextNote = "Nothing."
	case len(e.Next) == 0 && judged.plan.Status.Recheck > 0:
		e.NextNote = fmt.Sprintf("Nothing yet; if it still waits in %s, a condition says so.",
			judged.plan.Status.Recheck.Round(time.Second))
	case len(e.Next) == 0 && e.State != StateReady:
		e.NextNote = "Nothing, until what it waits for has changed."
	case len(e.Next) == 0:
		e.NextNote = "Nothing: the Cluster is as it shall be."
	case e.Operator.State == OperatorNotRunning:
		e.NextNote = "The operator is not running, so this has to wait until it does:"
	case e.Operator.State == OperatorUnknown:
		e.NextNote = "If the operator runs, which cannot be seen, it does this at once:"
	default:
		e.NextNote = "The operator does this at once; if it still stands here in some seconds, " +
			"look at the operator's log:"
	}
}

// poolsInSight returns the pools that could serve a Cluster of the namespace; those of other namespaces cannot.
func (f *Facts) poolsInSight(namespace string) []PoolFacts {
	var pools []PoolFacts
	for _, pool := range f.Pools {
		if pool.Namespace == "" || pool.Namespace == namespace {
			pools = append(pools, pool)
		}
	}
	return pools
}

// verdictInstead is the verdict on the pool chosen now, if the role has its address from elsewhere.
const verdictInstead = "would be chosen now"

// claimed marks the pool that the claim is on, and corrects the verdict if another is chosen: a bound claim never
// moves.
func (r *RoleExplanation) claimed() {
	for i := range r.Pools {
		pool := &r.Pools[i]
		pool.Claimed = r.ClaimState != nil && !r.ClaimState.Foreign &&
			strings.HasSuffix("/"+pool.Pool, "/"+r.ClaimState.Pool)
		if pool.Chosen && !pool.Claimed &&
			(r.ClaimState != nil && !r.ClaimState.Foreign || r.Reason == names.ReasonEndpointProvided) {
			pool.Verdict = verdictInstead
		}
	}
}

// tier returns the chosen pool's tier and why it is in it, unless the role has its address from elsewhere.
func (r *RoleExplanation) tier() string {
	for i := range r.Pools {
		if pool := &r.Pools[i]; pool.Chosen && pool.Verdict != verdictInstead {
			return pool.Tier + ": " + pool.why
		}
	}
	return ""
}

// The verdicts on pools that package vip has no words for, because it never looks at them.
const (
	verdictNoClass = "names no ClusterClass"
	verdictNoRole  = "names no role"
	verdictFullToo = "is full, like all that match"
	verdictNeither = "is not labelled for the allocator"
)

// verdicts returns the verdict on each pool for a role: first the chosen pool, then those that match, then the rest,
// each in the order in which the decision ranks them.
func verdicts(c *vip.Cluster, facts []PoolFacts, role string) []PoolVerdict {
	result := make([]PoolVerdict, len(facts))
	for i, verdict := range vip.Explain(c, poolsOf(facts), role) {
		pool := &facts[i]
		result[i] = PoolVerdict{
			Pool: poolName(&pool.Pool), Verdict: string(verdict), Priority: pool.Priority,
			Capacity: capacityOf(pool.Capacity), Paused: pool.Paused, Problems: pool.Problems,
			Chosen: verdict == vip.VerdictChosen, Matches: serving(verdict), Less: verdict == vip.VerdictLowerTier,
		}
		if result[i].Matches {
			tier := pool.TierFor(c)
			result[i].Tier, result[i].why = tier.String(), tier.Why()
		}
		if !result[i].Matches {
			result[i].near = misspelled(&pool.Pool, c, role)
		}
		switch {
		case len(pool.Classes) == 0 && len(pool.Roles) == 0:
			result[i].Verdict = verdictNeither
		case len(pool.Roles) == 0:
			result[i].Verdict = verdictNoRole
		case len(pool.Classes) == 0:
			result[i].Verdict = verdictNoClass
		}
		if verdict == vip.VerdictChosen && pool.Capacity.Full() {
			result[i].Verdict = verdictFullToo
		}
	}
	order := func(v PoolVerdict) int {
		switch {
		case v.Chosen:
			return 0
		case v.Matches:
			return 1
		case v.Verdict == verdictNeither:
			return 3
		}
		return 2
	}
	slices.SortStableFunc(result, func(a, b PoolVerdict) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), -cmp.Compare(a.Priority, b.Priority),
			cmp.Compare(a.Pool, b.Pool))
	})
	return result
}

// poolsOf returns the pools as the decision knows them.
func poolsOf(facts []PoolFacts) []vip.Pool {
	pools := make([]vip.Pool, len(facts))
	for i := range facts {
		pools[i] = facts[i].Pool
	}
	return pools
}

// serving reports whether a verdict says that the pool serves the class, role and namespace.
func serving(verdict vip.Verdict) bool {
	serving := []vip.Verdict{vip.VerdictChosen, vip.VerdictFull, vip.VerdictOutranked, vip.VerdictLowerTier}
	return slices.Contains(serving, verdict)
}

// claimStates returns the claims of a role with several addresses, in order; nil for other roles.
func claimStates(s *vip.Snapshot, role string) []ClaimState {
	var claims []ClaimState
	for number := range names.MostAddresses {
		if claim := claimState(s, names.Slot(role, number+1)); claim != nil {
			claims = append(claims, *claim)
		}
		if role == names.RoleControlPlane {
			break
		}
	}
	if len(claims) < 2 {
		return nil
	}
	return claims
}

func claimState(s *vip.Snapshot, slot string) *ClaimState {
	claim := s.ClaimFor(slot)
	if claim == nil {
		return nil
	}
	state := &ClaimState{
		Name: claim.Name, Pool: claim.Pool.String(), Deleting: claim.Deleting, Created: claim.Created,
		IPAddress: claim.Address,
	}
	state.Foreign = claim.Owner == nil || claim.Owner.UID != s.Cluster.UID
	if claim.Owner != nil {
		state.Owner = claim.Owner.Kind + "/" + claim.Owner.Name
	}
	if claim.Trouble != nil {
		state.Says = claim.Trouble.Reason + ": " + claim.Trouble.Message
	}
	for i := range s.Addresses {
		if s.Addresses[i].Name == cmp.Or(claim.Address, claim.Name) {
			state.IPAddress, state.Address = s.Addresses[i].Name, s.Addresses[i].Value
		}
	}
	return state
}

func conditionOf(s *vip.Snapshot, plan vip.Plan, role string) *Condition {
	conditionType := names.ConditionType(role)
	i := slices.IndexFunc(s.Cluster.Conditions, func(c vip.Condition) bool { return c.Type == conditionType })
	if i < 0 {
		return nil
	}
	current := &s.Cluster.Conditions[i]
	return &Condition{
		Type: current.Type, Status: current.True, Reason: current.Reason, Message: current.Message,
		Since:    current.Since,
		Outdated: slices.ContainsFunc(plan.Status.Changes, func(c vip.Change) bool { return c.Role == role }),
	}
}
