package vip_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// A claim that the API server does not take keeps its role waiting, and no other.
func TestRefused(t *testing.T) {
	const said = "create claim: exceeded quota"
	refusedFor := func(role string) viptest.Option {
		return func(s *vip.Snapshot) { s.Refused = map[string]string{role: said} }
	}
	cpServed := viptest.WithBound(cp, "cp", "10.0.0.10")
	tests := map[string]struct {
		given      []viptest.Option
		want       []string
		conditions []string
		says       bool
	}{
		"if ingress cannot have a claim, should serve the control plane and say so": {
			given:      []viptest.Option{viptest.WithPools(), cpServed, refusedFor(ingress)},
			want:       []string{"finalizer on", "annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			conditions: []string{"ControlPlaneVIPReady=true IPAddressAssigned", "IngressVIPReady=false WaitingForIPAddress"}, says: true,
		},
		"if that was said, should do nothing": {
			given: []viptest.Option{viptest.WithPools(), cpServed, viptest.Carry, viptest.With(func(c *vip.Cluster) {
				delete(c.VIPs, ingress)
				c.Conditions = []vip.Condition{
					{Type: "ControlPlaneVIPReady", True: true, Reason: names.ReasonIPAddressAssigned, Message: "10.0.0.10 from GlobalInClusterIPPool/cp by claim vip-cp-prod"},
					{Type: "IngressVIPReady", Reason: names.ReasonWaitingForIPAddress, Message: said},
				}
			}), refusedFor(ingress)},
			says: true,
		},
		"if the control plane cannot have one, should write the ingress VIP by itself": {
			given:      []viptest.Option{viptest.WithPools(), viptest.WithBound(ingress, "web", "10.0.0.20"), refusedFor(cp)},
			want:       []string{"finalizer on", "annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=true IPAddressAssigned"}, says: true,
		},
		"if a claim cannot be taken over, should write nothing of what it holds": {
			given:      []viptest.Option{viptest.WithPool("cp", cp), viptest.WithBound(cp, "cp", "10.0.0.10", orphan), refusedFor(cp)},
			want:       []string{"finalizer on"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound"}, says: true,
		},
		"if the claim of an endpoint of somebody else's cannot be deleted, should say so beside": {
			given:      []viptest.Option{viptest.WithPool("cp", cp), viptest.With(host("192.0.2.7", 6443)), viptest.WithClaim(cp, "cp"), refusedFor(cp)},
			want:       []string{"finalizer on"},
			conditions: []string{"ControlPlaneVIPReady=true EndpointProvided", "IngressVIPReady=false PoolNotFound"}, says: true,
		},
		"if nothing is to be done about the claim any more, should not mind what was refused": {
			given: []viptest.Option{viptest.Served(), refusedFor(ingress)},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(tt.given...))
			assert.Equal(t, append([]string{}, tt.want...), viptest.Brief(plan))
			if tt.conditions != nil {
				assert.Equal(t, tt.conditions, viptest.Conditions(plan))
			} else {
				assert.False(t, plan.Status.Changed)
			}
			if tt.says {
				assert.Contains(t, plan.Warnings, vip.Warning{Reason: names.EventWriteRefused, Message: said})
			} else {
				assert.Empty(t, plan.Warnings)
			}
		})
	}
}
