package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// skews are how far off the allocator's clock may be.
var skews = []time.Duration{
	0, time.Second, -time.Second, 4 * time.Second, -4 * time.Second, time.Minute, -time.Minute, 24 * time.Hour,
	-24 * time.Hour,
	10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour,
}

// Whatever the allocator's clock does between two decisions, all invariants hold, everything comes to rest even with a
// clock that stays wrong, and nothing is left when the Clusters are gone.
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

// assignedAt moves the time since when the Cluster's conditions are what they are.
func assignedAt(at time.Time) viptest.Option {
	return viptest.With(func(c *vip.Cluster) {
		for i := range c.Conditions {
			c.Conditions[i].Since = at
		}
	})
}

// Claims get their timestamps from the API server's clock, conditions from the allocator's.
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
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(held), viptest.WithClaim(cp, "cp", created(-time.Hour)),
			},
			conditions: []string{
				"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound",
			},
		},
		"if the API server's clock is ahead and a full pool has a successor, should move the claim all the same": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, viptest.Full), viptest.WithPool("cp-2", cp), viptest.With(held),
				viptest.WithClaim(cp, "cp", created(-time.Hour)),
			},
			actions: []string{"replace vip-cp-prod from cp-2"},
			conditions: []string{
				"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound",
			},
		},
		"if the API server's clock is ahead and a storm is served, should hold the condition back as ever": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, func(p *vip.Pool) { p.LastServed = viptest.Ago(time.Second) }),
				viptest.With(held), viptest.WithClaim(cp, "cp", created(-time.Hour)),
			},
			recheck: 2 * time.Second,
		},
	}.run(t)
}
