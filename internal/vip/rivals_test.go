package vip_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// An address that another Cluster holds is not written, whatever the IPAM provider says.
func TestRivals(t *testing.T) {
	bound := options(viptest.WithPools(), viptest.With(held),
		viptest.WithBound(cp, "cp", "10.0.0.10"), viptest.WithBound(ingress, "web", "10.0.0.20"))
	born := vip.Born{At: viptest.Ago(time.Minute), Serial: 100} // the age of the addresses in bound
	earlier, later := born, born
	earlier.At, later.At = earlier.At.Add(-time.Second), later.At.Add(time.Second)
	writesCP := []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"}
	writesIngress := []string{"annotate ingress=10.0.0.20"}
	both := append(append([]string{}, writesCP...), writesIngress...)
	cpConflict := []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady}
	ingressConflict := []string{cpReady, "IngressVIPReady=false AddressConflict"}
	ready := []string{cpReady, ingressReady}
	scenarios{
		"if another Cluster has the address as its endpoint, should not write it": {
			given:   []viptest.Option{bound, viptest.WithHolder("10.0.0.10", "a", "spec.controlPlaneEndpoint")},
			actions: writesIngress, conditions: cpConflict,
		},
		"if another Cluster has the address in an annotation, should not write it": {
			given:   []viptest.Option{bound, viptest.WithHolder("10.0.0.10", "a", names.Annotation(ingress))},
			actions: writesIngress, conditions: cpConflict,
		},
		"if another Cluster has the ingress address as its endpoint, should not write it": {
			given:   []viptest.Option{bound, viptest.WithHolder("10.0.0.20", "a", "spec.controlPlaneEndpoint")},
			actions: writesCP, conditions: ingressConflict,
		},
		"if another Cluster has another address, should write ours": {
			given:   []viptest.Option{bound, viptest.WithHolder("10.0.0.11", "a", "spec.controlPlaneEndpoint")},
			actions: both, conditions: ready,
		},
		"if an earlier IPAddress of another pool has the address, should not write it": {
			given:   []viptest.Option{bound, viptest.WithAssigned("10.0.0.10", "a", earlier)},
			actions: writesIngress, conditions: cpConflict,
		},
		"if a later IPAddress of another pool has the address, should write it": {
			given:   []viptest.Option{bound, viptest.WithAssigned("10.0.0.10", "a", later)},
			actions: both, conditions: ready,
		},
		"if an IPAddress of the same second was stored before, should not write it": {
			given:   []viptest.Option{bound, viptest.WithAssigned("10.0.0.10", "a", vip.Born{At: born.At, Serial: 99})},
			actions: writesIngress, conditions: cpConflict,
		},
		"if an IPAddress of the same second was stored afterwards, should write it": {
			given: []viptest.Option{
				bound, viptest.WithAssigned("10.0.0.10", "a", vip.Born{At: born.At, Serial: 101}),
			},
			actions: both, conditions: ready,
		},
		"if the address is mapped into IPv6, should know the rival all the same": {
			given: []viptest.Option{
				bound, address(cp, func(a *vip.Address) { a.Value = "::ffff:10.0.0.10" }),
				viptest.WithHolder("10.0.0.10", "a", "spec.controlPlaneEndpoint"),
			},
			actions: writesIngress, conditions: cpConflict,
		},
		"if two pools of one Cluster gave the same address, should write it once": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held),
				viptest.WithBound(cp, "cp", "10.0.0.10"),
				viptest.WithBound(ingress, "web", "10.0.0.10"), address(ingress, func(a *vip.Address) {
					a.Born = later
				}),
				viptest.WithAssigned("10.0.0.10", "vip-cp-prod", born),
				viptest.WithAssigned("10.0.0.10", "vip-ingress-prod", later),
			},
			actions: writesCP, conditions: ingressConflict,
		},
		"if the annotation was copied from the Cluster that holds the address, should not take it for ours": {
			given: []viptest.Option{
				bound, viptest.With(annotation(ingress, "10.0.0.20")),
				viptest.WithAssigned("10.0.0.20", "vip-ingress-a", earlier,
					viptest.Carried("a", names.Annotation(ingress))),
			},
			actions: writesCP, conditions: ingressConflict,
		},
		"if the ingress claim got the address that the Cluster's endpoint has, should not write it": {
			given: []viptest.Option{
				viptest.Served(), without(cp), viptest.WithBound(cp, "cp", "10.0.0.11", created(0)),
				without(ingress), viptest.WithBound(ingress, "web", "10.0.0.10", created(0)),
			},
			conditions: []string{"ControlPlaneVIPReady=false AddressConflict", "IngressVIPReady=false AddressConflict"},
		},
		"if the Cluster has carried the address for long, should keep it against others": {
			given: []viptest.Option{
				viptest.Served(), viptest.WithHolder("10.0.0.10", "a", "spec.controlPlaneEndpoint"),
				viptest.WithHolder("10.0.0.20", "a", names.Annotation(ingress)),
				viptest.WithAssigned("10.0.0.20", "a", earlier),
			},
			conditions: ready,
		},
		"if an annotation was removed and a rival came since, should restore what was ours": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(annotation(ingress, "")),
				viptest.WithHolder("10.0.0.20", "a", names.Annotation(ingress)),
			},
			actions: []string{"restore ingress=10.0.0.20"}, conditions: ready,
		},
		"if the claim was lost and the new address is a rival's, should not write it": {
			given: []viptest.Option{
				viptest.Served(), without(ingress), viptest.WithBound(ingress, "web", "10.0.0.21", created(0)),
				viptest.WithHolder("10.0.0.21", "a", names.Annotation(ingress)),
			},
			conditions: ingressConflict,
		},
		"if the rival is gone, should write the address": {
			given: []viptest.Option{
				bound, viptest.With(condition(cp, false, "AddressConflict")),
			},
			actions: both, conditions: ready,
		},
	}.run(t)
}

