package names_test

import (
	"encoding/base64"
	"hash/fnv"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestClaimName(t *testing.T) {
	long := strings.Repeat("c", 253)
	tests := map[string]struct{ cluster, role, want string }{
		"if the role is the control plane, should use its short form": {"prod", names.RoleControlPlane, "vip-cp-prod"},
		"if the role is ingress, should name it":                      {"prod", names.RoleIngress, "vip-ingress-prod"},
		"if the role is any other, should name it":                    {"prod", "storage", "vip-storage-prod"},
		"if the name is as long as it may be, should keep it": {
			strings.Repeat("c", 246), names.RoleControlPlane, "vip-cp-" + strings.Repeat("c", 246),
		},
		"if the name has dots, should keep them": {
			"prod.eu", names.RoleControlPlane, "vip-cp-prod.eu",
		},
		// Names are for ever: existing claims are found by them. Changing these values loses claims.
		"if the role is called as the short form of another, should add a hash": {
			"prod", "cp", "vip-cp-prod-cd653078dcc41ea2",
		},
		"if the name would be too long, should shorten it and add a hash": {
			long, names.RoleIngress, "vip-ingress-" + long[:224] + "-" + hashOf(names.RoleIngress+"/"+long),
		},
		"if the cut falls on a dot, should not leave it before the hash": {strings.Repeat("c", 223) +
			"." + strings.Repeat("d", 20), names.RoleIngress, "vip-ingress-" + strings.Repeat("c", 223) + "-" +
			hashOf(names.RoleIngress+"/"+strings.Repeat("c", 223)+"."+strings.Repeat("d", 20))},
		"if the name is one longer than it may be, should shorten it with a hash": {
			long[:247], names.RoleControlPlane,
			"vip-cp-" + long[:229] + "-" + hashOf(names.RoleControlPlane+"/"+long[:247]),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := names.ClaimName(tt.cluster, tt.role)
			assert.Equal(t, tt.want, got)
			assert.Empty(t, validation.IsDNS1123Subdomain(got))
		})
	}
}

func hashOf(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range h.Sum(nil) {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

var (
	roles = rapid.OneOf(
		rapid.SampledFrom([]string{
			names.RoleControlPlane, names.RoleIngress, "cp", "c-p", "ingress-2", "ingress2", "a-b", "a--b", "ab",
			"a-2", "a2", "a--2",
		}),
		rapid.StringMatching(`[a-z]([-a-z0-9]{0,8}[a-z0-9])?`),
	).Filter(func(role string) bool { return names.ValidateRole(role) == nil })

	clusters = rapid.OneOf(
		rapid.SampledFrom([]string{"prod", "cp-prod", "ingress-prod", "a", "a-b", "b"}),
		rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?`),
		rapid.StringMatching(`[a-z]{200,253}`),
	)
)

func TestClaimNameProperties(t *testing.T) {
	t.Run("it is a valid name and always the same", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			cluster, role := clusters.Draw(t, "cluster"), roles.Draw(t, "role")
			name := names.ClaimName(cluster, role)
			require.Empty(t, validation.IsDNS1123Subdomain(name), name)
			require.Equal(t, name, names.ClaimName(cluster, role))
		})
	})
	t.Run("two roles of a Cluster never share one", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			cluster, a, b := clusters.Draw(t, "cluster"), roles.Draw(t, "a"), roles.Draw(t, "b")
			require.Equal(t, a == b, names.ClaimName(cluster, a) == names.ClaimName(cluster, b), "%s and %s of %s",
				a, b, cluster)
		})
	})
	t.Run("two Clusters never share one for a role", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			role, a, b := roles.Draw(t, "role"), clusters.Draw(t, "a"), clusters.Draw(t, "b")
			require.Equal(t, a == b, names.ClaimName(a, role) == names.ClaimName(b, role),
				"%s of %s and %s", role, a, b)
		})
	})
	t.Run("two Clusters never share one for the roles without a dash", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			standard := rapid.SampledFrom([]string{names.RoleControlPlane, names.RoleIngress, "cp", "storage"})
			a, b := clusters.Draw(t, "a"), clusters.Draw(t, "b")
			x, y := standard.Draw(t, "x"), standard.Draw(t, "y")
			require.Equal(t, a == b && x == y, names.ClaimName(a, x) == names.ClaimName(b, y),
				"%s of %s and %s of %s", x, a, y, b)
		})
	})
}

func TestConditionType(t *testing.T) {
	for role, want := range map[string]string{
		names.RoleControlPlane: "ControlPlaneVIPReady",
		names.RoleIngress:      "IngressVIPReady",
		"storage":              "StorageVIPReady",
		"api-gateway":          "ApiGatewayVIPReady",
		"ingress2":             "Ingress2VIPReady",
		"ingress-2":            "Ingress-2VIPReady",
		"a--b":                 "A-BVIPReady",
	} {
		assert.Equal(t, want, names.ConditionType(role), role)
		assert.True(t, names.IsConditionType(want))
	}
	assert.False(t, names.IsConditionType("Ready"))
	assert.False(t, names.IsConditionType("VIPReadyToGo"))
	assert.False(t, names.IsConditionType("VIPReady"), "no role at all")
}

// conditionTypes is the pattern of metav1.Condition.Type.
var conditionTypes = regexp.MustCompile(
	`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
)

func TestConditionTypeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := roles.Draw(t, "a"), roles.Draw(t, "b")
		require.Regexp(t, conditionTypes, names.ConditionType(a))
		require.Equal(t, a == b, names.ConditionType(a) == names.ConditionType(b), "%s and %s", a, b)
	})
}

