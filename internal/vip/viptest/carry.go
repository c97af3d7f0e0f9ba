package viptest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Decide makes a plan for a Cluster from what the allocator sees of the world now. The plan is carried out later,
// write by write, while the world goes on, which simulates a stale view. It returns the plan, and whether there is
// anything to write.
func (w *World) Decide(k string) (vip.Plan, bool) {
	seen, _, _ := w.seen()
	state, ok := seen[k]
	if !ok || w.flights[k] != nil {
		return vip.Plan{}, false
	}
	snapshot := w.Snapshot(k)
	plan := vip.Decide(snapshot)
	w.checkPlan(&snapshot, plan)
	if plan.Empty() {
		return plan, false
	}
	w.logf("plan for %s:", k)
	for line := range strings.Lines(plan.String()) {
		fmt.Fprintf(&w.Log, "         %s", line)
	}
	w.flights[k] = w.takeOff(state, plan)
	return plan, true
}

// takeOff turns a plan into writes, in the order and with the preconditions of the allocator's writer.
func (w *World) takeOff(state *clusterState, plan vip.Plan) *flight {
	f := &flight{cluster: state.Cluster, seen: state.Generation, failed: map[string]bool{}}
	var results []vip.Action
	for _, action := range plan.Actions {
		one := write{do: func() error { return w.act(f, action) }}
		switch action.(type) {
		case vip.Probe:
			one.claimOf = vip.RoleOf(action)
		case vip.HoldControlPlane, vip.ReleaseControlPlane, vip.KeepPort, vip.SetEndpoint, vip.SetAnnotation,
			vip.RecordClaim, vip.SetVariables:
			results = append(results, action)
			continue
		case vip.CreateClaim, vip.AdoptClaim, vip.RenewOwner, vip.ReplaceClaim, vip.DeleteClaim:
			one.claimOf, one.claim = vip.RoleOf(action), claimOf(action)
		}
		f.writes = append(f.writes, one)
	}
	if len(results) > 0 {
		f.writes = append(f.writes, write{do: func() error { return w.writeResults(f, results) }})
	}
	if plan.Status.Changed {
		f.writes = append(f.writes, write{do: func() error { return w.writeConditions(f, plan.Status.Conditions) }})
	}
	return f
}

// claimOf returns the name of the claim that an action is on.
func claimOf(action vip.Action) string {
	switch a := action.(type) {
	case vip.CreateClaim:
		return a.Name
	case vip.AdoptClaim:
		return a.Claim.Name
	case vip.RenewOwner:
		return a.Claim.Name
	case vip.ReplaceClaim:
		return a.Claim.Name
	case vip.DeleteClaim:
		return a.Claim.Name
	}
	return ""
}

// InFlight returns the keys of the Clusters whose plan is being carried out.
func (w *World) InFlight() []string { return sorted(w.flights) }

// Step carries out the next write of the plan for a Cluster. A refused write ends the plan. The exception is a write
// to a claim of a living Cluster, which ends only what depends on it.
func (w *World) Step(k string) {
	f, ok := w.flights[k]
	if !ok {
		return
	}
	next := f.writes[0]
	f.writes = f.writes[1:]
	err := next.do()
	if err == nil && next.claimOf == "" {
		w.overlay(k)
	} else if err == nil {
		w.overlayClaim(key(f.cluster.Namespace, next.claim))
	}
	if err != nil {
		w.logf("api: a write for %s is refused", k)
		f.failed[next.claimOf] = true
	}
	if len(f.writes) == 0 || err != nil && (next.claimOf == "" || f.cluster.Deleting) {
		delete(w.flights, k)
	}
	w.checkHolders()
}

// Crash ends the process: it drops all plans that are being carried out.
func (w *World) Crash() {
	if len(w.flights) > 0 {
		w.logf("allocator: crashes")
	}
	clear(w.flights)
	clear(w.probed)
	w.startLate()
}

// live returns the Cluster that a plan is for, if it is still the same one.
func (w *World) live(f *flight) (*clusterState, error) {
	state, ok := w.clusters[key(f.cluster.Namespace, f.cluster.Name)]
	if !ok || state.UID != f.cluster.UID {
		return nil, errRefused
	}
	return state, nil
}

func (w *World) act(f *flight, action vip.Action) error {
	switch a := action.(type) {
	case vip.Probe:
		w.probe(f.cluster.Key().String(), a)
		return nil
	case vip.AddFinalizer, vip.RemoveFinalizer:
		state, err := w.live(f)
		if err != nil || state.Deleting && a == (vip.AddFinalizer{}) {
			return errRefused
		}
		Write(&state.Cluster, a)
		w.collect(state.Key().String())
		return nil
	case vip.SetVariables:
		state, err := w.live(f)
		if err != nil || state.Deleting || state.Generation != f.seen {
			return errRefused
		}
		Write(&state.Cluster, a)
		state.Generation++
		return nil
	case vip.CreateClaim:
		return w.create(f, a)
	case vip.AdoptClaim:
		claim, err := w.claim(&a.Claim)
		if err == nil {
			claim.Owner = w.ownerOf(f)
			claim.Role, claim.ResourceVersion = a.Role, strconv.FormatUint(w.next(), 10)
		}
		return err
	case vip.RenewOwner:
		claim, err := w.claim(&a.Claim)
		if err != nil || claim.Owner == nil || *claim.Owner != *a.Claim.Owner {
			return errRefused
		}
		claim.Owner, claim.ResourceVersion = w.ownerOf(f), strconv.FormatUint(w.next(), 10)
		return nil
	case vip.ReplaceClaim:
		claim, err := w.claim(&a.Claim)
		if err != nil || claim.ResourceVersion != a.Claim.ResourceVersion {
			return errRefused
		}
		w.markDeleted(claim)
		return nil
	case vip.DeleteClaim:
		claim, err := w.claim(&a.Claim)
		state := w.clusters[key(f.cluster.Namespace, f.cluster.Name)]
		if !f.cluster.Deleting && (state == nil || !reflect.DeepEqual(state.Cluster, f.cluster)) {
			return errRefused // a living Cluster's claim goes only if the Cluster is unchanged since the decision
		}
		if err == nil {
			w.checkRelease(claim)
			w.markDeleted(claim)
		}
		return err
	}
	return fmt.Errorf("no way to carry out %T", action)
}

