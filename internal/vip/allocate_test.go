package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestAllocate(t *testing.T) {
	port := func(port int32) viptest.Option { return viptest.With(host("", port)) }
	bound := options(viptest.WithPools(), viptest.With(held),
		viptest.WithBound(cp, "cp", "10.0.0.10"), viptest.WithBound(ingress, "web", "10.0.0.20"))
	written := func(endpoint string) []string {
		return []string{"annotate control-plane=10.0.0.10", "endpoint " + endpoint, "annotate ingress=10.0.0.20"}
	}
	ready := []string{cpReady, ingressReady}
	scenarios{
		"if a Cluster is new, should make all claims at once and leave the Cluster alone": {
			given:   []viptest.Option{viptest.WithPools()},
			actions: []string{"create vip-ingress-prod from web", "create vip-cp-prod from cp"},
			recheck: 3 * time.Second,
		},
		"if the process died after the finalizer, should make the claims": {
			given:   []viptest.Option{viptest.WithPools(), viptest.With(held)},
			actions: []string{"create vip-ingress-prod from web", "create vip-cp-prod from cp"},
			recheck: 3 * time.Second,
		},
		"if the process died after the first claim, should make the other": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.With(held), viptest.WithClaim(ingress, "web", created(time.Second)),
			},
			actions: []string{"create vip-cp-prod from cp"},
			recheck: 2 * time.Second,
		},
		"if the finalizer is lost, should put it back before it writes anything": {
			given:      []viptest.Option{bound, viptest.With(func(c *vip.Cluster) { c.HasFinalizer = false })},
			actions:    append([]string{"finalizer on"}, written("10.0.0.10:6443")...),
			conditions: ready,
		},
		"if both addresses are known, should write them together, and host and port in one": {
			given: []viptest.Option{bound}, actions: written("10.0.0.10:6443"), conditions: ready,
		},
		"if ingress is known and the endpoint follows soon, should wait and write them together": {
			given:   []viptest.Option{bound, without(cp), viptest.WithClaim(cp, "cp", created(time.Second))},
			recheck: 2 * time.Second,
		},
		"if ingress is known and the endpoint takes longer, should write ingress alone": {
			given:      []viptest.Option{bound, without(cp), viptest.WithClaim(cp, "cp", created(4*time.Second))},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", ingressReady},
		},
		"if the endpoint is known before ingress, should not keep it back": {
			given:   []viptest.Option{bound, without(ingress), viptest.WithClaim(ingress, "web", created(time.Second))},
			actions: []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			recheck: 2 * time.Second,
		},
		"if no pool serves the control plane, should serve ingress without it": {
			given: []viptest.Option{
				viptest.With(held), viptest.WithPool("web", ingress), viptest.WithBound(ingress, "web", "10.0.0.20"),
			},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound", ingressReady},
		},
		"if no pool serves ingress, should serve the control plane without it": {
			given: []viptest.Option{
				viptest.With(held), viptest.WithPool("cp", cp), viptest.WithBound(cp, "cp", "10.0.0.10"),
			},
			actions:    []string{"annotate control-plane=10.0.0.10", "endpoint 10.0.0.10:6443"},
			conditions: []string{cpReady, "IngressVIPReady=false PoolNotFound"},
		},
		"if one pool serves both roles, should claim twice from it": {
			given: []viptest.Option{
				viptest.WithPool("shared", cp, func(p *vip.Pool) { p.Roles = []string{ingress, cp} }),
			},
			actions: []string{"create vip-ingress-prod from shared", "create vip-cp-prod from shared"},
			recheck: 3 * time.Second,
		},
		"if a port is preset, should keep it": {
			given: []viptest.Option{bound, port(9345)}, actions: written("10.0.0.10:9345"), conditions: ready,
		},
		"if the preset port is the highest possible, should keep it": {
			given: []viptest.Option{bound, port(65535)}, actions: written("10.0.0.10:65535"), conditions: ready,
		},
		"if the preset port is too high, should write the default": {
			given: []viptest.Option{bound, port(65536)}, actions: written("10.0.0.10:6443"), conditions: ready,
		},
		"if the preset port is negative, should write the default": {
			given: []viptest.Option{bound, port(-1)}, actions: written("10.0.0.10:6443"), conditions: ready,
		},
		"if another default port is configured, should write that": {
			given:   []viptest.Option{bound, func(s *vip.Snapshot) { s.Settings.DefaultPort = 7443 }},
			actions: written("10.0.0.10:7443"), conditions: ready,
		},
		"if the address is IPv6, should write its canonical form": {
			given: []viptest.Option{bound, address(cp, func(a *vip.Address) { a.Value = "FD00:0:0::10" })},
			actions: []string{
				"annotate control-plane=fd00::10", "endpoint [fd00::10]:6443", "annotate ingress=10.0.0.20",
			},
			conditions: ready,
		},
		"if the address is IPv4 mapped into IPv6, should write it as IPv4": {
			given:   []viptest.Option{bound, address(cp, func(a *vip.Address) { a.Value = "::ffff:10.0.0.10" })},
			actions: written("10.0.0.10:6443"), conditions: ready,
		},
		"if the address is no IP address, should write the other role alone": {
			given:      []viptest.Option{bound, address(cp, func(a *vip.Address) { a.Value = "10.0.0.300" })},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady},
		},
		"if the address has a zone, should write the other role alone": {
			given:      []viptest.Option{bound, address(cp, func(a *vip.Address) { a.Value = "fe80::10%eth0" })},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady},
		},
		"if the address was made for another claim, should not write it": {
			given:      []viptest.Option{bound, func(s *vip.Snapshot) { s.Addresses[0].Claim = "someone-else" }},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false AddressConflict", ingressReady},
		},
		"if the claim names an address that is not there, should wait for it": {
			given:      []viptest.Option{bound, func(s *vip.Snapshot) { s.Addresses = s.Addresses[1:] }},
			actions:    []string{"annotate ingress=10.0.0.20"},
			conditions: []string{"ControlPlaneVIPReady=false WaitingForIPAddress", ingressReady},
		},
		"if no role is held or awaited any more, should take the finalizer off": {
			given:      []viptest.Option{viptest.With(held)},
			actions:    []string{"finalizer off"},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound"},
		},
		"if the pools are gone and the VIP is in use, should keep the finalizer": {
			given:      []viptest.Option{viptest.With(held, host("10.0.0.10", 6443), annotation(cp, "10.0.0.10"))},
			conditions: []string{"ControlPlaneVIPReady=false PoolNotFound", "IngressVIPReady=false PoolNotFound"},
		},
		"if the topology is gone and the VIPs are held, should keep them": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(func(c *vip.Cluster) { c.Class = vip.Class{} }),
			},
			conditions: ready,
		},
		"if the class changed and a VIP is held, should keep it": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(func(c *vip.Cluster) { c.Class.Name = "vsphere" }),
			},
			conditions: ready,
		},
	}.run(t)
}

