package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

const (
	cp      = names.RoleControlPlane
	ingress = names.RoleIngress

	cpReady      = "ControlPlaneVIPReady=true IPAddressAssigned"
	ingressReady = "IngressVIPReady=true IPAddressAssigned"
	cpProvided   = "ControlPlaneVIPReady=true EndpointProvided"
)

// scenario is a snapshot and the plan that the contract asks for.
type scenario struct {
	given []viptest.Option

	// actions are those of the plan; see viptest.Brief.
	actions []string

	// conditions are those that the Cluster should carry; see viptest.Conditions.
	conditions []string

	// recheck is how long to wait before deciding again.
	recheck time.Duration
}

type scenarios map[string]scenario

func (s scenarios) run(t *testing.T) {
	t.Helper()
	for name, tt := range s {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(tt.given...))
			assert.Equal(t, append([]string{}, tt.actions...), viptest.Brief(plan), "actions")
			assert.Equal(t, append([]string{}, tt.conditions...), viptest.Conditions(plan), "conditions")
			assert.Equal(t, tt.recheck, plan.Status.Recheck, "recheck")
		})
	}
}

// The changes to a Cluster that the scenarios share.

func held(c *vip.Cluster) { c.HasFinalizer = true }

func host(host string, port int32) func(*vip.Cluster) {
	return func(c *vip.Cluster) { c.Endpoint = vip.Endpoint{Host: host, Port: port} }
}

// annotation sets the VIP of a role on the Cluster; an empty value removes it.
func annotation(role, value string) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		vips := map[string]string{}
		for r, v := range c.VIPs {
			vips[r] = v
		}
		vips[role] = value
		if value == "" {
			delete(vips, role)
		}
		c.VIPs = vips
	}
}

// condition sets the condition of a role, unchanged for a minute.
func condition(role string, ready bool, reason string) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		c.Conditions = append(c.Conditions, vip.Condition{
			Type: names.ConditionType(role), True: ready, Reason: reason, Since: viptest.Ago(time.Minute),
		})
	}
}

func deleting(c *vip.Cluster) { c.Deleting = true }

// The changes to a claim.

func created(age time.Duration) func(*vip.Claim) {
	return func(c *vip.Claim) { c.Created = viptest.Ago(age) }
}

func dying(age time.Duration) func(*vip.Claim) {
	return func(c *vip.Claim) { c.Deleting, c.DeletedAt = true, viptest.Ago(age) }
}

func owner(kind, name string, uid types.UID) func(*vip.Claim) {
	return func(c *vip.Claim) { c.Owner = &vip.Owner{Kind: kind, Name: name, UID: uid} }
}

func orphan(c *vip.Claim) { c.Owner = nil }

// untold removes what the provider has written to a claim, as a move or a restore does, which carry no status over.
func untold(c *vip.Claim) { c.Address = "" }

func fromPool(name string) func(*vip.Claim) {
	return func(c *vip.Claim) { c.Pool = viptest.GlobalRef(name) }
}

// options combines several options, so that a scenario can start from another.
func options(options ...viptest.Option) viptest.Option {
	return func(s *vip.Snapshot) {
		for _, option := range options {
			option(s)
		}
	}
}

// without removes the claim of a role and its address from a snapshot.
func without(role string) viptest.Option {
	return func(s *vip.Snapshot) {
		name := names.ClaimName(s.Cluster.Name, role)
		var claims []vip.Claim
		for _, claim := range s.Claims {
			if claim.Name != name {
				claims = append(claims, claim)
			}
		}
		var addresses []vip.Address
		for _, address := range s.Addresses {
			if address.Claim != name {
				addresses = append(addresses, address)
			}
		}
		s.Claims, s.Addresses = claims, addresses
	}
}

// address changes the IPAddress of a role's claim.
func address(role string, change func(*vip.Address)) viptest.Option {
	return func(s *vip.Snapshot) {
		for i := range s.Addresses {
			if s.Addresses[i].Claim == names.ClaimName(s.Cluster.Name, role) {
				change(&s.Addresses[i])
			}
		}
	}
}

func claim(role string, change func(*vip.Claim)) viptest.Option {
	return func(s *vip.Snapshot) {
		for i := range s.Claims {
			if s.Claims[i].Role == role {
				change(&s.Claims[i])
			}
		}
	}
}

func TestGates(t *testing.T) {
	filter := func(value string) viptest.Option {
		return func(s *vip.Snapshot) { s.Settings.WatchFilter = value }
	}
	fresh := options(viptest.WithPools())
	starts := []string{"create vip-ingress-prod from web", "create vip-cp-prod from cp"}
	scenarios{
		"if nothing hinders, should begin": {
			given: []viptest.Option{fresh}, actions: starts, recheck: 3 * time.Second,
		},
		"if the Cluster is paused, should not touch it": {
			given: []viptest.Option{fresh, viptest.With(func(c *vip.Cluster) { c.Paused = true })},
		},
		"if a paused Cluster is being deleted, should not touch it": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(deleting, func(c *vip.Cluster) { c.Paused, c.InUse = true, false }),
			},
		},
		"if the Cluster was moved away, should release nothing": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(deleting, func(c *vip.Cluster) { c.Moving, c.InUse = true, false }),
			},
		},
		"if the Cluster is about to move, should start nothing": {
			given: []viptest.Option{fresh, viptest.With(func(c *vip.Cluster) { c.Moving = true })},
		},
		"if the watch filter is another, should not touch the Cluster": {
			given: []viptest.Option{
				fresh, filter("blue"), viptest.With(func(c *vip.Cluster) { c.WatchFilter = "green" }),
			},
		},
		"if the Cluster lacks the watch filter's label, should not touch it": {
			given: []viptest.Option{fresh, filter("blue")},
		},
		"if the watch filter is the Cluster's, should begin": {
			given: []viptest.Option{
				fresh, filter("blue"), viptest.With(func(c *vip.Cluster) { c.WatchFilter = "blue" }),
			},
			actions: starts, recheck: 3 * time.Second,
		},
		"if there is no watch filter, should serve a Cluster with a label too": {
			given:   []viptest.Option{fresh, viptest.With(func(c *vip.Cluster) { c.WatchFilter = "blue" })},
			actions: starts, recheck: 3 * time.Second,
		},
		"if the Cluster has no topology, should not touch it": {
			given: []viptest.Option{
				fresh, viptest.With(func(c *vip.Cluster) { c.Class = vip.Class{Namespace: viptest.Namespace} }),
			},
		},
	}.run(t)
}

func TestServedClusterIsLeftAlone(t *testing.T) {
	snapshot := viptest.Snapshot(viptest.Served())
	plan := vip.Decide(snapshot)
	assert.True(t, plan.Empty(), "a second plan: %s", plan)
	assert.Equal(t, []string{cpReady, ingressReady}, viptest.Conditions(plan))
	assert.False(t, plan.Status.Waiting)
	assert.Equal(t, vip.Endpoint{Host: "10.0.0.10", Port: 6443}, snapshot.Cluster.Endpoint)
	assert.Equal(t, map[string]string{cp: "10.0.0.10", ingress: "10.0.0.20"}, snapshot.Cluster.VIPs)
	assert.True(t, snapshot.Cluster.HasFinalizer)
}
