package vip_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var probedAddr = netip.MustParseAddr("10.0.0.10")

func probing(ports ...uint16) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Probe = ports }
}

// knows sets the result of the probe of an address on port 6443.
func knows(probed vip.Probed) viptest.Option {
	return func(s *vip.Snapshot) {
		if probed.Ports == nil {
			probed.Ports = []uint16{6443}
		}
		s.Probed = map[netip.Addr]vip.Probed{probedAddr: probed}
	}
}

func TestProbes(t *testing.T) {
	given := func(options ...viptest.Option) []viptest.Option {
		return append([]viptest.Option{
			viptest.With(held), viptest.WithPool("cp", cp, probing(6443)), viptest.WithBound(cp, "cp", "10.0.0.10"),
		}, options...)
	}
	const probe, inUse = "probe 10.0.0.10 on [6443]", names.ReasonAddressInUse
	free := []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"}
	gone := func(s *vip.Snapshot) {
		s.Claims, s.Unusable = nil, map[string]netip.Addr{cp: probedAddr}
		s.Pools[0].Ranged, s.Pools[0].Offers = true, []vip.Range{{From: probedAddr, To: probedAddr}}
	}
	for name, test := range map[string]struct {
		given   []viptest.Option
		actions []string
		reason  string
	}{
		"if nothing is known of the address, should ask for a probe and write nothing": {given(), []string{probe}, ""},
		"if nobody answered, should write it": {
			given(knows(vip.Probed{Free: true})), free, names.ReasonIPAddressAssigned,
		},
		"if someone answered, should say so and keep the claim": {
			given(knows(vip.Probed{})), []string{}, inUse,
		},
		"if it is time to try again, should ask for it": {
			given(knows(vip.Probed{Again: true})), []string{probe}, inUse,
		},
		"if it cannot be told, should say so": {
			given(knows(vip.Probed{Failed: "network is unreachable"})), []string{}, inUse,
		},
		"if the pool asks for other ports by now, should ask again": {
			given(knows(vip.Probed{Free: true, Ports: []uint16{22}})), []string{probe}, "",
		},
		"if the Cluster has the address in its endpoint, should not": {
			given(viptest.With(host("10.0.0.10", 6443))),
			[]string{"annotate control-plane=10.0.0.10", "record vip-cp-prod"},
			names.ReasonIPAddressAssigned,
		},
		"if the Cluster has the address in its annotation, should not": {
			given(viptest.With(annotation(cp, "10.0.0.10"))),
			[]string{"endpoint 10.0.0.10:6443"},
			names.ReasonIPAddressAssigned,
		},
		"if it is on record that it was written, should not": {
			given(viptest.Recorded),
			[]string{"restore control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			names.ReasonIPAddressAssigned,
		},
		"if the Cluster has the address in its variable, should not": {
			given(viptest.With(has("vip", `"10.0.0.10"`)), func(s *vip.Snapshot) {
				s.Pools[0].HostVariable, s.ClusterClass.Variables = "vip", map[string]string{"vip": "string"}
			}), []string{"hold from generation 2"}, names.ReasonWaitingForTopology,
		},
		"if someone is known to have the address, should say that and not ask": {
			given(viptest.WithHolder("10.0.0.10", "legacy", vip.EndpointField)),
			[]string{},
			names.ReasonAddressConflict,
		},
		"if the claim is gone and the pool offers the address still, should wait until it does not": {
			given(knows(vip.Probed{}), gone), []string{}, inUse,
		},
		"if it is time to try again then, should ask for it": {
			given(knows(vip.Probed{Again: true}), gone), []string{probe}, inUse,
		},
		"if nobody answers any more, should make a claim": {
			given(knows(vip.Probed{Free: true}), gone), []string{"create vip-cp-prod from cp"}, "",
		},
		"if the pool does not offer it any more, should make a claim": {
			given(knows(vip.Probed{}), gone, func(s *vip.Snapshot) { s.Pools[0].Offers = nil }),
			[]string{"create vip-cp-prod from cp"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(test.given...))
			assert.Equal(t, test.actions, viptest.Brief(plan))
			assert.Equal(t, test.reason, viptest.Condition(plan, cp).Reason)
		})
	}
}

// A restart forgets the results of probes. The condition stays as it is until they are known again.
func TestProbesAfterARestart(t *testing.T) {
	s := viptest.Snapshot(viptest.WithPool("cp", cp, probing(6443)),
		viptest.WithBound(cp, "cp", "10.0.0.10", created(time.Hour)), knows(vip.Probed{}))
	viptest.Carry(&s)
	assert.True(t, vip.Decide(s).Empty(), "it is settled")
	s.Probed = nil
	plan, probes := vip.Decide(s).Split()
	assert.True(t, plan.Empty(), "%s", plan)
	assert.Len(t, probes, 1)
	assert.NotZero(t, plan.Status.Recheck)
}

func TestProbeMessages(t *testing.T) {
	said := func(probed vip.Probed) string {
		return viptest.Condition(vip.Decide(viptest.Snapshot(viptest.WithPool("cp", cp, probing(6443)),
			viptest.WithBound(cp, "cp", "10.0.0.10"), knows(probed))), cp).Message
	}
	assert.Equal(t, "10.0.0.10 from GlobalInClusterIPPool/cp is in use: something that no Cluster here accounts for "+
		"answers on it; free it there, or delete claim vip-cp-prod and add 10.0.0.10 to excludedAddresses of "+
		"GlobalInClusterIPPool/cp; a new claim follows when both are done", said(vip.Probed{}))
	assert.Equal(t,
		"it cannot be told whether 10.0.0.10 from GlobalInClusterIPPool/cp is in use: network is unreachable; "+
			"let the operator reach the address, or remove the annotation vip.capi.gorizond.io/probe from the pool",
		said(vip.Probed{Failed: "network is unreachable"}))
}
