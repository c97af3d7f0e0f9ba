package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestRelease(t *testing.T) {
	inUse := viptest.With(deleting)
	done := viptest.With(deleting, func(c *vip.Cluster) { c.InUse = false })
	releasing := []string{"ControlPlaneVIPReady=false Releasing", "IngressVIPReady=false Releasing"}
	keeps := func(pool string) viptest.Option {
		return func(s *vip.Snapshot) {
			for i := range s.Pools {
				if s.Pools[i].Ref.Name == pool {
					s.Pools[i].KeepsReleased = true
				}
			}
		}
	}
	scenarios{
		"if deletion is requested, should say so and keep the claims": {
			given: []viptest.Option{viptest.Served(), inUse}, conditions: releasing,
		},
		"if that was said, should do nothing until Cluster API has finished": {
			given: []viptest.Option{viptest.Served(), inUse, carried}, conditions: releasing,
		},
		"if Cluster API has finished, should delete the claims": {
			given:   []viptest.Option{viptest.Served(), done},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, conditions: releasing,
		},
		"if one claim is gone and one is in deletion, should wait for it": {
			given:      []viptest.Option{viptest.Served(), done, without(cp), claim(ingress, dying(time.Second))},
			conditions: releasing,
		},
		"if one claim is in deletion, should delete the other": {
			given:   []viptest.Option{viptest.Served(), done, claim(cp, dying(time.Second))},
			actions: []string{"delete vip-ingress-prod"}, conditions: releasing,
		},
		"if all claims are gone, should take the finalizer off": {
			given:   []viptest.Option{viptest.Served(), done, without(cp), without(ingress)},
			actions: []string{"finalizer off"},
		},
		"if a claim waits for its address, should delete it as well": {
			given:   []viptest.Option{viptest.WithPools(), viptest.With(held), done, viptest.WithClaim(cp, "cp")},
			actions: []string{"delete vip-cp-prod"}, conditions: []string{"ControlPlaneVIPReady=false Releasing"},
		},
		"if nothing was claimed yet, should take the finalizer off": {
			given:   []viptest.Option{viptest.WithPools(), viptest.With(held), done},
			actions: []string{"finalizer off"},
		},
		"if a claim stays in deletion for the grace period of its pool, should not wait for it": {
			given: []viptest.Option{
				viptest.Served(), done, keeps("cp"), without(ingress), claim(cp, dying(time.Second)),
			},
			actions: []string{"finalizer off"},
		},
		"if a pool has a grace period, should still delete its claim first": {
			given:   []viptest.Option{viptest.Served(), done, keeps("cp"), without(ingress)},
			actions: []string{"delete vip-cp-prod"}, conditions: releasing,
		},
		"if one pool has a grace period and the other has none, should wait for the other": {
			given: []viptest.Option{
				viptest.Served(), done, keeps("cp"), claim(cp, dying(time.Second)), claim(ingress, dying(time.Second)),
			},
			conditions: releasing,
		},
		"if the claim at our name is someone else's, should leave it to them": {
			given: []viptest.Option{
				viptest.Served(), done, claim(cp, owner("Cluster", "other", "x")), without(ingress),
			},
			actions: []string{"finalizer off"},
		},
		"if nobody owns the claims any more, should delete those that a living Cluster would adopt": {
			given:   []viptest.Option{viptest.Served(), done, claim(cp, orphan), claim(ingress, orphan)},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, conditions: releasing,
		},
		"if nobody owns the claims any more and the pools are gone, should know its own by the address": {
			given: []viptest.Option{
				viptest.Served(), done, claim(cp, orphan), claim(ingress, orphan), func(s *vip.Snapshot) {
					s.Pools = nil
				},
			},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, conditions: releasing,
		},
		"if nobody owns a claim in deletion, its pool serves others and its address went before it, " +
			"should wait for it": {
			given: []viptest.Option{
				viptest.Served(), done, without(cp), claim(ingress, orphan), claim(ingress, dying(time.Second)),
				func(s *vip.Snapshot) { s.Pools, s.Addresses = nil, nil },
			},
			conditions: releasing,
		},
		"if nobody owns a claim in deletion of a role without a VIP, should not wait for it": {
			given: []viptest.Option{
				viptest.Served(), done, without(cp), without(ingress),
				viptest.WithClaim("storage", "foreign", orphan, dying(time.Second)),
			},
			actions: []string{"finalizer off"},
		},
		"if nobody owns a claim that waits, should delete it": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held), done, viptest.WithClaim(cp, "cp", orphan),
			},
			actions: []string{"delete vip-cp-prod"}, conditions: []string{"ControlPlaneVIPReady=false Releasing"},
		},
		"if nobody owns the claims and machines live, should keep them": {
			given:      []viptest.Option{viptest.Served(), inUse, claim(cp, orphan), claim(ingress, orphan)},
			conditions: releasing,
		},
		"if nobody owns the claim at our name and it is not one to adopt, should leave it": {
			given: []viptest.Option{
				viptest.Served(), done, claim(cp, orphan), claim(cp, fromPool("foreign")), without(ingress),
				viptest.With(host("192.0.2.7", 6443)),
			},
			actions: []string{"finalizer off"},
		},
		"if nobody owns the claim at our name and it is for no role, should leave it": {
			given: []viptest.Option{
				viptest.Served(), done, claim(cp, orphan), claim(cp, func(c *vip.Claim) { c.Role = "" }),
				without(ingress),
			},
			actions: []string{"finalizer off"},
		},
		"if the claims were collected early, should say that the VIPs stay in use": {
			given: []viptest.Option{viptest.Served(), inUse, without(cp), without(ingress)}, conditions: releasing,
		},
		"if the endpoint was provided by someone else, should speak of ingress alone": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held, host("192.0.2.7", 6443)),
				viptest.WithBound(ingress, "web", "10.0.0.20"), carried, inUse,
			},
			conditions: []string{"IngressVIPReady=false Releasing"},
		},
		"if the finalizer is not on, should leave all to the garbage collector": {
			given: []viptest.Option{
				viptest.Served(), done, viptest.With(func(c *vip.Cluster) { c.HasFinalizer = false }),
			},
		},
		"if the finalizer is not on and nobody owns a claim that was never written, should delete it": {
			given: []viptest.Option{
				viptest.WithPools(), inUse, viptest.WithClaim(cp, "cp", orphan),
				viptest.WithBound(ingress, "web", "10.0.0.20", orphan),
			},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"},
		},
		"if the finalizer is not on and nobody owns the claim of a VIP that is carried, should keep it": {
			given: []viptest.Option{
				viptest.Served(), inUse, claim(cp, orphan), claim(ingress, orphan), viptest.With(func(c *vip.Cluster) {
					c.HasFinalizer = false
				}),
			},
		},
		"if the Cluster owns a claim that is not the allocator's, should leave it to the garbage collector": {
			given: []viptest.Option{
				viptest.Served(), done, without(cp), without(ingress),
				viptest.WithClaim("", "foreign", func(c *vip.Claim) { c.Name = "lb-range-prod" }),
			},
			actions: []string{"finalizer off"},
		},
		"if the role label of a claim was taken off, should still know it by its name": {
			given: []viptest.Option{
				viptest.Served(), done, without(cp), claim(ingress, func(c *vip.Claim) { c.Role = "" }),
			},
			actions: []string{"delete vip-ingress-prod"}, conditions: releasing,
		},
		"if the finalizer is not on and machines live, should do nothing": {
			given: []viptest.Option{
				viptest.Served(), inUse, viptest.With(func(c *vip.Cluster) { c.HasFinalizer = false }),
			},
		},
		"if the topology is gone too, should release all the same": {
			given: []viptest.Option{
				viptest.Served(), done, viptest.With(func(c *vip.Cluster) { c.Class = vip.Class{} }),
			},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, conditions: releasing,
		},
		"if the pools are gone too, should release all the same": {
			given:   []viptest.Option{viptest.Served(), done, func(s *vip.Snapshot) { s.Pools = nil }},
			actions: []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, conditions: releasing,
		},
	}.run(t)
}

