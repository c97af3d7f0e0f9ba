package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// reads makes the class bring the VIP into templates through the annotation.
func reads(s *vip.Snapshot) { s.ClusterClass = &vip.ClusterClass{ReadsVIP: true} }

// declares gives the class variables of each type that a pool can name, and one that it cannot.
func declares(s *vip.Snapshot) {
	s.ClusterClass = &vip.ClusterClass{
		Variables: map[string]string{"vip": "string", "port": "integer", "net": "object", "net.vip": "string"},
	}
}

func into(host, port string) func(*vip.Pool) {
	return func(p *vip.Pool) { p.HostVariable, p.PortVariable = host, port }
}

func values(raw map[string]string) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		c.Variables = map[string][]byte{}
		for name, value := range raw {
			c.Variables[name] = []byte(value)
		}
	}
}

func annotated(c *vip.Cluster) { c.VIPs = map[string]string{cp: "10.0.0.10"} }

func gate(generation, gate, observed int64, rendered bool) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		c.Generation, c.Gate, c.Topology = generation, vip.Gate{Generation: gate},
			vip.Topology{Observed: observed, Rendered: rendered, Reason: "Whatever"}
		c.ControlPlane = "kubeadmcontrolplane/prod"
	}
}

// onHold is gate for a Cluster whose control plane is held.
func onHold(generation, observed int64, rendered bool) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		gate(generation, 1, observed, rendered)(c)
		c.Pause = vip.PauseOwn
	}
}

var bound = viptest.WithBound(cp, "cp", "10.0.0.10")

