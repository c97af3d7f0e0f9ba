package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// skews are how far the allocator's clock may be off.
var skews = []time.Duration{
	0, time.Second, -time.Second, 4 * time.Second, -4 * time.Second, time.Minute, -time.Minute, 24 * time.Hour, -24 * time.Hour,
	10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour,
}

// Whatever the allocator's clock does between two decisions, all invariants hold, everything comes to rest with a clock
// that stays wrong, and nothing is left when the Clusters are gone.
func TestClockJumps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w, pools := randomWorld(pick)
		for range 20 + pick(100) {
			if pick(5) == 0 {
				w.Jump(skews[pick(len(skews))])
			}
			happen(w, pools, pick)
			require.Empty(t, w.Violations, "%s", w.Log.String())
		}
		require.Empty(t, atRest(w), "%s", w.Log.String())
		w.Jump(skews[pick(len(skews))])
		for _, k := range w.Clusters() {
			w.Delete(k)
		}
		require.Empty(t, atRest(w), "%s", w.Log.String())
		require.Empty(t, w.Assigned(), "%s", w.Log.String())
	})
}

// assignedAt moves the time since when the Cluster's conditions say what they say.
func assignedAt(at time.Time) viptest.Option {
	return viptest.With(func(c *vip.Cluster) {
		for i := range c.Conditions {
			c.Conditions[i].Since = at
		}
	})
}

// Claims are created by the API server's clock, conditions by the allocator's.
func TestClocksThatDisagree(t *testing.T) {
	scenarios{
		"if the allocator's clock is ahead and a lost claim came back with a rival's address, should not write it": {
			given: []viptest.Option{
				viptest.Served(), assignedAt(viptest.Ago(-time.Hour)),
				without(ingress), viptest.WithBound(ingress, "web", "10.0.0.21", created(0)),
				viptest.WithHolder("10.0.0.21", "a", names.Annotation(ingress)),
			},
			conditions: []string{cpReady, "IngressVIPReady=false AddressConflict"},
		},
		"if the API server's clock is ahead, should not hold a condition back until ours is there too": {
			given:      []viptest.Option{viptest.WithPool("cp", cp), viptest.With(held), viptest.WithClaim(cp, "cp", created(-time.Hour))},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound"},
		},
		"if the API server's clock is ahead and a full pool has a successor, should move the claim all the same": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, viptest.Full), viptest.WithPool("cp-2", cp), viptest.With(held), viptest.WithClaim(cp, "cp", created(-time.Hour)),
			},
			actions:    []string{"replace vip-cp-prod from cp-2"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound"},
		},
		"if the API server's clock is ahead and a storm is served, should hold the condition back as ever": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, func(p *vip.Pool) { p.LastServed = viptest.Ago(time.Second) }), viptest.With(held), viptest.WithClaim(cp, "cp", created(-time.Hour)),
			},
			recheck: 2 * time.Second,
		},
	}.run(t)
}

// By no clock is it certain that a claim is another than the one that a condition speaks of, if both are young. So the
// condition is taken back before there is a new claim.
func TestLostClaimIsSaidBeforeItIsMadeAnew(t *testing.T) {
	lost := options(viptest.Served(), without(ingress))
	scenarios{
		"if the claim is lost, should say so and make none yet": {
			given: []viptest.Option{lost}, conditions: []string{cpReady, "IngressVIPReady=false WaitingForIPAddress"},
		},
		"if that is said, should make a new one": {
			given:   []viptest.Option{lost, viptest.Carry, viptest.At(viptest.Ago(-time.Millisecond))},
			actions: []string{"create vip-ingress-prod from web"}, conditions: []string{cpReady, "IngressVIPReady=false WaitingForIPAddress"},
			recheck: 3 * time.Second,
		},
		"if the claim of an endpoint in use is lost, should make a new one at once": {
			given: []viptest.Option{viptest.Served(), without(cp)}, actions: []string{"create vip-cp-prod from cp"}, conditions: []string{cpReady, ingressReady}, recheck: 3 * time.Second,
		},
	}.run(t)
}

// A condition is never older than the claim that it speaks of: else, by a clock that is behind, the Cluster would give way
// to whoever copies its address.
func TestAssignmentIsNotOlderThanItsClaim(t *testing.T) {
	snapshot := viptest.Snapshot(viptest.WithPools(), viptest.WithBound(cp, "cp", "10.0.0.10", created(-time.Hour)), viptest.WithBound(ingress, "web", "10.0.0.20", created(-time.Hour)))
	viptest.Carry(&snapshot)
	assert.Equal(t, viptest.Ago(-time.Hour), viptest.Condition(vip.Decide(snapshot), cp).Since)
	viptest.WithHolder("10.0.0.10", "copy", "spec.controlPlaneEndpoint")(&snapshot)
	viptest.WithHolder("10.0.0.20", "copy", names.Annotation(ingress))(&snapshot)
	require.Equal(t, []string{cpReady, ingressReady}, viptest.Conditions(vip.Decide(snapshot)))
}

// That holds as well where the condition said the same before, of a claim that was lost, or said that somebody else had set
// the endpoint.
func TestAssignmentThatStaysIsNotOlderThanItsClaim(t *testing.T) {
	for name, reason := range map[string]string{
		"if a claim was lost and made again": names.ReasonIPAddressAssigned, "if the endpoint was somebody else's": names.ReasonEndpointProvided,
	} {
		t.Run(name, func(t *testing.T) {
			snapshot := viptest.Snapshot(viptest.WithPool("cp", cp), viptest.WithBound(cp, "cp", "10.0.0.10", created(10*time.Second)), viptest.Carry)
			viptest.With(held, func(c *vip.Cluster) {
				c.Conditions = []vip.Condition{
					{Type: "ControlPlaneVIPReady", True: true, Reason: reason, Since: viptest.Ago(time.Minute), Message: "10.0.0.10 from GlobalInClusterIPPool/cp by claim vip-cp-prod"},
					{Type: "IngressVIPReady", Reason: names.ReasonPoolNotFound, Since: viptest.Ago(time.Minute)},
				}
			})(&snapshot)
			plan := vip.Decide(snapshot)
			require.True(t, plan.Status.Changed)
			require.Equal(t, viptest.Ago(10*time.Second), viptest.Condition(plan, cp).Since)
			snapshot.Cluster.Conditions = plan.Status.Conditions
			viptest.WithHolder("10.0.0.10", "copy", "spec.controlPlaneEndpoint")(&snapshot)
			require.True(t, vip.Decide(snapshot).Empty(), "it keeps what it has")
		})
	}
}
