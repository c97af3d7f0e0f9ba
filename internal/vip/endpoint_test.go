package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// A host that is set is never overwritten; whose it is decides what happens to the claim.
func TestEndpointSetBySomeoneElse(t *testing.T) {
	cpPool := viptest.WithPool("cp", cp)
	manual := viptest.With(host("192.0.2.7", 6443))
	scenarios{
		"if the host was there first, should claim nothing for it": {
			given:      []viptest.Option{cpPool, manual},
			conditions: []string{cpProvided},
		},
		"if the host is a name, should claim nothing for it either": {
			given:      []viptest.Option{cpPool, viptest.With(host("api.example.com", 6443))},
			conditions: []string{cpProvided},
		},
		"if the host was there first, should still serve ingress": {
			given:   []viptest.Option{viptest.WithPools(), manual},
			actions: []string{"create vip-ingress-prod from web"}, recheck: 3 * time.Second,
		},
		"if the host was set without a port, should not complete it": {
			given:      []viptest.Option{cpPool, viptest.With(host("192.0.2.7", 0))},
			conditions: []string{cpProvided},
		},
		"if the host was set and no pool matches, should say nothing": {
			given: []viptest.Option{manual},
		},
		"if PoolNotFound was said and someone set the host since, should withdraw it": {
			given: []viptest.Option{manual, viptest.With(condition(cp, false, "PoolNotFound"))},
		},
		"if the host is set while the claim waits, should give the claim back": {
			given:      []viptest.Option{cpPool, manual, viptest.With(held), viptest.WithClaim(cp, "cp")},
			actions:    []string{"delete vip-cp-prod"},
			conditions: []string{cpProvided, "IngressVIPReady=false PoolNotFound"},
		},
		"if the host is set before the address was written, should give the claim back": {
			given:      []viptest.Option{cpPool, manual, viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10")},
			actions:    []string{"delete vip-cp-prod"},
			conditions: []string{cpProvided, "IngressVIPReady=false PoolNotFound"},
		},
		"if that claim is in deletion, should wait for its end": {
			given: []viptest.Option{
				cpPool, manual, viptest.With(held), viptest.WithBound(cp, "cp", "10.0.0.10", dying(time.Minute)),
			},
			conditions: []string{cpProvided, "IngressVIPReady=false PoolNotFound"},
		},
		"if that claim is gone, should take the finalizer off": {
			given:      []viptest.Option{cpPool, manual, viptest.With(held)},
			actions:    []string{"finalizer off"},
			conditions: []string{cpProvided},
		},
		"if the claim at the name is someone else's, should leave it to them": {
			given: []viptest.Option{
				cpPool, manual, viptest.WithBound(cp, "cp", "10.0.0.10", owner("Machine", "m", "x")),
			},
			conditions: []string{cpProvided},
		},
		"if the host set is what the claim is about to be told, as after a move, should take it as ours": {
			given: []viptest.Option{
				cpPool, viptest.With(held, host("10.0.0.10", 6443)), viptest.WithBound(cp, "cp", "10.0.0.10"),
				claim(cp, untold),
			},
			conditions: []string{
				"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound",
			},
		},
		"if the host set is what the claim holds, should take it as ours": {
			given: []viptest.Option{
				cpPool, viptest.With(held, host("10.0.0.10", 6443)), viptest.WithBound(cp, "cp", "10.0.0.10"),
			},
			actions:    []string{"annotate control-plane=10.0.0.10", "record vip-cp-prod"},
			conditions: []string{cpReady, "IngressVIPReady=false PoolNotFound"},
		},
	}.run(t)
}

func TestEndpointAfterAllocation(t *testing.T) {
	conflict := []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady}
	ready := []string{cpReady, ingressReady}
	moved := options(viptest.Served(), viptest.With(host("192.0.2.7", 6443)))
	scenarios{
		"if the host was changed by hand, should neither overwrite it nor give the address back": {
			given: []viptest.Option{moved}, conditions: conflict,
		},
		"if that was said already, should stay with it": {
			given: []viptest.Option{moved, carried, carried}, conditions: conflict,
		},
		"if the host was changed back, should be content": {
			given: []viptest.Option{moved, carried, viptest.With(host("10.0.0.10", 6443))}, conditions: ready,
		},
		"if the whole endpoint was removed, should write it again": {
			given:   []viptest.Option{viptest.Served(), viptest.With(host("", 0))},
			actions: []string{"endpoint 10.0.0.10:6443"}, conditions: ready,
		},
		"if the port alone was removed, should complete it": {
			given:   []viptest.Option{viptest.Served(), viptest.With(host("10.0.0.10", 0))},
			actions: []string{"endpoint 10.0.0.10:6443"}, conditions: ready,
		},
		"if the port was changed by hand, should leave it": {
			given: []viptest.Option{viptest.Served(), viptest.With(host("10.0.0.10", 9345))}, conditions: ready,
		},
		"if the host is another spelling of the address, should leave it": {
			given: []viptest.Option{viptest.Served(), viptest.With(host("::ffff:10.0.0.10", 6443))}, conditions: ready,
		},
		"if the status was lost in a move, should know its VIPs by the annotations": {
			given:      []viptest.Option{viptest.Served(), viptest.With(func(c *vip.Cluster) { c.Conditions = nil })},
			conditions: ready,
		},
	}.run(t)
}

