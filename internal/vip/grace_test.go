package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// A pending condition is written only if the wait outlasts two seconds, plus up to one that creation timestamps cut
// off.
func TestPendingConditionIsHeldBack(t *testing.T) {
	waiting := func(age time.Duration, pool ...func(*vip.Pool)) viptest.Option {
		return options(viptest.WithPool("cp", cp, pool...), viptest.With(held),
			viptest.WithClaim(cp, "cp", created(age)))
	}
	lastServed := func(age time.Duration) func(*vip.Pool) {
		return func(p *vip.Pool) { p.LastServed = viptest.Ago(age) }
	}
	born := func(age time.Duration) viptest.Option {
		return viptest.With(func(c *vip.Cluster) { c.Created = viptest.Ago(age) })
	}
	waits := []string{"ControlPlaneVIPReady=false WaitingForIPAddress", "IngressVIPReady=false PoolNotFound"}
	notFound := []string{"ControlPlaneVIPReady=false PoolNotFound"}
	scenarios{
		"if the claim is new, should not say that it waits": {
			given: []viptest.Option{waiting(0)}, recheck: 3 * time.Second,
		},
		"if the claim waits for less than two seconds, should come back when it is worth saying": {
			given: []viptest.Option{waiting(1900 * time.Millisecond)}, recheck: 1100 * time.Millisecond,
		},
		"if the claim waits for long, should say so": {
			given: []viptest.Option{waiting(3 * time.Second)}, conditions: waits,
		},
		"if the clock of the API server is ahead, should wait a little longer and not say it at once": {
			given: []viptest.Option{waiting(-time.Second)}, recheck: 4 * time.Second,
		},
		"if the provider has just served others of the pool, should hold the condition back": {
			given: []viptest.Option{waiting(30*time.Second, lastServed(time.Second))}, recheck: 2 * time.Second,
		},
		"if the provider served others before the claim, should count from the claim": {
			given: []viptest.Option{waiting(time.Second, lastServed(time.Minute))}, recheck: 2 * time.Second,
		},
		"if the provider stopped serving others, should say that the claim waits": {
			given: []viptest.Option{waiting(30*time.Second, lastServed(4*time.Second))}, conditions: waits,
		},
		"if the provider serves others for ten minutes, should lose patience": {
			given: []viptest.Option{waiting(10*time.Minute, lastServed(0))}, conditions: waits,
		},
		"if patience ends soon, should come back then": {
			given: []viptest.Option{waiting(10*time.Minute-time.Second, lastServed(0))}, recheck: time.Second,
		},
		"if the pool of the claim is full, should hold that back just as long": {
			given: []viptest.Option{waiting(time.Second, viptest.Full)}, recheck: 2 * time.Second,
		},
		"if the pool stays full, should say so": {
			given:      []viptest.Option{waiting(time.Minute, viptest.Full)},
			conditions: []string{"ControlPlaneVIPReady=false PoolExhausted", "IngressVIPReady=false PoolNotFound"},
		},
		"if the first claim goes to a full pool, should hold that back as well": {
			given:   []viptest.Option{viptest.WithPool("cp", cp, viptest.Full), viptest.With(held)},
			actions: []string{"create vip-cp-prod from cp"}, recheck: 3 * time.Second,
		},
		"if the Cluster is new and no pool is there, should give pools the time to come": {
			given: []viptest.Option{born(time.Second)}, recheck: 2 * time.Second,
		},
		"if no pool came, should say so": {
			given: []viptest.Option{born(3 * time.Second)}, conditions: notFound,
		},
		"if a claim is being deleted, should give its successor the time to come": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(held), viptest.WithClaim(cp, "cp", dying(time.Second)),
			},
			recheck: 2 * time.Second,
		},
		"if a claim stays in deletion, should say so": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.With(held), viptest.WithClaim(cp, "cp", dying(time.Minute)),
			},
			conditions: waits,
		},
	}.run(t)
}

// In a storm, the condition of a VIP that was just written keeps out of Cluster API's way.
func TestConditionInAStorm(t *testing.T) {
	served := func(age time.Duration, crowd int) viptest.Option {
		return options(viptest.Served(), viptest.With(func(c *vip.Cluster) {
			c.Conditions = nil
		}), func(s *vip.Snapshot) {
			s.Crowd = crowd
			for i := range s.Addresses {
				s.Addresses[i].Born.At = viptest.Ago(age)
			}
		})
	}
	ready := []string{"ControlPlaneVIPReady=true IPAddressAssigned", "IngressVIPReady=true IPAddressAssigned"}
	scenarios{
		"if many others are being served, should come after Cluster API has answered the endpoint": {
			given: []viptest.Option{served(time.Second, 10)}, recheck: 2 * time.Second,
		},
		"if that time is over, should be written": {
			given: []viptest.Option{served(3*time.Second, 10)}, conditions: ready,
		},
		"if few others are being served, should be written at once": {
			given: []viptest.Option{served(0, 9)}, conditions: ready,
		},
		"if many others are being served, should write the VIPs at once all the same": {
			given: []viptest.Option{
				served(0, 10), viptest.With(annotation(ingress, ""), unrecorded, func(c *vip.Cluster) {
					c.Endpoint = vip.Endpoint{}
				}),
			},
			actions: []string{"endpoint 10.0.0.10:6443", "annotate ingress=10.0.0.20"}, recheck: 3 * time.Second,
		},
		"if the condition says so already, should leave it": {
			given: []viptest.Option{viptest.Served(), func(s *vip.Snapshot) { s.Crowd = 10 }}, conditions: ready,
		},
		"if the address of the other role comes later, should write it at once": {
			given:   []viptest.Option{served(0, 10), viptest.With(annotation(ingress, ""), unrecorded)},
			actions: []string{"record vip-cp-prod", "annotate ingress=10.0.0.20"}, recheck: 3 * time.Second,
		},
	}.run(t)
}

func unrecorded(c *vip.Cluster) { c.Written = nil }

func TestHeldBackConditionsLeaveTheOthersAsTheyAre(t *testing.T) {
	snapshot := viptest.Snapshot(viptest.Served(), without(cp))
	plan := vip.Decide(snapshot)
	assert.Equal(t, []string{"create vip-cp-prod from cp"}, viptest.Brief(plan))
	assert.False(t, plan.Status.Changed, "no write while a condition is held back")
	assert.Equal(t, snapshot.Cluster.Conditions, plan.Status.Conditions)
	assert.True(t, plan.Status.Waiting)
}

func TestRecheckIsTheSoonest(t *testing.T) {
	plan := vip.Decide(viptest.Snapshot(viptest.WithPools(), viptest.With(held),
		viptest.WithClaim(cp, "cp", created(0)), viptest.WithClaim(ingress, "web", created(time.Second))))
	assert.Equal(t, 2*time.Second, plan.Status.Recheck)
}