func TestTopology(t *testing.T) {
	served := []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"}
	pool := viptest.WithPool("cp", cp)
	variablePool := viptest.WithPool("cp", cp, into("vip", "port"))
	tests := map[string]struct {
		given  []viptest.Option
		want   []string
		reason string
	}{
		"if the class does not use the VIP, should write it at once": {
			given: []viptest.Option{pool, bound}, want: append([]string{"finalizer on"}, served...),
			reason: names.ReasonIPAddressAssigned,
		},
		"if the class reads the annotation, should hold the control plane first": {
			given: []viptest.Option{reads, pool, bound},
			want:  []string{"finalizer on", "hold from generation 2"}, reason: names.ReasonWaitingForTopology,
		},
		"if the class is not there, should write nothing that would be refused, and say so": {
			given:  []viptest.Option{func(s *vip.Snapshot) { s.ClusterClass = nil }, pool, bound},
			reason: names.ReasonWaitingForTopology,
		},
		"if the class is gone and all is written, should leave it": {
			given: []viptest.Option{
				func(s *vip.Snapshot) { s.ClusterClass = nil }, pool, bound,
				viptest.With(held, annotated, host("10.0.0.10", 6443)),
			},
			reason: names.ReasonIPAddressAssigned,
		},
		"if the endpoint of a Cluster that was served is lost and nothing is rendered any more, " +
			"should write it again": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded, viptest.With(held, annotated, gate(9, 0, 8, false)),
			},
			want: []string{"endpoint 10.0.0.10:6443"}, reason: names.ReasonIPAddressAssigned,
		},
		"if the hold is not rendered, should wait": {
			given:  []viptest.Option{reads, pool, bound, viptest.With(held, onHold(2, 1, true))},
			reason: names.ReasonWaitingForTopology,
		},
		"if the hold could not be rendered, should give the templates the VIP and not the endpoint": {
			given:  []viptest.Option{reads, pool, bound, viptest.With(held, onHold(2, 2, false))},
			want:   []string{"annotate control-plane=10.0.0.10", "hold from generation 3"},
			reason: names.ReasonWaitingForTopology,
		},
		"if it could not and they have it, should wait": {
			given:  []viptest.Option{reads, pool, bound, viptest.With(held, annotated, onHold(2, 2, false))},
			reason: names.ReasonWaitingForTopology,
		},
		"if it could not and they lack the variables, should write these": {
			given: []viptest.Option{declares, variablePool, bound, viptest.With(held, onHold(2, 2, false))},
			want:  []string{"variables [{vip 10.0.0.10} {port 6443}]"}, reason: names.ReasonWaitingForTopology,
		},
		"if it could not and there is no control plane, should write all": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, onHold(2, 2, false), func(c *vip.Cluster) {
					c.ControlPlane = ""
				}),
			},
			want: served, reason: names.ReasonWaitingForTopology,
		},
		"if the hold is rendered, should write all": {
			given: []viptest.Option{reads, pool, bound, viptest.With(held, onHold(2, 2, true))}, want: served,
			reason: names.ReasonWaitingForTopology,
		},
		"if a later generation is not rendered yet, should wait": {
			given:  []viptest.Option{reads, pool, bound, viptest.With(held, onHold(9, 5, true))},
			reason: names.ReasonWaitingForTopology,
		},
		"if a user paused the control plane and that is rendered, should write all": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, gate(2, 0, 2, true), func(c *vip.Cluster) {
					c.Pause = vip.PauseForeign
				}),
			},
			want: served, reason: names.ReasonIPAddressAssigned,
		},
		"if all is written and not rendered, should keep the hold": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded,
				viptest.With(held, annotated, host("10.0.0.10", 6443), onHold(3, 2, true)),
			},
			reason: names.ReasonWaitingForTopology,
		},
		"if all is written and could not be rendered, should keep the hold": {
			given: []viptest.Option{reads, pool, bound, viptest.Recorded, viptest.With(held, annotated,
				host("10.0.0.10", 6443), onHold(3, 3, false), func(c *vip.Cluster) {
					c.ControlPlane = ""
				})},
			reason: names.ReasonWaitingForTopology,
		},
		"if all is written and rendered, should let go": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded,
				viptest.With(held, annotated, host("10.0.0.10", 6443), onHold(3, 3, true)),
			},
			want: []string{"let go"}, reason: names.ReasonIPAddressAssigned,
		},
		"if the user paused the control plane, should leave that": {
			given: []viptest.Option{reads, pool, bound, viptest.Recorded, viptest.With(held, annotated,
				host("10.0.0.10", 6443), gate(3, 0, 3, true), func(c *vip.Cluster) {
					c.Pause = vip.PauseForeign
				})},
			reason: names.ReasonIPAddressAssigned,
		},
		"if the annotation was removed while it was held, should have a generation with it rendered": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded, viptest.With(held, host("10.0.0.10", 6443), onHold(3, 3, true)),
			},
			want:   []string{"restore control-plane=10.0.0.10", "hold from generation 4"},
			reason: names.ReasonWaitingForTopology,
		},
		"if Cluster API copied the endpoint from the infrastructure under the hold, should go on": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, host("10.0.0.10", 6443), onHold(3, 3, true)),
			},
			want:   []string{"annotate control-plane=10.0.0.10", "hold from generation 4"},
			reason: names.ReasonWaitingForTopology,
		},
		"if the endpoint came from the infrastructure before the templates had it, should say so": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded,
				viptest.With(held, annotated, host("10.0.0.10", 6443), gate(3, 2, 3, true)),
			},
			reason: names.ReasonWaitingForTopology,
		},
		"if that was dealt with, should be content": {
			given: []viptest.Option{
				reads, pool, bound, viptest.Recorded,
				viptest.With(held, annotated, host("10.0.0.10", 6443), gate(3, 0, 3, true)),
			},
			reason: names.ReasonIPAddressAssigned,
		},
		"if the user's port is there, should keep it": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, onHold(2, 2, true), func(c *vip.Cluster) {
					c.Endpoint.Port = 9345
				}),
			},
			want:   []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:9345"},
			reason: names.ReasonWaitingForTopology,
		},
		"if a port stands there without a host, should take it away meanwhile": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, func(c *vip.Cluster) { c.Endpoint.Port = 9345 }),
			},
			want: []string{"hold from generation 2 with port 9345"}, reason: names.ReasonWaitingForTopology,
		},
		"if a port was taken away, should put it back with the host": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, onHold(2, 2, true), func(c *vip.Cluster) { c.Gate.Port = 9345 }),
			},
			want:   []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:9345"},
			reason: names.ReasonWaitingForTopology,
		},
		"if a port was taken away and someone took the hold away, should still know it": {
			given: []viptest.Option{
				reads, pool, bound, viptest.With(held, gate(2, 2, 2, true), func(c *vip.Cluster) {
					c.Gate.Port = 9345
				}),
			},
			want: []string{"hold from generation 3 with port 9345"}, reason: names.ReasonWaitingForTopology,
		},
		"if an earlier version waits for the templates, should hold the control plane": {
			given: []viptest.Option{reads, pool, bound, viptest.With(held, annotated, gate(2, 2, 2, true))},
			want:  []string{"hold from generation 3"}, reason: names.ReasonWaitingForTopology,
		},
		"if the class stopped using the VIP meanwhile, should write all and then let go": {
			given: []viptest.Option{pool, bound, viptest.With(held, onHold(2, 1, true))}, want: served,
			reason: names.ReasonIPAddressAssigned,
		},
		"if the class uses the VIP no more and all is written, should let go": {
			given: []viptest.Option{
				pool, bound, viptest.Recorded,
				viptest.With(held, annotated, host("10.0.0.10", 6443), onHold(3, 2, true)),
			},
			want: []string{"let go"}, reason: names.ReasonIPAddressAssigned,
		},
		"if no pool serves the Cluster any more, should let go": {
			given: []viptest.Option{reads, viptest.With(held, onHold(2, 2, true))},
			want:  []string{"let go", "finalizer off"}, reason: names.ReasonPoolNotFound,
		},
		"if a user set the endpoint meanwhile, should let go": {
			given: []viptest.Option{reads, pool, viptest.With(held, host("192.0.2.7", 6443), onHold(2, 2, true))},
			want:  []string{"let go", "finalizer off"}, reason: names.ReasonEndpointProvided,
		},
		"if the class declares the pool's variables, should hold the control plane first": {
			given: []viptest.Option{declares, variablePool, bound},
			want:  []string{"finalizer on", "hold from generation 2"}, reason: names.ReasonWaitingForTopology,
		},
		"if that is rendered, should write the variables before all else": {
			given: []viptest.Option{declares, variablePool, bound, viptest.With(held, onHold(2, 2, true))},
			want:  []string{"variables [{vip 10.0.0.10} {port 6443}]"},
		},
		"if the variables are written and not rendered, should wait": {
			given: []viptest.Option{
				declares, variablePool, bound,
				viptest.With(held, onHold(3, 2, true), values(map[string]string{"vip": `"10.0.0.10"`, "port": "6443"})),
			},
			reason: names.ReasonWaitingForTopology,
		},
		"if the variables are rendered, should write the rest": {
			given: []viptest.Option{
				declares, variablePool, bound,
				viptest.With(held, onHold(3, 3, true), values(map[string]string{"vip": `"10.0.0.10"`, "port": "6443"})),
			},
			want: served, reason: names.ReasonWaitingForTopology,
		},
		"if the hold is rendered and the class is not known, should wait for what it declares": {
			given: []viptest.Option{
				func(s *vip.Snapshot) { s.ClusterClass = nil }, variablePool, bound,
				viptest.With(held, onHold(2, 2, true)),
			},
			reason: names.ReasonWaitingForTopology,
		},
		"if one of the variables holds a placeholder, should write both": {
			given: []viptest.Option{
				declares, variablePool, bound,
				viptest.With(held, onHold(2, 2, true), values(map[string]string{"vip": `"0.0.0.0"`, "port": "6443"})),
			},
			want: []string{"variables [{vip 10.0.0.10} {port 6443}]"},
		},
		"if the user gave another port, should take it and leave it": {
			given: []viptest.Option{
				declares, variablePool, bound,
				viptest.With(held, onHold(2, 2, true), values(map[string]string{"vip": `"10.0.0.10"`, "port": "8443"})),
			},
			want:   []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:8443"},
			reason: names.ReasonWaitingForTopology,
		},
		"if the user gave an address by the variable before there is a claim, should allocate none": {
			given: []viptest.Option{
				declares, variablePool, viptest.With(values(map[string]string{"vip": `"10.9.9.9"`})),
			},
			reason: names.ReasonEndpointProvided,
		},
		"if the user gave another address, should write nothing": {
			given: []viptest.Option{
				declares, variablePool, bound, viptest.With(held, values(map[string]string{"vip": `"10.9.9.9"`})),
			},
			reason: names.ReasonAddressConflict,
		},
		"if the user's object lacks the address, should write into it": {
			given: []viptest.Option{
				declares, viptest.WithPool("cp", cp, into("net.vip", "")), bound,
				viptest.With(held, onHold(2, 2, true), values(map[string]string{"net": `{"mtu":1500}`})),
			},
			want: []string{"variables [{net.vip 10.0.0.10}]"},
		},
		"if the class does not declare the variable, should not mind it": {
			given: []viptest.Option{declares, viptest.WithPool("cp", cp, into("other", "")), bound},
			want:  append([]string{"finalizer on"}, served...), reason: names.ReasonIPAddressAssigned,
		},
		"if the value is too large to be looked at, should not overwrite it": {
			given: []viptest.Option{
				declares, variablePool, bound, viptest.With(held, func(c *vip.Cluster) {
					c.Variables = map[string][]byte{"vip": nil}
				}),
			},
			reason: names.ReasonAddressConflict,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(append(tt.given, viptest.At(viptest.Now.Add(time.Minute)))...))
			assert.Equal(t, append([]string{}, tt.want...), viptest.Brief(plan))
			if tt.reason != "" {
				assert.Equal(t, tt.reason, viptest.Condition(plan, cp).Reason)
			}
		})
	}
}

