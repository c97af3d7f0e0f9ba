package vip_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestClaimLost(t *testing.T) {
	ready := []string{cpReady, ingressReady}
	conflict := []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady}
	recreated := func(address string) viptest.Option {
		return options(viptest.Served(), without(cp), viptest.WithBound(cp, "cp", address, created(0)))
	}
	scenarios{
		"if the claim is lost, should make it again": {
			given:   []viptest.Option{viptest.Served(), without(cp)},
			actions: []string{"create vip-cp-prod from cp"}, conditions: ready, recheck: 3 * time.Second,
		},
		"if the claim is lost and its pool no longer serves the Cluster, should keep the VIP and say so": {
			given: []viptest.Option{
				viptest.Served(), without(cp), func(s *vip.Snapshot) { s.Pools = s.Pools[1:] },
			},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound", ingressReady},
		},
		"if the same address comes back, should be content": {
			given: []viptest.Option{recreated("10.0.0.10")}, actions: []string{"record vip-cp-prod"}, conditions: ready,
		},
		"if another address comes, should not overwrite the endpoint": {
			given: []viptest.Option{recreated("10.0.0.11")}, conditions: conflict,
		},
		"if another address came and the conflict is said, should stay with it": {
			given: []viptest.Option{recreated("10.0.0.11"), carried}, conditions: conflict,
		},
		"if another address came and the annotation was removed, should put the endpoint in use there": {
			given:   []viptest.Option{recreated("10.0.0.11"), viptest.With(annotation(cp, ""))},
			actions: []string{"restore control-plane=10.0.0.10"}, conditions: conflict,
		},
		"if another address comes for ingress, should follow it": {
			given: []viptest.Option{
				viptest.Served(), without(ingress), viptest.WithBound(ingress, "web", "10.0.0.21", created(0)),
			},
			actions: []string{"annotate ingress=10.0.0.21"}, conditions: ready,
		},
		"if a claim is being deleted by hand, should wait for its end and not make another": {
			given: []viptest.Option{viptest.Served(), claim(cp, dying(0))}, conditions: ready, recheck: 3 * time.Second,
		},
	}.run(t)
}