// The Cluster's condition names the holder of an address only to the holder's own tenant: nothing in another namespace
// is named there. The operator's log and kubectl vip, which read RoleStatus.Rival, do name it.
func TestRivalIsNamedToItsOwnTenantOnly(t *testing.T) {
	bound := options(viptest.WithPool("cp", cp), viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10"))
	own := func(s *vip.Snapshot) {
		for i := range s.Rivals {
			s.Rivals[i].Cluster.Namespace, s.Rivals[i].Claim.Namespace = viptest.Namespace, viptest.Namespace
		}
	}
	holder := func(name string) viptest.Option {
		return viptest.WithHolder("10.0.0.10", name, "spec.controlPlaneEndpoint")
	}
	assigned := viptest.WithAssigned("10.0.0.10", "vip-cp-west", vip.Born{})
	tests := map[string]struct {
		rivals []viptest.Option
		says   []string
		rival  string
	}{
		"if a Cluster of the namespace carries the address, should name Cluster, field and pool": {
			rivals: []viptest.Option{holder("west"), own},
			says: []string{
				"10.0.0.10", "Cluster tenant/west", "spec.controlPlaneEndpoint", "GlobalInClusterIPPool/cp",
			},
			rival: "west",
		},
		"if an IPAddress of the namespace has the address, should name both pools and the claim": {
			rivals: []viptest.Option{assigned, own},
			says: []string{
				"10.0.0.10", "claim tenant/vip-cp-west", "GlobalInClusterIPPool/overlapping",
				"GlobalInClusterIPPool/cp",
			},
		},
		"if there are both, should name the Cluster": {
			rivals: []viptest.Option{assigned, holder("west"), own},
			says:   []string{"Cluster tenant/west", "spec.controlPlaneEndpoint"}, rival: "west",
		},
		"if there are several, should always name the first": {
			rivals: []viptest.Option{holder("west"), holder("east"), own}, says: []string{"Cluster tenant/east"},
			rival: "east",
		},
		"if the Cluster is of another namespace, should not name it": {
			rivals: []viptest.Option{holder("west")}, says: []string{"a Cluster of another namespace"}, rival: "west",
		},
		"if the claim is of another namespace, should name neither it nor its pool": {
			rivals: []viptest.Option{assigned}, says: []string{"a claim of another namespace", "another pool"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(append([]viptest.Option{bound}, tt.rivals...)...))
			message := viptest.Condition(plan, cp).Message
			for _, word := range tt.says {
				assert.Contains(t, message, word)
			}
			for _, word := range []string{"other/", "secret", "overlapping"} {
				if !strings.Contains(strings.Join(tt.says, " "), word) {
					assert.NotContains(t, message, word)
				}
			}
			require.NotNil(t, plan.Status.Roles[0].Rival)
			assert.Equal(t, tt.rival, plan.Status.Roles[0].Rival.Cluster.Name)
		})
	}
}

// Of two different IPAddresses exactly one is earlier, whoever compares them, even if the clocks of two API servers
// differ.
func TestBornBefore(t *testing.T) {
	early, late := viptest.Ago(time.Hour), viptest.Now
	assert.True(t, vip.Born{At: early, Serial: 9}.Before(vip.Born{At: late, Serial: 1}),
		"what was edited is stored anew, and stays old")
	assert.False(t, vip.Born{At: late, Serial: 1}.Before(vip.Born{At: early, Serial: 9}))
	assert.True(t, vip.Born{At: late, Serial: 1}.Before(vip.Born{At: late, Serial: 2}),
		"within one second, the order of storing")
	assert.False(t, vip.Born{At: late, Serial: 1}.Before(vip.Born{At: late, Serial: 1}))
	skewed := vip.Born{At: late.Add(-2 * time.Second), Serial: 60}
	assert.True(t, vip.Born{At: late, Serial: 50}.Before(skewed), "stored first, by an API server whose clock is ahead")
	assert.False(t, skewed.Before(vip.Born{At: late, Serial: 50}))
	rapid.Check(t, func(t *rapid.T) {
		born := func(name string) vip.Born {
			at := rapid.IntRange(0, 300).Draw(t, name)
			return vip.Born{
				At:     viptest.Ago(time.Duration(at) * time.Second),
				Serial: rapid.Uint64Range(0, 9).Draw(t, name+" serial"),
			}
		}
		a, b := born("a"), born("b")
		assert.Equal(t, a != b, a.Before(b) != b.Before(a), "%v, %v", a, b)
	})
}

func TestSameAddr(t *testing.T) {
	assert.True(t, vip.SameAddr("10.0.0.1", "::ffff:10.0.0.1"))
	assert.True(t, vip.SameAddr("fd00:0::1", "fd00::1"))
	assert.False(t, vip.SameAddr("10.0.0.1", "10.0.0.2"))
	assert.False(t, vip.SameAddr("", ""), "no address equals none")
	assert.False(t, vip.SameAddr("host", "host"))
}