func TestVariablesOfAServedCluster(t *testing.T) {
	withVariable := func(s *vip.Snapshot) { into("vip", "")(&s.Pools[0]) }
	t.Run("if the variable was removed, should restore it", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), declares, withVariable))
		assert.Equal(t, []string{"variables [{vip 10.0.0.10}]"}, viptest.Brief(plan))
		assert.False(t, plan.Status.Changed)
	})
	t.Run("if the user changed it, should warn and leave it", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), declares, withVariable,
			viptest.With(values(map[string]string{"vip": `"10.9.9.9"`}))))
		assert.Empty(t, viptest.Brief(plan))
		assert.Equal(t, names.EventVariableNotWritten, plan.Warnings[0].Reason)
		assert.Contains(t, plan.Warnings[0].Message, "variable vip")
		assert.NotContains(t, plan.Warnings[0].Message, "10.9.9.9", "what users put into variables is not told")
	})
	t.Run("if its type cannot hold an address, should warn and leave it", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), declares, func(s *vip.Snapshot) {
			into("port", "")(&s.Pools[0])
		}))
		assert.Empty(t, viptest.Brief(plan))
		assert.Contains(t, plan.Warnings[0].Message, "its type integer cannot hold 10.0.0.10")
	})
	t.Run("if it is spelt in another way, should leave it", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), declares, withVariable,
			viptest.With(values(map[string]string{"vip": `"::ffff:10.0.0.10"`}))))
		assert.True(t, plan.Empty())
		assert.Empty(t, plan.Warnings)
	})
}
