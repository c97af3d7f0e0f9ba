package vip_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// ofAnother makes an IPAddress that of a former claim of the same name.
func ofAnother(a *vip.Address) { a.ClaimUID = "uid-of-former" }

// An IPAddress counts for a claim if the claim owns it, by UID, or if it has no owner.
func TestAddressOfAFormerClaim(t *testing.T) {
	unknown := []string{"ControlPlaneVIPReady=false WaitingForIPAddress", ingressReady}
	scenarios{
		"if the IPAddress is that of a former claim, should wait and write nothing": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10"),
				address(cp, ofAnother),
				viptest.WithBound(ingress, "web", "10.0.0.20"),
			},
			actions: []string{"annotate ingress=10.0.0.20"}, conditions: unknown,
		},
		"if nobody owns the IPAddress, as after a restore, should take it": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10"),
				address(cp, func(a *vip.Address) { a.ClaimUID = "" }),
			},
			actions:    []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			conditions: []string{cpReady, "IngressVIPReady=false PoolNotFound"},
		},
		"if nobody owns it and someone else has the address, should not write it": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10"),
				address(cp, func(a *vip.Address) { a.ClaimUID = "" }),
				viptest.WithAssigned("10.0.0.10", "theirs", vip.Born{At: viptest.Now, Serial: 500}),
			},
			conditions: []string{"ControlPlaneVIPReady=false AddressConflict", "IngressVIPReady=false PoolNotFound"},
		},
		"if another IPAddress names the claim, should go by the claim's own": {
			given: []viptest.Option{
				viptest.Served(), claim(cp, untold), func(s *vip.Snapshot) {
					forged := vip.Address{
						Namespace: viptest.Namespace, Name: "vip-x-prod", Value: "10.0.0.66", Claim: "vip-cp-prod",
					}
					s.Addresses = append([]vip.Address{forged}, s.Addresses...)
				},
			},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", ingressReady},
		},
	}.run(t)
}

// Only what is known to be wrong is deleted.
func TestClaimOfUnknownAddressStays(t *testing.T) {
	unknown := func(s *vip.Snapshot) { s.Addresses = nil }
	noRecord := viptest.With(held, host("10.0.0.10", 6443))
	for name, given := range map[string][]viptest.Option{
		"if the IPAddress is not known yet": {
			viptest.WithPools(), noRecord, viptest.WithBound(cp, "cp", "10.0.0.10"), unknown,
		},
		"if it is known and a former claim's": {
			viptest.WithPools(), noRecord, viptest.WithBound(cp, "cp", "10.0.0.10"), address(cp, ofAnother),
		},
		"if the Cluster is served and nothing known": {viptest.Served(), unknown},
		"if the pool of a new address is not known": {
			viptest.WithPool("other", cp), viptest.With(held), viptest.WithBound(cp, "late", "10.0.0.10"),
		},
		"if all annotations are gone as well": {
			viptest.Served(), viptest.With(func(c *vip.Cluster) { c.VIPs, c.Written = nil, nil }), unknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, action := range vip.Decide(viptest.Snapshot(given...)).Actions {
				assert.IsNotType(t, vip.DeleteClaim{}, action)
				assert.IsNotType(t, vip.ReplaceClaim{}, action)
			}
		})
	}
}

// A late watch of pools is no reason to report a problem, but a watch that stays away is.
func TestPoolOfAnAddressIsNotKnown(t *testing.T) {
	given := func(since time.Duration) []viptest.Option {
		return []viptest.Option{
			viptest.WithPool("other", ingress), viptest.With(held, host("192.0.2.7", 6443)),
			viptest.WithBound(ingress, "late", "10.0.0.20", created(since)),
		}
	}
	scenarios{
		"if the claim is new, should wait": {given: given(time.Second), recheck: 2 * time.Second},
		"if the claim is an hour old, should say so": {
			given: given(time.Hour), conditions: []string{"IngressVIPReady=false ClaimConflict"},
		},
		"if the pool comes, should write the address": {
			given:   append(given(time.Hour), viptest.WithPool("late", ingress)),
			actions: []string{"annotate ingress=10.0.0.20"}, conditions: []string{ingressReady},
		},
	}.run(t)
}