func TestAdoption(t *testing.T) {
	served := options(viptest.WithPools(), viptest.With(held, host("192.0.2.7", 6443)))
	adopts := []string{"adopt vip-ingress-prod", "annotate ingress=10.0.0.20"}
	ready := []string{cpProvided, ingressReady}
	conflict := []string{cpProvided, "IngressVIPReady=false ClaimConflict"}
	scenarios{
		"if nobody owns the claim and its pool serves the Cluster, should adopt it and write its address": {
			given:   []viptest.Option{served, viptest.WithBound(ingress, "web", "10.0.0.20", orphan)},
			actions: adopts, conditions: ready,
		},
		"if that claim waits, should adopt it and wait": {
			given:   []viptest.Option{served, viptest.WithClaim(ingress, "web", orphan, created(time.Second))},
			actions: []string{"adopt vip-ingress-prod"}, recheck: 2 * time.Second,
		},
		"if the Cluster is new to us, should put the finalizer on with the address that it writes": {
			given: []viptest.Option{
				served, viptest.With(func(c *vip.Cluster) { c.HasFinalizer = false }),
				viptest.WithBound(ingress, "web", "10.0.0.20", orphan),
			},
			actions:    []string{"adopt vip-ingress-prod", "finalizer on", "annotate ingress=10.0.0.20"},
			conditions: ready,
		},
		"if its pool does not serve the Cluster and its address is the Cluster's, should adopt it": {
			given: []viptest.Option{
				served, viptest.With(annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "former", "10.0.0.20", orphan),
			},
			actions: []string{"adopt vip-ingress-prod", "record vip-ingress-prod"}, conditions: ready,
		},
		"if no pool serves a role of the Cluster's own any more and the address is the Cluster's, should adopt it": {
			given: []viptest.Option{
				served, viptest.With(annotation("storage", "10.0.0.30")),
				viptest.WithBound("storage", "former", "10.0.0.30", orphan),
			},
			actions: []string{"adopt vip-storage-prod", "create vip-ingress-prod from web", "record vip-storage-prod"},
			recheck: 3 * time.Second,
		},
		"if its pool does not serve the Cluster and it is about to be told the Cluster's address, " +
			"as after a restore, should adopt it": {
			given: []viptest.Option{
				served, viptest.With(annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "former", "10.0.0.20", orphan), claim(ingress, untold),
			},
			actions:    []string{"adopt vip-ingress-prod"},
			conditions: []string{cpProvided, "IngressVIPReady=false WaitingForIPAddress"},
		},
		"if it is about to be told its address and no pool serves the Cluster any more, should wait for that": {
			given: []viptest.Option{
				viptest.With(held, host("192.0.2.7", 6443), annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "web", "10.0.0.20"), claim(ingress, untold),
			},
			conditions: []string{"IngressVIPReady=false WaitingForIPAddress"},
		},
		"if it is about to be told its address and its pool is full, should wait for that": {
			given: []viptest.Option{
				viptest.WithPool("web", ingress, viptest.Full),
				viptest.With(held, host("192.0.2.7", 6443), annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "web", "10.0.0.20"), claim(ingress, untold),
			},
			conditions: []string{"IngressVIPReady=false WaitingForIPAddress"},
		},
		"if its pool does not serve the Cluster and the address was made for another claim, should not touch it": {
			given: []viptest.Option{
				served, viptest.With(annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "former", "10.0.0.20", orphan),
				address(ingress, func(a *vip.Address) { a.Claim = "theirs" }),
			},
			conditions: conflict,
		},
		"if its address is the endpoint of the Cluster, should adopt it": {
			given: []viptest.Option{
				viptest.WithPool("web", ingress), viptest.WithBound(cp, "former", "10.0.0.10", orphan),
				viptest.With(held, host("10.0.0.10", 6443)),
			},
			actions: []string{
				"create vip-ingress-prod from web", "adopt vip-cp-prod", "annotate control-plane=10.0.0.10",
				"record vip-cp-prod",
			},
			recheck: 3 * time.Second,
		},
		"if its pool does not serve the Cluster, should not touch it": {
			given:      []viptest.Option{served, viptest.WithBound(ingress, "former", "10.0.0.20", orphan)},
			conditions: conflict,
		},
		"if its pool does not serve the Cluster and it waits, should not touch it": {
			given: []viptest.Option{served, viptest.WithClaim(ingress, "former", orphan)}, conditions: conflict,
		},
		"if it belongs to another object, should not touch it": {
			given: []viptest.Option{
				served, viptest.WithBound(ingress, "web", "10.0.0.20", owner("Machine", "prod", "x")),
			},
			conditions: conflict,
		},
		"if it belongs to another Cluster, should not touch it": {
			given: []viptest.Option{
				served, viptest.WithBound(ingress, "web", "10.0.0.20", owner("Cluster", "other", "x")),
			},
			conditions: conflict,
		},
		"if it belongs to a former Cluster of this name, should wait until it is collected": {
			given: []viptest.Option{
				served, viptest.WithBound(ingress, "web", "10.0.0.20", owner("Cluster", viptest.ClusterName, "former")),
			},
			conditions: []string{cpProvided, "IngressVIPReady=false WaitingForIPAddress"},
		},
		"if a former Cluster's claim is new, should not say so yet": {
			given: []viptest.Option{
				served, viptest.WithClaim(ingress, "web", owner("Cluster", viptest.ClusterName, "former"),
					created(time.Second)),
			},
			recheck: 2 * time.Second,
		},
		"if a claim that nobody owns is being deleted, should wait for its end": {
			given: []viptest.Option{
				served, viptest.WithBound(ingress, "web", "10.0.0.20", orphan, dying(time.Minute)),
			},
			conditions: []string{cpProvided, "IngressVIPReady=false WaitingForIPAddress"},
		},
	}.run(t)
}

