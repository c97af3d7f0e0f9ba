package vip_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// A message says what to do next, and names pools and claims.
func TestMessages(t *testing.T) {
	with := func(more ...viptest.Option) []viptest.Option {
		return append([]viptest.Option{viptest.With(held)}, more...)
	}
	tests := map[string]struct {
		given  []viptest.Option
		role   string
		reason string
		says   []string
	}{
		"PoolNotFound": {
			role: cp, reason: names.ReasonPoolNotFound,
			says: []string{
				"bare-metal", "tenant", "vip.capi.gorizond.io/cluster-class=bare-metal",
				"vip.capi.gorizond.io/role=control-plane",
			},
		},
		"PoolNotFound with a VIP in use": {
			given: with(viptest.With(annotation(ingress, "10.0.0.20"))), role: ingress,
			reason: names.ReasonPoolNotFound,
			says:   []string{"10.0.0.20", "no claim holds it", "vip.capi.gorizond.io/role=ingress"},
		},
		"PoolNotFound with a claim that waits": {
			given: with(viptest.WithClaim(ingress, "former")), role: ingress, reason: names.ReasonPoolNotFound,
			says: []string{"vip-ingress-prod", "GlobalInClusterIPPool/former", "vip.capi.gorizond.io/role=ingress"},
		},
		"PoolExhausted": {
			given: with(viptest.WithClaim(cp, "a"), viptest.WithPool("a", cp, viptest.Full),
				viptest.WithPool("b", cp, viptest.Full)),
			role: cp, reason: names.ReasonPoolExhausted,
			says: []string{
				"GlobalInClusterIPPool/a (10 addresses)", "GlobalInClusterIPPool/b (10 addresses)", "add addresses",
			},
		},
		"WaitingForIPAddress": {
			given: with(viptest.WithClaim(cp, "a"), viptest.WithPool("a", cp)), role: cp,
			reason: names.ReasonWaitingForIPAddress,
			says:   []string{"vip-cp-prod", "GlobalInClusterIPPool/a", "paused"},
		},
		"WaitingForIPAddress with an address that is not there": {
			given: with(viptest.WithClaim(cp, "a", func(c *vip.Claim) { c.Address = "lost" })), role: cp,
			reason: names.ReasonWaitingForIPAddress,
			says:   []string{"vip-cp-prod", "lost"},
		},
		"WaitingForIPAddress with a claim in deletion": {
			given: with(viptest.WithClaim(cp, "a", dying(time.Minute))), role: cp,
			reason: names.ReasonWaitingForIPAddress,
			says:   []string{"vip-cp-prod", "being deleted"},
		},
		"AddressConflict with an address made for another claim": {
			given: with(viptest.WithBound(cp, "a", "10.0.0.10"), address(cp, func(a *vip.Address) {
				a.Claim = "theirs"
			})),
			role: cp, reason: names.ReasonAddressConflict, says: []string{"vip-cp-prod", "theirs", "delete the claim"},
		},
		"AddressConflict with no address": {
			given: with(viptest.WithBound(cp, "a", "10.0.0.300")), role: cp, reason: names.ReasonAddressConflict,
			says: []string{"vip-cp-prod", `"10.0.0.300"`, "correct the pool"},
		},
		"ClaimConflict with an owner": {
			given: with(viptest.WithPool("cp", cp), viptest.WithClaim(cp, "cp", owner("Machine", "m-1", "x"))),
			role:  cp, reason: names.ReasonClaimConflict,
			says: []string{"vip-cp-prod", "Machine m-1"},
		},
		"ClaimConflict with a foreign pool": {
			given: with(viptest.WithPool("cp", cp), viptest.WithClaim(cp, "theirs", orphan)), role: cp,
			reason: names.ReasonClaimConflict,
			says:   []string{"vip-cp-prod", "GlobalInClusterIPPool/theirs", "bare-metal"},
		},
		"EndpointProvided": {
			given: with(viptest.WithPools(), viptest.With(host("api.example.com", 443)),
				viptest.WithBound(ingress, "web", "10.0.0.20")),
			role: cp, reason: names.ReasonEndpointProvided, says: []string{"api.example.com"},
		},
		"IPAddressAssigned": {
			given: with(viptest.WithPool("a", cp), viptest.WithBound(cp, "a", "10.0.0.10")), role: cp,
			reason: names.ReasonIPAddressAssigned,
			says:   []string{"10.0.0.10", "GlobalInClusterIPPool/a", "vip-cp-prod"},
		},
		"Releasing": {
			given: []viptest.Option{viptest.Served(), viptest.With(deleting)}, role: cp, reason: names.ReasonReleasing,
			says: []string{"Cluster API"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := viptest.Condition(vip.Decide(viptest.Snapshot(tt.given...)), tt.role)
			require.Equal(t, tt.reason, got.Reason)
			for _, word := range tt.says {
				assert.Contains(t, got.Message, word)
			}
		})
	}
}

