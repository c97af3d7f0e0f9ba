package vip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

const (
	v1beta1 = "cluster.x-k8s.io/v1beta1"
	v1beta2 = "cluster.x-k8s.io/v1beta2"
)

// ownedAt makes the claims of a snapshot name their owners at a version.
func ownedAt(version string) viptest.Option {
	return func(s *vip.Snapshot) {
		for i := range s.Claims {
			if owner := s.Claims[i].Owner; owner != nil {
				renewed := *owner
				renewed.Version = version
				s.Claims[i].Owner = &renewed
			}
		}
	}
}

func inUse(version string) viptest.Option {
	return func(s *vip.Snapshot) { s.ClusterVersion = version }
}

func TestRenewal(t *testing.T) {
	ready := []string{cpReady, ingressReady}
	both := []string{"renew owner of vip-ingress-prod", "renew owner of vip-cp-prod"}
	deleted := viptest.With(func(c *vip.Cluster) { c.Deleting = true })
	scenarios{
		"if the version in use is a newer one, should renew both owners": {
			given: []viptest.Option{viptest.Served(), ownedAt(v1beta1), inUse(v1beta2)}, actions: both,
			conditions: ready,
		},
		"if the version in use is an older one again, should renew both owners": {
			given: []viptest.Option{viptest.Served(), ownedAt(v1beta2), inUse(v1beta1)}, actions: both,
			conditions: ready,
		},
		"if the version is the same, should write nothing": {
			given: []viptest.Option{viptest.Served(), ownedAt(v1beta2), inUse(v1beta2)}, conditions: ready,
		},
		"if the version in use is not known, should write nothing": {
			given: []viptest.Option{viptest.Served(), ownedAt(v1beta1)}, conditions: ready,
		},
		"if no pool serves the Cluster any more, should renew all the same": {
			given: []viptest.Option{viptest.Served(), ownedAt(v1beta1), inUse(v1beta2), func(s *vip.Snapshot) {
				for i := range s.Pools {
					s.Pools[i].Classes = nil
				}
			}},
			actions: both, conditions: ready,
		},
		"if the claim waits, should renew its owner": {
			given: []viptest.Option{
				viptest.WithPool("web", ingress), viptest.WithClaim(ingress, "web", created(time.Second)),
				viptest.With(held, host("192.0.2.7", 6443)), ownedAt(v1beta1), inUse(v1beta2),
			},
			actions: []string{"renew owner of vip-ingress-prod"}, recheck: 2 * time.Second,
		},
		"if the claim is replaced, should not renew it before": {
			given: []viptest.Option{
				viptest.WithPool("web", ingress), viptest.WithClaim(ingress, "former"),
				viptest.With(held, host("192.0.2.7", 6443)), ownedAt(v1beta1), inUse(v1beta2),
			},
			actions:    []string{"replace vip-ingress-prod from web"},
			conditions: []string{"IngressVIPReady=false WaitingForIPAddress"},
		},
		"if the claim is being deleted, should leave it": {
			given:   []viptest.Option{viptest.Served(), claim(cp, dying(0)), ownedAt(v1beta1), inUse(v1beta2)},
			actions: both[:1], conditions: ready, recheck: 3 * time.Second,
		},
		"if the claim is someone else's, should leave it": {
			given: []viptest.Option{
				viptest.Served(), claim(cp, func(c *vip.Claim) {
					c.Owner = &vip.Owner{Kind: "Machine", Name: "prod", UID: "another"}
				}),
				ownedAt(v1beta1), inUse(v1beta2),
			},
			actions: both[:1], conditions: []string{"ControlPlaneVIPReady=false ClaimConflict", ingressReady},
		},
		"if the Cluster is paused, should leave all": {
			given: []viptest.Option{
				viptest.Served(), viptest.With(func(c *vip.Cluster) { c.Paused = true }), ownedAt(v1beta1),
				inUse(v1beta2),
			},
		},
		"if the Cluster goes and no address was written, should have the garbage collector find it": {
			given: []viptest.Option{
				viptest.WithPools(), viptest.WithBound(cp, "cp", "10.0.0.10"), deleted, ownedAt(v1beta1),
				inUse(v1beta2),
			},
			actions: []string{"renew owner of vip-cp-prod"},
		},
	}.run(t)
}

// A renewal that the API server refuses is not retried over and over, and does not count as trouble of the role.
func TestRefusedRenewal(t *testing.T) {
	given := []viptest.Option{viptest.Served(), ownedAt(v1beta1), inUse(v1beta2)}
	plan := vip.Decide(viptest.Snapshot(given...))
	refused := map[vip.Key]string{}
	for _, action := range plan.Actions {
		refused[action.Key()] = "a policy forbids it"
	}
	plan = vip.Decide(viptest.Snapshot(append(given, func(s *vip.Snapshot) { s.Refused = refused })...))
	assert.True(t, plan.Empty(), "%s", plan)
	assert.Len(t, plan.Warnings, len(refused))
}