func TestReplace(t *testing.T) {
	local := viptest.Local(viptest.Namespace)
	otherClass := classes(vip.Class{Name: "vsphere"})
	with := func(more ...viptest.Option) []viptest.Option {
		return append([]viptest.Option{viptest.With(held, host("192.0.2.7", 6443))}, more...)
	}
	waits := []string{"IngressVIPReady=false WaitingForIPAddress"}
	full := []string{"IngressVIPReady=false PoolExhausted"}
	scenarios{
		"if the claim's pool has free addresses, should stay": {
			given: with(viptest.WithPool("b", ingress), viptest.WithClaim(ingress, "b"),
				viptest.WithPool("a", ingress)),
			conditions: waits,
		},
		"if the claim's pool is full and another is not, should move": {
			given: with(viptest.WithPool("a", ingress, viptest.Full), viptest.WithClaim(ingress, "a"),
				viptest.WithPool("b", ingress)),
			actions: []string{"replace vip-ingress-prod from b"}, conditions: waits,
		},
		"if the claim's pool became full a moment ago, should see first whether the claim got the last address": {
			given: with(viptest.WithClaim(ingress, "a"), viptest.WithPool("b", ingress),
				viptest.WithPool("a", ingress, viptest.Full, func(p *vip.Pool) {
					p.LastServed = viptest.Ago(time.Second)
				})),
			recheck: 2 * time.Second,
		},
		"if the claim is new and its pool looks full, should see first whether the claim got the last address": {
			given: with(viptest.WithClaim(ingress, "a", created(time.Second)), viptest.WithPool("b", ingress),
				viptest.WithPool("a", ingress, viptest.Full)),
			recheck: 2 * time.Second,
		},
		"if all pools are full, should stay": {
			given: with(viptest.WithPool("a", ingress, viptest.Full), viptest.WithClaim(ingress, "b"),
				viptest.WithPool("b", ingress, viptest.Full)),
			conditions: full,
		},
		"if the claim's pool of the namespace is full, should not move to a global one": {
			given: with(viptest.WithPool("a", ingress, local, viptest.Full), viptest.WithPool("b", ingress),
				viptest.WithClaim(ingress, "a", func(c *vip.Claim) { c.Pool = viptest.LocalRef("a") })),
			conditions: full,
		},
		"if the claim's pool serves the Cluster no more, should move": {
			given: with(viptest.WithPool("a", ingress, otherClass), viptest.WithClaim(ingress, "a"),
				viptest.WithPool("b", ingress)),
			actions: []string{"replace vip-ingress-prod from b"}, conditions: waits,
		},
		"if the claim's pool is gone, should move": {
			given:   with(viptest.WithClaim(ingress, "a"), viptest.WithPool("b", ingress)),
			actions: []string{"replace vip-ingress-prod from b"}, conditions: waits,
		},
		"if a pool of the namespace came, should move to it": {
			given: with(viptest.WithPool("a", ingress), viptest.WithClaim(ingress, "a"),
				viptest.WithPool("b", ingress, local)),
			actions: []string{"replace vip-ingress-prod from b"}, conditions: waits,
		},
		"if no pool serves the Cluster any more, should stay and say so": {
			given:      with(viptest.WithPool("a", ingress, otherClass), viptest.WithClaim(ingress, "a")),
			conditions: []string{"IngressVIPReady=false PoolNotFound"},
		},
		"if the claim is bound, should never move": {
			given: with(viptest.WithPool("a", ingress, otherClass), viptest.WithPool("b", ingress),
				viptest.With(annotation(ingress, "10.0.0.20")),
				viptest.WithBound(ingress, "a", "10.0.0.20"), viptest.Recorded),
			conditions: []string{ingressReady},
		},
		"if the claim is in deletion, should wait and not replace it twice": {
			given: with(viptest.WithPool("a", ingress, viptest.Full), viptest.WithPool("b", ingress),
				viptest.WithClaim(ingress, "a", dying(0))),
			recheck: 3 * time.Second,
		},
	}.run(t)
}

func TestReplaceIsBoundToWhatWasSeen(t *testing.T) {
	plan := vip.Decide(
		viptest.Snapshot(viptest.With(held), viptest.WithPool("b", ingress), viptest.WithClaim(ingress, "a")),
	)
	for _, action := range plan.Actions {
		if replace, ok := action.(vip.ReplaceClaim); ok {
			assert.Equal(t, viptest.Claim(ingress, "a"), replace.Claim, "UID and resourceVersion are the precondition")
			return
		}
	}
	t.Fatalf("no claim is replaced: %s", plan)
}

func TestClaimWithAStrangeRole(t *testing.T) {
	relabelled := func(role string) viptest.Option { return claim(ingress, func(c *vip.Claim) { c.Role = role }) }
	for _, role := range []string{"", "Not_A_Role", "priority", "release"} {
		t.Run("label "+role, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(viptest.Served(), relabelled(role)))
			assert.True(t, plan.Empty(), "a claim is known by its name: %s", plan)
			plan = vip.Decide(viptest.Snapshot(viptest.Served(), relabelled(role), viptest.With(deleting)))
			assert.Equal(t, []string{"ControlPlaneVIPReady=false Releasing", "IngressVIPReady=false Releasing"},
				viptest.Conditions(plan))
			plan = vip.Decide(viptest.Snapshot(viptest.Served(), relabelled(role),
				viptest.With(deleting, func(c *vip.Cluster) { c.InUse = false })))
			assert.Equal(t, []string{"delete vip-cp-prod", "delete vip-ingress-prod"}, viptest.Brief(plan))
		})
	}
}

