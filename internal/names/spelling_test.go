package names_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestMeantRole(t *testing.T) {
	for role, want := range map[string]string{
		"controlplane": names.RoleControlPlane, "control_plane": names.RoleControlPlane,
		"controlPlane":  names.RoleControlPlane,
		"Control-Plane": names.RoleControlPlane, "control-plan": names.RoleControlPlane,
		"contol-plan":    names.RoleControlPlane,
		"control-planes": names.RoleControlPlane, "cntrol-palne": "", "controlplane-2": names.RoleControlPlane,
		"contorl-plane": names.RoleControlPlane,
		"ingres":        names.RoleIngress, "ingresss": names.RoleIngress, "ingerss": names.RoleIngress,
		"Ingress": names.RoleIngress, "imgress": names.RoleIngress,
		// Deliberate roles, and what is too far off to be sure of.
		names.RoleControlPlane: "", names.RoleIngress: "", "egress": "", "ingest": "", "ingress2": "", "ingress-2": "",
		"ingress-v6": "", "ingress-a": "",
		"ingress-internal": "", "control-plane-eu": "", "control-plane-2": "", "storage": "", "cp": "", "i": "",
		"": "", "-": "",
	} {
		meant, ok := names.MeantRole(role)
		assert.Equal(t, want, meant, role)
		assert.Equal(t, want != "", ok, role)
	}
}

func TestMeant(t *testing.T) {
	for key, want := range map[string]string{
		names.Domain + "/namespace": names.Namespaces, names.Domain + "/Namespaces": names.Namespaces,
		names.Domain + "/name-spaces":  names.Namespaces,
		names.Domain + "/hostVariable": names.HostVariable, names.Domain + "/roles": names.Role,
		names.Domain + "/prioritiy":    names.Priority,
		names.Domain + "/clusterclass": names.ClusterClass, names.Domain + "/cluster-classes": names.ClusterClass,
		names.Domain + "/topology-gate": "", names.Domain + "/tenants": "",
	} {
		meant, _ := names.Meant(key, names.PoolAnnotations)
		assert.Equal(t, want, meant, key)
	}
}

func TestIsOurs(t *testing.T) {
	for key, ours := range map[string]bool{
		names.Namespaces: true, names.Domain + "/anything": true, names.Domain + "/": true,
		"vip.capi.gorizond.oi/namespaces": true, "vip.capi.gorizond.com/namespaces": true,
		"vip-capi.gorizond.io/role": true, "vip.cap.gorizond.io/role": true,
		names.Domain + ".namespaces": true, names.Domain: true,
		"namespaces": false, "capi.gorizond.io/namespaces": false, "ipam.cluster.x-k8s.io/role": false,
		"cluster.x-k8s.io/paused": false, "": false, "/": false,
	} {
		assert.Equal(t, ours, names.IsOurs(key), key)
	}
}

func TestAreTwins(t *testing.T) {
	for _, pair := range [][2]string{
		{"storage", "storge"},
		{"storage", "Storage"},
		{"api-gateway", "apigateway"},
		{"public", "publci"},
		{"ingress-internal", "ingress-internl"},
	} {
		assert.True(t, names.AreTwins(pair[0], pair[1]), pair)
	}
	for _, pair := range [][2]string{
		{"storage", "storage"},
		{"storage-1", "storage-2"},
		{"storage", "storage2"},
		{"net-a", "net-b"},
		{"east", "west"},
		{"internal", "external"},
		{"ingress-internal", "ingress-external"},
		{"lan", "wan"},
		{"web", "web-internal"},
		{"a", "b"},
	} {
		assert.False(t, names.AreTwins(pair[0], pair[1]), pair)
	}
}

func TestTwinsAreMutual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := roles.Draw(t, "a"), roles.Draw(t, "b")
		if len(a) == len(b) {
			assert.Equal(t, names.AreTwins(a, b), names.AreTwins(b, a), "%s and %s", a, b)
		}
		assert.False(t, names.AreTwins(a, a), a)
	})
}