// Conditions are output: whatever becomes of them, a decision stays the same, except that it writes them again.
func TestConditionsDecideNothing(t *testing.T) {
	for name, given := range map[string][]viptest.Option{
		"served":                                {viptest.Served()},
		"served, and an annotation was removed": {viptest.Served(), viptest.With(annotation(ingress, ""))},
		"served, and someone typed its address": {
			viptest.Served(), viptest.With(annotation(ingress, "")),
			viptest.WithHolder("10.0.0.20", "squatter", vip.EndpointField),
		},
		"served, and its claim was lost": {viptest.Served(), without(cp)},
		"served, and its claim came back with another host": {
			viptest.Served(), without(cp), viptest.WithBound(cp, "cp", "10.0.0.11", created(0)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := viptest.Snapshot(given...)
			want := viptest.Brief(vip.Decide(s))
			for _, conditions := range [][]vip.Condition{
				nil,
				{{
					Type: names.ConditionType(cp), True: true, Reason: names.ReasonIPAddressAssigned,
					Message: "10.0.0.11 from GlobalInClusterIPPool/cp by claim vip-cp-prod",
				}},
				{{Type: names.ConditionType(cp), Reason: names.ReasonPoolNotFound}},
			} {
				s.Cluster.Conditions = conditions
				assert.Equal(t, want, viptest.Brief(vip.Decide(s)))
			}
		})
	}
}

// The Cluster records which claim its VIP was written from, so no other Cluster's copy of the VIP prevents restoring
// it. A copied record names a claim of another Cluster.
func TestRecordOfTheClaim(t *testing.T) {
	squatted := viptest.WithHolder("10.0.0.20", "squatter", vip.EndpointField)
	removed := viptest.With(annotation(ingress, ""))
	scenarios{
		"if the annotation is removed and someone typed the address, should restore it": {
			given:      []viptest.Option{viptest.Served(), removed, squatted},
			actions:    []string{"restore ingress=10.0.0.20"},
			conditions: []string{cpReady, ingressReady},
		},
		"if the record is another claim's, should not take the address for written": {
			given: []viptest.Option{viptest.Served(), removed, viptest.With(func(c *vip.Cluster) {
				c.Written = map[string]types.UID{cp: c.Written[cp], ingress: "uid-of-the-original"}
			}), squatted},
			conditions: []string{cpReady, "IngressVIPReady=false AddressConflict"},
		},
		"if there is no record, as of an earlier version, should record what is carried and change nothing": {
			given:      []viptest.Option{viptest.Served(), viptest.With(unrecorded)},
			actions:    []string{"record vip-cp-prod", "record vip-ingress-prod"},
			conditions: []string{cpReady, ingressReady},
		},
		"if there is none and someone typed the address, should record it all the same": {
			given:      []viptest.Option{viptest.Served(), viptest.With(unrecorded), squatted},
			actions:    []string{"record vip-cp-prod", "record vip-ingress-prod"},
			conditions: []string{cpReady, ingressReady},
		},
		"if there is none and an earlier claim has the address, should not": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(unrecorded),
				viptest.WithAssigned("10.0.0.20", "theirs", vip.Born{At: viptest.Ago(0).Add(-1e12)}),
			},
			actions:    []string{"record vip-cp-prod"},
			conditions: []string{cpReady, "IngressVIPReady=false AddressConflict"},
		},
	}.run(t)
}

// A tenant that makes a claim by hand, with an ownerReference to its Cluster, gets nothing from a pool that is not for
// it.
func TestForgedOwner(t *testing.T) {
	theirs := viptest.WithPool("theirs", cp, func(p *vip.Pool) { p.Namespaces = []string{"other"} })
	mine := viptest.WithPool("mine", cp, viptest.Local(viptest.Namespace))
	forged := viptest.WithBound(cp, "theirs", "10.9.9.9")
	noIngress := "IngressVIPReady=false PoolNotFound"
	scenarios{
		"if a pool serves the Cluster, should replace the claim": {
			given:      []viptest.Option{theirs, mine, viptest.With(held), forged},
			actions:    []string{"replace vip-cp-prod from mine"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", noIngress},
		},
		"if no pool serves the Cluster, should write nothing": {
			given:      []viptest.Option{theirs, viptest.With(held), forged},
			conditions: []string{"ControlPlaneVIPReady=false ClaimConflict", noIngress},
		},
		"if the pool is not even known, should write nothing": {
			given:      []viptest.Option{viptest.With(held), forged},
			conditions: []string{"ControlPlaneVIPReady=false ClaimConflict", noIngress},
		},
		"if the pool that serves the Cluster is being deleted, should write what it gave": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, func(p *vip.Pool) { p.Deleting = true }), viptest.With(held),
				viptest.WithBound(cp, "cp", "10.0.0.10"),
			},
			actions:    []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			conditions: []string{cpReady, noIngress},
		},
		"if the Cluster carries the address already, should keep it": {
			given: []viptest.Option{
				theirs, mine, viptest.With(held, host("10.9.9.9", 6443), annotation(cp, "10.9.9.9")), forged,
				viptest.Recorded,
			},
			conditions: []string{cpReady, noIngress},
		},
	}.run(t)
}