func TestValidateRole(t *testing.T) {
	tests := map[string]bool{
		names.RoleControlPlane: true, names.RoleIngress: true, "a": true, "ingress-2": true, "cp": true,
		strings.Repeat("r", 63): true, strings.Repeat("r", 64): false,
		"": false, "Ingress": false, "2nd": false, "-a": false, "a-": false, "a.b": false, "a_b": false, "a/b": false,
		"in gress": false, "rôle": false,
		"cluster-class": false, "role": false, "priority": false, "namespaces": false, "host-variable": false,
		"port-variable": false, "release": false, "allow-deletion": false,
	}
	for role, valid := range tests {
		err := names.ValidateRole(role)
		assert.Equal(t, valid, err == nil, "role %q: %v", role, err)
		if err != nil {
			assert.Contains(t, err.Error(), role)
		}
	}
}

func TestRoleOfAnnotation(t *testing.T) {
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress, "storage"} {
		got, ok := names.RoleOfAnnotation(names.Annotation(role))
		assert.True(t, ok)
		assert.Equal(t, role, got)
	}
	for _, key := range []string{
		names.Priority, names.Namespaces, names.ReleaseFinalizer, names.Paused, "ingress", names.Domain,
		names.Domain + "/", "x" + names.Domain + "/ingress",
	} {
		_, ok := names.RoleOfAnnotation(key)
		assert.False(t, ok, key)
	}
}

func TestLabelValue(t *testing.T) {
	tests := map[string]struct{ cluster, want string }{
		"if the name fits, should use it":                      {"prod", "prod"},
		"if the name has 63 characters, should use it":         {strings.Repeat("a", 63), strings.Repeat("a", 63)},
		"if the name has 64 characters, should use its hash":   {strings.Repeat("a", 64), "hash_2W8PhQ_z"},
		"if the name has 253 characters, should use its hash":  {strings.Repeat("a", 253), "hash_3x91kA_z"},
		"if the name is no label value, should use its hash":   {"prod/eu", "hash_PjV_mw_z"},
		"if the name has dots and fits, should use it as well": {"prod.eu", "prod.eu"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, names.LabelValue(tt.cluster))
		})
	}
}

// It is the algorithm of sigs.k8s.io/cluster-api/util/labels/format.MustFormatValue, whatever the name.
func TestLabelValueIsThatOfClusterAPI(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := clusters.Draw(t, "cluster")
		want := cluster
		if len(validation.IsValidLabelValue(cluster)) > 0 {
			hasher := fnv.New32a()
			_, err := hasher.Write([]byte(cluster))
			require.NoError(t, err)
			want = "hash_" + base64.URLEncoding.WithPadding(base64.NoPadding).EncodeToString(hasher.Sum(nil)) + "_z"
		}
		require.Equal(t, want, names.LabelValue(cluster))
		require.Empty(t, validation.IsValidLabelValue(names.LabelValue(cluster)))
	})
}