// A Cluster is told that its class does not exist, whatever pools there are, and gets its claims all the same.
func TestMissingClass(t *testing.T) {
	noClass := func(s *vip.Snapshot) { s.ClusterClass = nil }
	for name, test := range map[string]struct {
		given        []viptest.Option
		reason, want string
	}{
		"if no pool is for it, should not ask for a label": {
			nil, names.ReasonPoolNotFound,
			"ClusterClass tenant/bare-metal does not exist; create it, or correct the Cluster's spec.topology",
		},
		"if a closed pool is for it, should not speak of that": {
			[]viptest.Option{viptest.WithPool("cp", cp, func(p *vip.Pool) { p.Closed = true })},
			names.ReasonPoolNotFound,
			"ClusterClass tenant/bare-metal does not exist; create it, or correct the Cluster's spec.topology",
		},
		"if an address is there, should say what it waits for": {
			[]viptest.Option{
				viptest.WithPools(), viptest.WithBound(cp, "cp", "10.0.0.10"),
				viptest.WithBound(ingress, "web", "10.0.0.20"),
			},
			names.ReasonWaitingForTopology,
			"10.0.0.10 is allocated; ClusterClass tenant/bare-metal does not exist, " +
				"create it or correct the Cluster's spec.topology",
		},
	} {
		t.Run(name, func(t *testing.T) {
			condition := viptest.Condition(vip.Decide(viptest.Snapshot(append(test.given, noClass)...)), cp)
			assert.Equal(t, test.reason, condition.Reason)
			assert.Equal(t, test.want, condition.Message)
		})
	}
}

func TestMessageStaysShort(t *testing.T) {
	given := []viptest.Option{viptest.With(held), viptest.WithClaim(cp, "pool-000")}
	for i := range 500 {
		given = append(given,
			viptest.WithPool(fmt.Sprintf("pool-%03d-%s", i, strings.Repeat("x", 240)), cp, viptest.Full))
	}
	plan := vip.Decide(viptest.Snapshot(append(given, viptest.WithPool("pool-000", cp, viptest.Full))...))
	got := viptest.Condition(plan, cp)
	require.Equal(t, names.ReasonPoolExhausted, got.Reason)
	assert.Less(t, len(got.Message), 10000)
	assert.Contains(t, got.Message, "GlobalInClusterIPPool/pool-000 ")
	assert.Contains(t, got.Message, "more")
}

func TestMessageOfOthersIsCut(t *testing.T) {
	trouble := func(c *vip.Claim) {
		c.Trouble = &vip.Trouble{Reason: "Broken", Message: "the appliance said: " + strings.Repeat("ä", 40000)}
	}
	got := viptest.Condition(vip.Decide(viptest.Snapshot(viptest.With(held), viptest.WithPool("cp", cp),
		viptest.WithClaim(cp, "cp", trouble))), cp)
	assert.Equal(t, names.ReasonWaitingForIPAddress, got.Reason)
	assert.Contains(t, got.Message, "Broken: the appliance said: ä")
	assert.True(t, strings.HasSuffix(got.Message, "ä..."), "cut between two characters")
	assert.LessOrEqual(t, len(got.Message), 4096)
	assert.True(t, utf8.ValidString(got.Message))
}

