package poolconfig_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestPoolVariables(t *testing.T) {
	tests := map[string]struct {
		roles, host, port string
		wantHost, wantPort,
		problem string
		closed bool
	}{
		"if the pool is the control plane's, should take both": {
			roles: "control-plane", host: "vip", port: " vipPort ", wantHost: "vip", wantPort: "vipPort",
		},
		"if the path is dotted, should take it": {
			roles: "control-plane", host: "endpoint.host", wantHost: "endpoint.host",
		},
		"if the pool serves ingress, should take the host": {
			roles: "ingress", host: "ingressVIP", wantHost: "ingressVIP",
		},
		"if the pool serves ingress, should refuse a port": {
			roles: "ingress", host: "vip", port: "port", wantHost: "vip", problem: "only role control-plane has a port",
		},
		"if the pool serves the control plane too, should take it": {
			roles: "ingress,control-plane", host: "vip", wantHost: "vip",
		},
		"if the pool serves several other roles, should refuse": {
			roles: "ingress,storage", host: "vip", problem: "serves several roles", closed: true,
		},
		"if the annotation is empty, should refuse": {
			roles: "control-plane", host: " ", problem: `" " is not the name of a variable`, closed: true,
		},
		"if a part of the path is missing, should refuse": {
			roles: "control-plane", host: "a..b", problem: `"a..b"`, closed: true,
		},
		"if one of the two is wrong, should take the other as well": {
			roles: "control-plane", host: ".", port: "port", wantPort: "port", problem: `"."`, closed: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{names.Role: tt.roles}
			for key, value := range map[string]string{names.HostVariable: tt.host, names.PortVariable: tt.port} {
				if value != "" {
					annotations[key] = value
				}
			}
			got := pool(map[string]string{names.ClusterClass: "bare-metal", names.Role: names.SeeAnnotation},
				annotations).Snapshot(time.Time{})
			assert.Equal(t, tt.wantHost, got.HostVariable)
			assert.Equal(t, tt.wantPort, got.PortVariable)
			assert.Equal(t, tt.closed, got.Closed,
				"without the address in it, a Cluster would be built without the VIP")
			if tt.problem == "" {
				assert.Empty(t, got.Problems)
				return
			}
			assert.Contains(t, strings.Join(got.Problems, "\n"), tt.problem)
		})
	}
}