// ranged gives pools known ranges.
func ranged(ranges ...vip.Range) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Offers, p.Ranged = ranges, true }
}

func addrs(from, to string) vip.Range {
	return vip.Range{From: vip.ParseAddr(from), To: vip.ParseAddr(to)}
}

// Every state whose message tells how to end it ends when that is done.
func TestRemediesOfTheCore(t *testing.T) {
	all, without10 := addrs("10.0.0.10", "10.0.0.19"), addrs("10.0.0.11", "10.0.0.19")
	noIngress := "IngressVIPReady=false PoolNotFound"
	conflict := []string{"ControlPlaneVIPReady=false AddressConflict", noIngress}
	typed := viptest.WithHolder("10.0.0.10", "manual", vip.EndpointField)
	unusable := func(s *vip.Snapshot) { s.Unusable = map[string]netip.Addr{cp: vip.ParseAddr("10.0.0.10")} }
	back := viptest.With(held, host("10.0.0.15", 6443), annotation(cp, "10.0.0.15"))
	scenarios{
		"the claim of an address in use is deleted: should not ask for the same again": {
			given:      []viptest.Option{viptest.WithPool("cp", cp, ranged(all)), viptest.With(held), typed, unusable},
			conditions: conflict,
		},
		"and the address is excluded: should ask for another": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, ranged(without10)), viptest.With(held), typed, unusable,
			},
			actions: []string{"create vip-cp-prod from cp"}, recheck: 3 * time.Second,
		},
		"or it is freed there: should ask again": {
			given:   []viptest.Option{viptest.WithPool("cp", cp, ranged(all)), viptest.With(held), unusable},
			actions: []string{"create vip-cp-prod from cp"}, recheck: 3 * time.Second,
		},
		"a Cluster came back from git and its claim has another address: should keep both and say so": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, ranged(all)), back, viptest.WithBound(cp, "cp", "10.0.0.10"),
			},
			conditions: conflict,
		},
		"and the endpoint is excluded: should give the other address back": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, ranged(addrs("10.0.0.10", "10.0.0.14"))), back,
				viptest.WithBound(cp, "cp", "10.0.0.10"),
			},
			actions: []string{"delete vip-cp-prod"}, conditions: []string{cpProvided, noIngress},
		},
		"and that is done: should leave it so": {
			given:      []viptest.Option{viptest.WithPool("cp", cp, ranged(addrs("10.0.0.10", "10.0.0.14"))), back},
			conditions: []string{cpProvided, noIngress},
		},
		"a manifest of a served Cluster was copied: should say whose address it is and take none": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, ranged(all)), back,
				viptest.WithAssigned("10.0.0.15", "vip-cp-original", vip.Born{},
					viptest.Carried("original", vip.EndpointField)),
			},
			actions: []string{"finalizer off"}, conditions: conflict[:1],
		},
		"and endpoint and annotations are removed: should give it an address of its own": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp, ranged(all)), viptest.With(held),
				viptest.WithAssigned("10.0.0.15", "vip-cp-original", vip.Born{},
					viptest.Carried("original", vip.EndpointField)),
			},
			actions: []string{"create vip-cp-prod from cp"}, recheck: 3 * time.Second,
		},
		"the endpoint was changed by hand and the annotations are removed: should leave it to the user": {
			given: []viptest.Option{
				viptest.Served(), without(ingress), viptest.With(host("10.0.0.99", 6443), func(c *vip.Cluster) {
					c.VIPs, c.Written = nil, nil
				}),
				func(s *vip.Snapshot) { s.Pools = s.Pools[:1] },
			},
			actions: []string{"delete vip-cp-prod"}, conditions: []string{cpProvided, noIngress},
		},
	}.run(t)
}