// ownerOf returns the owner entry for the Cluster that a plan is for, at the version in use.
func (w *World) ownerOf(f *flight) *vip.Owner {
	return &vip.Owner{Kind: "Cluster", Name: f.cluster.Name, UID: f.cluster.UID, Version: w.version}
}

func (w *World) create(f *flight, a vip.CreateClaim) error {
	k := key(f.cluster.Namespace, a.Name)
	if _, ok := w.claims[k]; ok {
		return errRefused
	}
	w.claims[k] = &vip.Claim{
		Namespace: f.cluster.Namespace, Name: a.Name, UID: types.UID(fmt.Sprintf("uid-%d", w.next())),
		Role: a.Role, Pool: a.Pool,
		Created: w.second(), ResourceVersion: strconv.FormatUint(w.next(), 10),
		Owner: w.ownerOf(f),
	}
	w.order[w.claims[k].UID] = w.next()
	w.collect("")
	w.checkClaims()
	return nil
}

func (w *World) claim(seen *vip.Claim) (*vip.Claim, error) {
	claim, ok := w.claims[key(seen.Namespace, seen.Name)]
	if !ok || claim.UID != seen.UID {
		return nil, errRefused
	}
	return claim, nil
}

func (w *World) writeResults(f *flight, results []vip.Action) error {
	state, err := w.live(f)
	if err != nil || state.Generation != f.seen || state.Paused {
		return errRefused
	}
	before, pause, gate := state.Endpoint, state.Pause, state.Gate.Generation
	for _, action := range results {
		if f.failed[vip.RoleOf(action)] {
			continue
		}
		if variables, ok := action.(vip.SetVariables); ok {
			f.writes = nil // the next decision takes care of what follows from them
			return w.act(f, variables)
		}
		Write(&state.Cluster, action)
		w.checkTruth(state, action)
	}
	if state.Endpoint != before || state.Pause != pause || state.Gate.Generation > gate {
		state.Generation++
	}
	if state.Endpoint != before &&
		slices.ContainsFunc(results, func(a vip.Action) bool { _, ok := a.(vip.SetEndpoint); return ok }) {
		w.checkEndpoint(state, before)
	}
	return nil
}

func (w *World) writeConditions(f *flight, conditions []vip.Condition) error {
	state, err := w.live(f)
	if err != nil || len(f.failed) > 0 {
		return err
	}
	state.Conditions = slices.Clone(conditions)
	for i := range state.Conditions {
		state.Conditions[i].Since = state.Conditions[i].Since.Truncate(time.Second)
	}
	return nil
}

// Settle lets everyone work until nobody has anything left to do, and reports whether that moment came.
func (w *World) Settle() bool {
	retried := false
	for range 400 {
		busy := false
		var recheck time.Duration
		for _, k := range w.Clusters() {
			for w.flights[k] != nil {
				w.Step(k)
				busy = true
			}
			plan, _ := w.Decide(k)
			for w.flights[k] != nil {
				w.Step(k)
				busy = true
			}
			recheck = max(recheck, plan.Status.Recheck)
		}
		busy = w.Provide() || busy
		for _, k := range w.Clusters() {
			busy = w.Render(k, false) || busy
			busy = w.Build(k) || busy
		}
		switch {
		case busy || recheck > 0 || w.inGrace():
			retried = false
			w.Wait(700 * time.Millisecond)
		case w.skew == 0 || retried:
			return true
		default:
			// A wrong clock withholds no condition, and what comes next has to wait for the retry interval.
			retried = true
			w.Wait(10 * time.Second)
		}
	}
	return false
}

// inGrace reports whether a pool still keeps a claim in deletion.
func (w *World) inGrace() bool {
	for _, claim := range w.claims {
		pool := w.poolOf(claim)
		if claim.Deleting && pool != nil && w.Now.Before(claim.DeletedAt.Add(pool.Grace)) {
			return true
		}
	}
	return false
}

// Rest returns in one line what a Cluster has when the world is at rest.
func (w *World) Rest(k string) string {
	c := w.Cluster(k)
	var parts []string
	if c.Endpoint.Host != "" {
		parts = append(parts, c.Endpoint.String())
	}
	for _, role := range sorted(c.VIPs) {
		parts = append(parts, role+"="+c.VIPs[role])
	}
	for _, condition := range c.Conditions {
		parts = append(parts, strings.TrimSuffix(condition.Type, "VIPReady")+":"+condition.Reason)
	}
	if c.HasFinalizer {
		parts = append(parts, names.ReleaseFinalizer)
	}
	return k + " " + strings.Join(parts, " ")
}
