package vip_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestPortOfTheEndpoint(t *testing.T) {
	const says = "; the port is 9345, by spec.clusterNetwork.apiServerPort"
	for name, test := range map[string]struct {
		cluster func(*vip.Cluster)
		// variable is the user's value of the port variable.
		variable string
		want     int32
		says     bool
	}{
		"if the Cluster names no port, should use the default": {
			func(*vip.Cluster) {}, "", 6443, false,
		},
		"if the endpoint has a port, should use that": {
			func(c *vip.Cluster) { c.Endpoint.Port, c.Port = 8443, 9345 }, "", 8443, false,
		},
		"if the endpoint had a port, should use that": {
			func(c *vip.Cluster) { c.Gate.Port, c.Port = 8443, 9345 }, "", 8443, false,
		},
		"if the network has a port, should use it and say so": {
			func(c *vip.Cluster) { c.Port = 9345 }, "", 9345, true,
		},
		"if the network has the endpoint's port, should say so": {
			func(c *vip.Cluster) { c.Endpoint.Port, c.Port = 9345, 9345 }, "", 9345, true,
		},
		"if the network has the default, should not say so": {
			func(c *vip.Cluster) { c.Port = 6443 }, "", 6443, false,
		},
		"if no port of the endpoint can be one but the former, should use that": {
			func(c *vip.Cluster) { c.Endpoint.Port, c.Gate.Port, c.Port = 70000, 8443, 9345 }, "", 8443, false,
		},
		"if the network has a port and the variable another, should use the first": {
			func(c *vip.Cluster) { c.Port = 9345 }, "7443", 9345, true,
		},
		"if the variable alone has a port, should use that": {
			func(*vip.Cluster) {}, "7443", 7443, false,
		},
		"if the network's port cannot be one, should use the default": {
			func(c *vip.Cluster) { c.Port = 70000 }, "", 6443, false,
		},
		"if the network's port cannot be one, should use the variable's": {
			func(c *vip.Cluster) { c.Port = -1 }, "7443", 7443, false,
		},
		"if the endpoint's port cannot be one, should use the network's": {
			func(c *vip.Cluster) { c.Endpoint.Port, c.Port = 70000, 9345 }, "", 9345, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			variables := map[string]string{"vip": `"10.0.0.10"`}
			if test.variable != "" {
				variables["port"] = test.variable
			}
			given := []viptest.Option{
				declares, viptest.WithPool("cp", cp, into("vip", "port")), viptest.WithBound(cp, "cp", "10.0.0.10"),
				viptest.With(held, onHold(2, 2, true), values(variables), test.cluster),
			}
			snapshot := viptest.Snapshot(given...)
			if test.variable == "" { // the variable comes first, and holds the endpoint's port
				assert.Contains(t, viptest.Brief(vip.Decide(snapshot)),
					fmt.Sprintf("variables [{vip 10.0.0.10} {port %d}]", test.want))
				values(map[string]string{"vip": `"10.0.0.10"`, "port": strconv.Itoa(int(test.want))})(&snapshot.Cluster)
			}
			plan := vip.Decide(snapshot)
			assert.Contains(t, viptest.Brief(plan), fmt.Sprintf("endpoint 10.0.0.10:%d", test.want))
			settled := viptest.Snapshot(viptest.Served(), viptest.With(test.cluster, func(c *vip.Cluster) {
				c.Endpoint = vip.Endpoint{Host: "10.0.0.10", Port: test.want}
			}))
			assert.NotContains(t, viptest.Brief(vip.Decide(settled)), "endpoint", "what is set is never overwritten")
			assert.Equal(t, test.says, strings.HasSuffix(viptest.Condition(vip.Decide(settled), cp).Message, says))
		})
	}
	t.Run("if the network's port is changed later, should leave the endpoint alone", func(t *testing.T) {
		plan := vip.Decide(viptest.Snapshot(viptest.Served(), viptest.With(func(c *vip.Cluster) { c.Port = 9345 })))
		assert.Empty(t, viptest.Brief(plan))
		assert.False(t, plan.Status.Changed)
	})
}