func TestPortOutOfRangeIsSaid(t *testing.T) {
	plan := vip.Decide(viptest.Snapshot(viptest.WithPools(), viptest.With(held, host("", 70000)),
		viptest.WithBound(cp, "cp", "10.0.0.10")))
	assert.Contains(t, plan.String(),
		"set endpoint 10.0.0.10:6443: claim vip-cp-prod is bound, and port 70000 of the Cluster is out of range")
}

func TestFurtherRoles(t *testing.T) {
	const api = "api-gateway"
	name := names.ClaimName(viptest.ClusterName, api)
	scenarios{
		"if a pool serves a further role, should claim for it too": {
			given: []viptest.Option{viptest.WithPools(), viptest.WithPool("gateways", api)},
			actions: []string{
				"create " + name + " from gateways", "create vip-ingress-prod from web", "create vip-cp-prod from cp",
			},
			recheck: 3 * time.Second,
		},
		"if the VIP of a further role is known, should write its annotation": {
			given: []viptest.Option{
				viptest.Served(), viptest.WithPool("gateways", api), viptest.WithBound(api, "gateways", "10.0.0.30"),
			},
			actions:    []string{"annotate api-gateway=10.0.0.30"},
			conditions: []string{cpReady, ingressReady, "ApiGatewayVIPReady=true IPAddressAssigned"},
		},
		"if the pool of a further role is gone, should keep what is claimed": {
			given: []viptest.Option{
				viptest.Served(), viptest.WithBound(api, "gateways", "10.0.0.30"), viptest.Recorded,
				viptest.With(annotation(api, "10.0.0.30")),
			},
			conditions: []string{cpReady, ingressReady, "ApiGatewayVIPReady=true IPAddressAssigned"},
		},
		"if a further role is served for another class, should not mind it": {
			given: []viptest.Option{
				viptest.Served(), viptest.WithPool("gateways", api, classes(vip.Class{Name: "vsphere"})),
			},
			conditions: []string{cpReady, ingressReady},
		},
		"if a further role alone is served, should claim for it and say what the endpoint lacks": {
			given: []viptest.Option{
				viptest.WithPool("gateways", api), viptest.With(held), viptest.WithBound(api, "gateways", "10.0.0.30"),
			},
			actions: []string{"annotate api-gateway=10.0.0.30"},
			conditions: []string{
				"ControlPlaneVIPReady=false PoolNotFound", "IngressVIPReady=false PoolNotFound",
				"ApiGatewayVIPReady=true IPAddressAssigned",
			},
		},
	}.run(t)
}