func TestConditionTimes(t *testing.T) {
	since := func(plan vip.Plan) time.Time { return viptest.Condition(plan, cp).Since }
	t.Run("if a condition is new, should be of now", func(t *testing.T) {
		assert.Equal(t, viptest.Now, since(vip.Decide(viptest.Snapshot())))
	})
	t.Run("if only the reason changes, should keep the time", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.With(condition(cp, false, "PoolExhausted"))))
		assert.Equal(t, viptest.Ago(time.Minute), since(plan))
		assert.True(t, plan.Status.Changed)
	})
	t.Run("if the truth changes, should be of now", func(t *testing.T) {
		assert.Equal(t, viptest.Now, since(vip.Decide(viptest.Snapshot(viptest.Served(), viptest.With(deleting)))))
	})
}

func TestChanges(t *testing.T) {
	types := func(plan vip.Plan) []string {
		got := []string{}
		for _, change := range plan.Status.Changes {
			got = append(got, change.Role+" "+change.Reason)
		}
		return got
	}
	first := func(change func(*vip.Condition)) viptest.Option {
		return viptest.With(func(c *vip.Cluster) {
			c.Conditions = append([]vip.Condition{}, c.Conditions...)
			change(&c.Conditions[0])
		})
	}
	t.Run("if a reason changes, should be a change", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), first(func(c *vip.Condition) {
			c.Reason = "AddressConflict"
		})))
		assert.Equal(t, []string{"control-plane IPAddressAssigned"}, types(plan))
	})
	t.Run("if only a message changes, should be written and be no change", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), first(func(c *vip.Condition) { c.Message = "edited" })))
		assert.True(t, plan.Status.Changed)
		assert.Empty(t, types(plan))
	})
	t.Run("if a condition of a former role is left, should be withdrawn", func(t *testing.T) {
		plan := vip.Decide(
			viptest.Snapshot(viptest.Served(), viptest.With(condition("storage", false, "PoolExhausted"))),
		)
		assert.True(t, plan.Status.Changed)
		assert.Equal(t, []string{cpReady, ingressReady}, viptest.Conditions(plan))
	})
	t.Run("if the conditions stand in another order, should be content", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), viptest.With(func(c *vip.Cluster) {
			c.Conditions = []vip.Condition{c.Conditions[1], c.Conditions[0]}
		})))
		assert.True(t, plan.Empty())
	})
}

func TestWaiting(t *testing.T) {
	tests := map[string]struct {
		given []viptest.Option
		want  bool
	}{
		"if a claim waits, should wait": {
			[]viptest.Option{viptest.With(held), viptest.WithClaim(cp, "a"), viptest.WithPool("a", cp)}, true,
		},
		"if an address is in conflict, should wait": {
			[]viptest.Option{viptest.Served(), viptest.With(host("192.0.2.7", 1))}, true,
		},
		"if all is there, should not wait":               {[]viptest.Option{viptest.Served()}, false},
		"if no pool serves the Cluster, should not wait": {nil, false},
		"if no pool serves ingress, should not wait for it": {
			[]viptest.Option{viptest.WithPool("a", cp), viptest.With(held), viptest.WithBound(cp, "a", "10.0.0.10")},
			false,
		},
		"if Cluster API has yet to finish, should wait for it": {
			[]viptest.Option{viptest.Served(), viptest.With(deleting)}, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, vip.Decide(viptest.Snapshot(tt.given...)).Status.Waiting)
		})
	}
}

func TestPlanString(t *testing.T) {
	plan := vip.Decide(
		viptest.Snapshot(viptest.WithPool("a", cp), viptest.With(held), viptest.WithBound(cp, "a", "fd00::10")),
	)
	assert.Equal(t, `set annotation control-plane=fd00::10: claim vip-cp-prod is bound
set endpoint [fd00::10]:6443: claim vip-cp-prod is bound
condition ControlPlaneVIPReady=true IPAddressAssigned: fd00::10 from GlobalInClusterIPPool/a by claim vip-cp-prod
`, firstLines(plan.String(), 3))
}

func firstLines(text string, n int) string {
	return strings.Join(strings.SplitAfter(text, "\n")[:n], "")
}
