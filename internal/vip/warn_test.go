package vip_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func offers(from, to string) func(*vip.Pool) {
	return func(p *vip.Pool) {
		p.Offers = append(p.Offers, vip.Range{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)})
	}
}

func TestWarnings(t *testing.T) {
	inRange := viptest.WithPool("cp", cp, offers("10.0.0.1", "10.0.0.50"))
	for name, test := range map[string]struct {
		given []viptest.Option
		want  string
	}{
		"if a hand-made endpoint lies in a pool, should warn and name the remedy": {
			[]viptest.Option{inRange, viptest.With(host("10.0.0.9", 6443))},
			"10.0.0.9 was set by hand and GlobalInClusterIPPool/cp may give it to another Cluster: " +
				"add it to excludedAddresses there",
		},
		"if the Cluster has no topology, should warn all the same": {
			[]viptest.Option{
				inRange, viptest.With(host("10.0.0.9", 6443), func(c *vip.Cluster) { c.Class = vip.Class{} }),
			},
			"10.0.0.9 was set by hand and GlobalInClusterIPPool/cp may give it to another Cluster: " +
				"add it to excludedAddresses there",
		},
		"if the pool is another tenant's, should not name it": {
			[]viptest.Option{
				viptest.WithPool("secret", cp, viptest.Local("red"), offers("10.0.0.1", "10.0.0.50")),
				viptest.With(host("10.0.0.9", 6443)),
			},
			"10.0.0.9 was set by hand and a pool of another namespace may give it to another Cluster: " +
				"add it to excludedAddresses there",
		},
		"if one of several is another tenant's, should name the others": {
			[]viptest.Option{
				viptest.WithPool("a", cp, viptest.Local("red"), offers("10.0.0.1", "10.0.0.50")), inRange,
				viptest.WithPool("b", cp, viptest.Local("blue"), offers("10.0.0.1", "10.0.0.50")),
				viptest.With(host("10.0.0.9", 6443)),
			},
			"10.0.0.9 was set by hand and GlobalInClusterIPPool/cp and a pool of another namespace may give it to " +
				"another Cluster: add it to excludedAddresses there",
		},
		"if it lies outside, should not warn": {
			[]viptest.Option{inRange, viptest.With(host("10.0.0.51", 6443))}, "",
		},
		"if it is a name, should not warn": {
			[]viptest.Option{inRange, viptest.With(host("lb.example.com", 6443))}, "",
		},
		"if the address comes from a claim, should not warn": {
			[]viptest.Option{viptest.Served(), func(s *vip.Snapshot) { offers("10.0.0.1", "10.0.0.50")(&s.Pools[0]) }},
			"",
		},
		"if the address comes from a claim and the annotation was removed, " +
			"should not warn": {[]viptest.Option{viptest.Served(), func(s *vip.Snapshot) {
			offers("10.0.0.1", "10.0.0.50")(&s.Pools[0])
			delete(s.Cluster.VIPs, cp)
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(test.given...))
			if test.want == "" {
				assert.Empty(t, plan.Warnings)
				return
			}
			require.Len(t, plan.Warnings, 1)
			assert.Equal(t, vip.Warning{Reason: names.EventEndpointInPoolRange, Message: test.want}, plan.Warnings[0])
		})
	}
}

// A Cluster that is too large is served, and is told so, with or without a topology.
func TestWarningOfTooLargeACluster(t *testing.T) {
	for _, class := range []vip.Class{{}, viptest.Snapshot().Cluster.Class} {
		plan := vip.Decide(viptest.Snapshot(viptest.With(func(c *vip.Cluster) { c.Cut, c.Class = true, class })))
		require.Len(t, plan.Warnings, 1)
		assert.Equal(t, names.EventClusterTooLarge, plan.Warnings[0].Reason)
		assert.Contains(t, plan.Warnings[0].Message, "64 annotations of vip.capi.gorizond.io")
	}
}

// What a provider says about a claim reaches the condition.
func TestTroubleOfTheProvider(t *testing.T) {
	waiting := func(reason string) vip.Condition {
		return viptest.Condition(vip.Decide(viptest.Snapshot(viptest.WithPools(), viptest.With(held),
			viptest.WithClaim(cp, "cp", created(time.Hour), func(c *vip.Claim) {
				c.Trouble = &vip.Trouble{Reason: reason, Message: "quota of team red"}
			}),
			viptest.WithBound(ingress, "web", "10.0.0.20"))), cp)
	}
	failed := waiting("AllocationFailed")
	assert.Equal(t, names.ReasonWaitingForIPAddress, failed.Reason)
	assert.Equal(t, "claim vip-cp-prod on GlobalInClusterIPPool/cp: AllocationFailed: quota of team red",
		failed.Message)
	assert.Equal(t, names.ReasonPoolExhausted, waiting("PoolExhausted").Reason)
}
