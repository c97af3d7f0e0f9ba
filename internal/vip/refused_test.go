package vip_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// If the API server refuses a claim or a variable, that keeps only its own role waiting.
func TestRefused(t *testing.T) {
	const said = "create claim: exceeded quota"
	refusedFor := func(role string) viptest.Option {
		return func(s *vip.Snapshot) {
			s.Refused = map[vip.Key]string{}
			for _, action := range vip.Decide(*s).Actions {
				if vip.RoleOf(action) == role {
					s.Refused[action.Key()] = said
				}
			}
		}
	}
	intoVariables := func(s *vip.Snapshot) {
		s.ClusterClass = &vip.ClusterClass{Variables: map[string]string{"vip": "string", "web": "string"}}
		for i, name := range []string{"vip", "web"} {
			s.Pools[i].HostVariable = name
		}
	}
	webServed := viptest.WithBound(ingress, "web", "10.0.0.20")
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
			conditions: []string{"ControlPlaneVIPReady=true IPAddressAssigned", "IngressVIPReady=false WriteRefused"},
			says:       true,
		},
		"if that was said, should do nothing": {
			given: []viptest.Option{viptest.WithPools(), cpServed, viptest.Carry, viptest.With(func(c *vip.Cluster) {
				delete(c.VIPs, ingress)
				c.Conditions = []vip.Condition{
					{
						Type: "ControlPlaneVIPReady", True: true, Since: viptest.Ago(0),
						Reason:  names.ReasonIPAddressAssigned,
						Message: "10.0.0.10 from GlobalInClusterIPPool/cp by claim vip-cp-prod",
					},
					{Type: "IngressVIPReady", Reason: names.ReasonWriteRefused, Message: said},
				}
			}), refusedFor(ingress)},
			says: true,
		},
		"if the control plane cannot have one, should write the ingress VIP by itself": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.WithBound(ingress, "web", "10.0.0.20"), refusedFor(cp),
			},
			want:       []string{"finalizer on", "annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false WriteRefused", "IngressVIPReady=true IPAddressAssigned"},
			says:       true,
		},
		"if a claim cannot be taken over, should write nothing of what it holds": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.WithBound(cp, "cp", "10.0.0.10", orphan), refusedFor(cp),
			},
			want:       []string{"finalizer on"},
			conditions: []string{"ControlPlaneVIPReady=false WriteRefused", "IngressVIPReady=false PoolNotFound"},
			says:       true,
		},
		"if the claim of an endpoint of someone else's cannot be deleted, should say so beside": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(host("192.0.2.7", 6443)), viptest.WithClaim(cp, "cp"),
				refusedFor(cp),
			},
			want:       []string{"finalizer on"},
			conditions: []string{"ControlPlaneVIPReady=true EndpointProvided", "IngressVIPReady=false PoolNotFound"},
			says:       true,
		},
		"if nothing is to be done about the claim any more, should not mind what was refused": {
			given: []viptest.Option{viptest.Served(), func(s *vip.Snapshot) {
				s.Refused = map[vip.Key]string{
					vip.CreateClaim{Role: ingress, Name: "vip-ingress-prod", Pool: s.Pools[1].Ref}.Key(): said,
				}
			}},
		},
		"if another action was refused, should try": {
			given: []viptest.Option{viptest.WithPool("cp", cp), func(s *vip.Snapshot) {
				s.Refused = map[vip.Key]string{vip.CreateClaim{
					Role: cp, Name: "vip-cp-prod", Pool: vip.PoolRef{Kind: "GlobalInClusterIPPool", Name: "other"},
				}.Key(): said}
			}},
			want: []string{"create vip-cp-prod from cp"},
		},
		"if the finalizer is refused, should write nothing, and not say that it is there": {
			given: []viptest.Option{viptest.WithPools(), cpServed, webServed, func(s *vip.Snapshot) {
				s.Refused = map[vip.Key]string{vip.AddFinalizer{}.Key(): said}
			}},
			conditions: []string{"ControlPlaneVIPReady=false WriteRefused", "IngressVIPReady=false WriteRefused"},
			says:       true,
		},
		"if the variable of ingress is refused, should serve both roles without it": {
			given: []viptest.Option{
				viptest.WithPools(), cpServed, webServed, intoVariables,
				viptest.With(values(map[string]string{"vip": `"10.0.0.10"`}),
					onHold(2, 2, true), annotated), refusedFor(ingress),
			},
			want: []string{"finalizer on", "endpoint 10.0.0.10:6443", "annotate ingress=10.0.0.20"},
			conditions: []string{
				"ControlPlaneVIPReady=false WaitingForTopology", "IngressVIPReady=true IPAddressAssigned",
			},
			says: true,
		},
		"if the variable of the control plane is refused, should hold the endpoint back and serve ingress": {
			given: []viptest.Option{
				viptest.WithPools(), cpServed, webServed, intoVariables,
				viptest.With(values(map[string]string{"web": `"10.0.0.20"`})), refusedFor(cp),
			},
			want:       []string{"finalizer on", "annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false WriteRefused", "IngressVIPReady=true IPAddressAssigned"},
			says:       true,
		},
		"if the variable of an endpoint in use is refused, should leave the endpoint be": {
			given: []viptest.Option{
				viptest.WithPools(), cpServed, webServed, viptest.Carry, intoVariables,
				viptest.With(values(map[string]string{"web": `"10.0.0.20"`})), refusedFor(cp),
			},
			says: true,
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