func TestReleaseSaysWhatWentBack(t *testing.T) {
	plan := vip.Decide(viptest.Snapshot(viptest.Served(), without(cp), without(ingress),
		viptest.With(deleting, func(c *vip.Cluster) { c.InUse = false })))
	assert.Equal(t, []vip.Action{vip.RemoveFinalizer{
		Released: []string{"10.0.0.10 (control-plane)", "10.0.0.20 (ingress)"},
		Why:      "the claims of the Cluster are released",
	}}, plan.Actions)
}

func TestReleaseThatDoesNotComeAbout(t *testing.T) {
	const usual = "the VIP returns to its pool when Cluster API has finished deleting the Cluster"
	const slow = "claim vip-ingress-prod is being deleted, " +
		"and the IPAM provider of GlobalInClusterIPPool/web has not let go of it; " +
		"see whether it runs, and whether the Cluster or the pool is paused"
	for name, test := range map[string]struct {
		inUse   bool
		deleted time.Duration
		want    string
	}{
		"if the claim was deleted just now, should say the usual":              {false, 29 * time.Second, usual},
		"if the provider does not let go of the claim, should say so":          {false, 30 * time.Second, slow},
		"if the claim was deleted by someone while machines live, should wait": {true, time.Minute, usual},
		"if the API server's clock is ahead, should say so":                    {false, -time.Hour, slow},
	} {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(viptest.Served(), without(cp), claim(ingress, dying(test.deleted)),
				viptest.With(deleting, func(c *vip.Cluster) { c.InUse = test.inUse })))
			messages := map[string]string{}
			for _, condition := range plan.Status.Conditions {
				messages[condition.Type] = condition.Message
			}
			assert.Equal(t, map[string]string{"IngressVIPReady": test.want, "ControlPlaneVIPReady": usual}, messages)
			assert.True(t, plan.Status.Waiting, "it is looked at again")
		})
	}
}

func TestReleaseSaidIsNotSaidAgain(t *testing.T) {
	snapshot := viptest.Snapshot(viptest.Served(), viptest.With(deleting), carried)
	assert.True(t, vip.Decide(snapshot).Empty())
}

func TestSnapshotIsNotChanged(t *testing.T) {
	given := []viptest.Option{
		viptest.Served(), viptest.WithPool("b", ingress), viptest.WithClaim("storage", "b"),
		viptest.With(deleting, func(c *vip.Cluster) { c.InUse = false }),
		func(s *vip.Snapshot) { s.Claims[0], s.Claims[2] = s.Claims[2], s.Claims[0] },
	}
	snapshot := viptest.Snapshot(given...)
	vip.Decide(snapshot)
	assert.Equal(t, viptest.Snapshot(given...), snapshot)
}