func TestClaimInTheWayOfNothing(t *testing.T) {
	foreign := viptest.WithClaim(cp, "cp", owner("Machine", "m", "uid-m"))
	scenarios{
		"if no pool serves the Cluster, should say that and not speak of a claim that it does not need": {
			given:      []viptest.Option{foreign},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound"},
		},
		"if a pool of the namespace matches too, should adopt an orphan on a global pool that serves the Cluster": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.WithPool("own", ingress, viptest.Local("tenant")),
				viptest.With(held, host("192.0.2.7", 6443)), viptest.WithBound(ingress, "web", "10.0.0.20", orphan),
			},
			actions:    []string{"adopt vip-ingress-prod", "annotate ingress=10.0.0.20"},
			conditions: []string{cpProvided, ingressReady},
		},
		"if the label of a claim was changed by hand, should go by its name": {
			given:      []viptest.Option{viptest.Served(), claim(ingress, func(c *vip.Claim) { c.Role = "storage" })},
			conditions: []string{cpReady, ingressReady},
		},
		"if the provider has an address for the claim and has not told it, should not move the claim": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, viptest.Full), viptest.WithPool("more", cp), viptest.With(held),
				viptest.WithBound(cp, "cp", "10.0.0.10", created(time.Hour)), func(s *vip.Snapshot) {
					s.Claims[0].Address = ""
				},
			},
			conditions: []string{
				"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound",
			},
		},
	}.run(t)
}

// What shows that an endpoint is ours must outlast the condition that says so, or the next decision takes it for
// someone else's (found by CHAOS_SEED=4146445625).
func TestHostThatIsOursStaysOurs(t *testing.T) {
	changed := options(viptest.Served(), viptest.With(annotation(cp, "by-hand")))
	noPool := func(s *vip.Snapshot) {
		s.Pools = slices.DeleteFunc(s.Pools, func(p vip.Pool) bool { return p.Ref.Name == "cp" })
	}
	scenarios{
		"if claim, pool and annotation are lost together, should restore the annotation with the word that says so": {
			given:      []viptest.Option{changed, without(cp), noPool},
			actions:    []string{"restore control-plane=10.0.0.10"},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound", ingressReady},
		},
		"if that was written, should say the same again": {
			given: []viptest.Option{
				viptest.Served(), without(cp), noPool, viptest.With(func(c *vip.Cluster) {
					c.Conditions[0].True, c.Conditions[0].Reason = false, names.ReasonPoolNotFound
				}),
			},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound", ingressReady},
		},
		"if the claim is lost and a pool is there, should restore the annotation and make a new one": {
			given:   []viptest.Option{changed, without(cp)},
			actions: []string{"create vip-cp-prod from cp", "restore control-plane=10.0.0.10"},
			recheck: 3 * time.Second, conditions: []string{cpReady, ingressReady},
		},
		"if the claim is in deletion, should restore the annotation": {
			given:   []viptest.Option{changed, claim(cp, dying(0))},
			actions: []string{"restore control-plane=10.0.0.10"}, recheck: 3 * time.Second,
			conditions: []string{cpReady, ingressReady},
		},
		"if the host was changed as well, should not take it for someone else's all the same": {
			given:   []viptest.Option{changed, without(cp), viptest.With(host("192.0.2.7", 6443))},
			actions: []string{"create vip-cp-prod from cp", "restore control-plane=192.0.2.7"},
			recheck: 3 * time.Second, conditions: []string{cpReady, ingressReady},
		},
	}.run(t)
}

// A withheld condition does not delay the report of another role's trouble.
func TestTroubleIsSaidAtOnce(t *testing.T) {
	scenarios{
		"if ingress is in conflict while the endpoint is on its way, " +
			"should say the conflict and leave the other as it is": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held), viptest.WithClaim(cp, "cp", created(0)),
				viptest.WithBound(ingress, "web", "10.0.0.20"),
				viptest.WithHolder("10.0.0.20", "a", "spec.controlPlaneEndpoint"),
			},
			conditions: []string{"IngressVIPReady=false AddressConflict"}, recheck: 3 * time.Second,
		},
	}.run(t)
}
