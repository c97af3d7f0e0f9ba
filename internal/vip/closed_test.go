package vip_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// shut closes all pools of a snapshot.
func shut(s *vip.Snapshot) {
	for i := range s.Pools {
		s.Pools[i].Closed, s.Pools[i].Problems = true, []string{"namespace: there is no such annotation"}
	}
}

func TestClosedPools(t *testing.T) {
	t.Run("if a Cluster is new, should get nothing and say which pool it is", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.WithPools(), shut))
		assert.Empty(t, viptest.Brief(plan))
		condition := viptest.Condition(plan, cp)
		assert.Equal(t, names.ReasonPoolNotFound, condition.Reason)
		assert.Contains(t, condition.Message, "GlobalInClusterIPPool/cp")
		assert.Contains(t, condition.Message, names.EventInvalidPoolConfiguration)
	})
	t.Run("if a Cluster is served, should leave it as it is", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), shut))
		assert.Empty(t, viptest.Brief(plan))
		assert.False(t, plan.Status.Changed)
	})
	t.Run("if a served Cluster loses what was written, should heal it", func(t *testing.T) {
		healed := viptest.Brief(vip.Decide(viptest.Snapshot(viptest.Served(), viptest.With(func(c *vip.Cluster) {
			c.VIPs, c.Endpoint.Port = nil, 0
		}), shut)))
		assert.Contains(t, healed, "restore control-plane=10.0.0.10")
		assert.Contains(t, healed, "restore ingress=10.0.0.20")
		assert.Len(t, healed, 3, "and the port")
	})
	t.Run("if a served Cluster loses its claim, should get no other", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), without(ingress), shut))
		assert.NotContains(t, viptest.Brief(plan), "create vip-ingress-prod from web")
	})
}

func TestDoubts(t *testing.T) {
	class := func(namespace, name string) vip.Class { return vip.Class{Namespace: namespace, Name: name} }
	exist := []vip.Class{class("a", "bare-metal"), class("b", "vsphere"), class("b", "metal-v2")}
	for name, test := range map[string]struct {
		classes []vip.Class
		roles   []string
		says    string
	}{
		"if the class exists, should say nothing": {
			classes: []vip.Class{class("", "bare-metal"), class("b", "vsphere")},
		},
		"if a class of nearly the name exists, should name it": {
			classes: []vip.Class{class("", "bare-metl")},
			says:    "there is no ClusterClass bare-metl; did you mean bare-metal?",
		},
		"if the class is in another namespace, should say nothing": {
			classes: []vip.Class{class("b", "bare-metl")},
		},
		"if no class has such a name, should say nothing": {
			classes: []vip.Class{class("", "proxmox")},
		},
		"if the class is the next version of another, should say nothing": {
			classes: []vip.Class{class("", "metal-v3")},
		},
		"if the class is any, should say nothing": {
			classes: []vip.Class{class("", vip.AnyClass)},
		},
		"if another pool has nearly the role, should name both": {
			roles: []string{"storge"}, says: "storge is nearly the role storage of GlobalInClusterIPPool/other",
		},
		"if another pool has the role, should say nothing":                   {roles: []string{"storage"}},
		"if the role is a standard one, should say nothing":                  {roles: []string{names.RoleIngress}},
		"if the role counts up that of another pool, should say nothing too": {roles: []string{"storage-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := viptest.Pool("p", "", func(p *vip.Pool) { p.Classes, p.Roles = test.classes, test.roles })
			pools := []vip.Pool{pool, viptest.Pool("other", "storage")}
			doubts := vip.Doubts(&pool, pools, exist)
			if test.says == "" {
				assert.Empty(t, doubts)
				return
			}
			if assert.Len(t, doubts, 1) {
				assert.Contains(t, doubts[0], test.says)
			}
		})
	}
}