// The control plane comes first if a pool has too few addresses for all roles.
func TestControlPlaneComesFirst(t *testing.T) {
	both := func(free int) viptest.Option {
		return viptest.WithPool("both", cp, func(p *vip.Pool) {
			p.Roles, p.Capacity = []string{cp, ingress}, vip.Capacity{Known: true, Total: 4, Used: 4 - free, Free: free}
		})
	}
	exhausted := []string{"ControlPlaneVIPReady=false PoolExhausted", "IngressVIPReady=false PoolExhausted"}
	for name, tt := range map[string]struct {
		given []viptest.Option
		want  []string
	}{
		"if there are two addresses, should claim both": {
			[]viptest.Option{both(2)}, []string{"create vip-ingress-prod from both", "create vip-cp-prod from both"},
		},
		"if one is left, should claim the control plane's": {
			[]viptest.Option{both(1)}, []string{"create vip-cp-prod from both"},
		},
		"if none is left, should wait with one claim": {
			[]viptest.Option{both(0)}, []string{"create vip-cp-prod from both"},
		},
		"if the control plane waits, should not ask beside": {
			[]viptest.Option{both(0), viptest.WithClaim(cp, "both")}, []string{"finalizer on"},
		},
		"if the control plane has its own, should ask": {
			[]viptest.Option{both(1), viptest.WithBound(cp, "both", "10.0.0.10")},
			[]string{"create vip-ingress-prod from both"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(tt.given...))
			assert.Equal(t, tt.want, viptest.Brief(plan)[:min(len(tt.want), len(viptest.Brief(plan)))])
			for _, action := range plan.Actions[len(tt.want):] {
				assert.IsNotType(t, vip.CreateClaim{}, action)
			}
			if slices.Contains(tt.want, "finalizer on") {
				assert.Equal(t, exhausted, viptest.Conditions(plan))
			}
		})
	}
}

// If someone else gets an address after it was written, the Cluster that carries it is told, without the name of
// another tenant.
func TestSharedAddressIsWarnedOf(t *testing.T) {
	later := vip.Born{At: viptest.Now, Serial: 999}
	plan := vip.Decide(viptest.Snapshot(viptest.Served(), viptest.WithAssigned("10.0.0.20", "worker-7", later)))
	require.True(t, plan.Empty())
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, names.EventAddressShared, plan.Warnings[0].Reason)
	assert.Contains(t, plan.Warnings[0].Message, "10.0.0.20")
	assert.NotContains(t, plan.Warnings[0].Message, "worker-7")
	own := viptest.Snapshot(viptest.Served(), viptest.WithAssigned("10.0.0.20", "vip-ingress-prod", later,
		func(r *vip.Rival) { r.Claim.Namespace = viptest.Namespace }))
	assert.Empty(t, vip.Decide(own).Warnings, "its own claim is nobody else")
}

// A Cluster whose deletion something else holds up says that its VIPs are back.
func TestReleasedIsSaid(t *testing.T) {
	gone := func(c *vip.Cluster) { c.Deleting, c.InUse = true, false }
	none := func(s *vip.Snapshot) { s.Claims = nil }
	plan := vip.Decide(viptest.Snapshot(viptest.Served(), none, viptest.With(gone, func(c *vip.Cluster) {
		c.Lingers = true
	})))
	assert.Equal(t, []string{"finalizer off"}, viptest.Brief(plan))
	assert.Equal(t, []string{"ControlPlaneVIPReady=false Released", "IngressVIPReady=false Released"},
		viptest.Conditions(plan))
	plan = vip.Decide(viptest.Snapshot(viptest.Served(), none, viptest.With(gone)))
	assert.False(t, plan.Status.Changed, "who goes at once needs no word")
}

func TestSpellingsOfAnAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.010": "10.0.0.10", "[fd00::1]": "fd00::1", "::ffff:10.0.0.10": "10.0.0.10",
		"fd00::1%0": "", "[fe80::1%eth0]": "", "10.0.0.256": "", "vip.example.com": "", "": "",
	} {
		got := vip.ParseAddr(text)
		if want == "" {
			assert.False(t, got.IsValid(), "%q", text)
			continue
		}
		assert.Equal(t, want, got.String(), "%q", text)
	}
}