func TestAnnotations(t *testing.T) {
	ready := []string{cpReady, ingressReady}
	scenarios{
		"if the ingress annotation was removed, should restore it": {
			given:   []viptest.Option{viptest.Served(), viptest.With(annotation(ingress, ""))},
			actions: []string{"restore ingress=10.0.0.20"}, conditions: ready,
		},
		"if the ingress annotation was changed, should restore it": {
			given:   []viptest.Option{viptest.Served(), viptest.With(annotation(ingress, "192.0.2.9"))},
			actions: []string{"restore ingress=10.0.0.20"}, conditions: ready,
		},
		"if the control plane's annotation was removed, should restore it": {
			given:   []viptest.Option{viptest.Served(), viptest.With(annotation(cp, ""))},
			actions: []string{"restore control-plane=10.0.0.10"}, conditions: ready,
		},
		"if the control plane's annotation was changed, should restore it": {
			given:   []viptest.Option{viptest.Served(), viptest.With(annotation(cp, "nonsense"))},
			actions: []string{"restore control-plane=10.0.0.10"}, conditions: ready,
		},
		"if all annotations were removed, should restore all": {
			given:   []viptest.Option{viptest.Served(), viptest.With(func(c *vip.Cluster) { c.VIPs = nil })},
			actions: []string{"restore control-plane=10.0.0.10", "restore ingress=10.0.0.20"}, conditions: ready,
		},
		"if the annotation was there before the first VIP, should replace it and not call it restored": {
			given: []viptest.Option{
				viptest.WithPool("web", ingress),
				viptest.With(held, annotation(ingress, "192.0.2.9"), host("192.0.2.7", 6443)),
				viptest.WithBound(ingress, "web", "10.0.0.20"),
			},
			actions: []string{"annotate ingress=10.0.0.20"}, conditions: []string{ingressReady},
		},
		"if an annotation was removed while the endpoint is awaited, should restore it at once": {
			given: []viptest.Option{
				viptest.Served(), without(cp), viptest.WithClaim(cp, "cp", created(0)),
				viptest.With(annotation(ingress, ""), host("", 0)),
			},
			actions: []string{"restore ingress=10.0.0.20"}, conditions: ready, recheck: 3 * time.Second,
		},
		"if an annotation of a role that nobody serves is there, should leave it": {
			given:      []viptest.Option{viptest.Served(), viptest.With(annotation("storage", "192.0.2.9"))},
			conditions: ready,
		},
	}.run(t)
}

// carried writes the plan for a snapshot to its Cluster.
func carried(s *vip.Snapshot) { viptest.Carry(s) }

func TestConflictWithTheEndpointSaysBoth(t *testing.T) {
	plan := vip.Decide(viptest.Snapshot(viptest.Served(), viptest.With(host("192.0.2.7", 6443))))
	message := viptest.Condition(plan, cp).Message
	assert.Contains(t, message, "192.0.2.7")
	assert.Contains(t, message, "10.0.0.10")
}

// A port without a host is what the user wants for the future endpoint. Cluster API removes it once the infrastructure
// exists.
func TestPortWithoutHost(t *testing.T) {
	cpPool := viptest.WithPool("cp", cp)
	lone := viptest.With(host("", 9345))
	remembered := func(generation int64) viptest.Option {
		return viptest.With(held, func(c *vip.Cluster) { c.Gate = vip.Gate{Generation: generation, Port: 9345} })
	}
	bound := viptest.WithBound(cp, "cp", "10.0.0.10")
	served := []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:9345"}
	ready := []string{"ControlPlaneVIPReady=true IPAddressAssigned", "IngressVIPReady=false PoolNotFound"}
	waiting := []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound"}
	scenarios{
		"if an address is awaited, should remember the port at once": {
			given:   []viptest.Option{cpPool, lone},
			actions: []string{"create vip-cp-prod from cp", "finalizer on", "keep port 9345"}, recheck: 3 * time.Second,
		},
		"if the port is remembered, should do nothing more": {
			given: []viptest.Option{cpPool, viptest.WithClaim(cp, "cp"), lone, remembered(0)}, conditions: waiting,
		},
		"if the user chose another one since, should remember that": {
			given:   []viptest.Option{cpPool, viptest.WithClaim(cp, "cp"), viptest.With(host("", 8443)), remembered(7)},
			actions: []string{"keep port 8443"}, conditions: waiting,
		},
		"if the port was taken away, should put it back with the host": {
			given: []viptest.Option{cpPool, bound, remembered(0)}, actions: served, conditions: ready,
		},
		"if the address is there, should write the endpoint and remember nothing": {
			given: []viptest.Option{cpPool, bound, lone, viptest.With(held)}, actions: served, conditions: ready,
		},
		"if no pool serves the Cluster, should leave it alone": {
			given: []viptest.Option{lone}, conditions: []string{"ControlPlaneVIPReady=false PoolNotFound"},
		},
	}.run(t)
}
