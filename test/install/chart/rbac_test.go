package chart

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// rules returns the chart's single list of permissions.
func rules(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(helm.ChartDir(), "files", "rbac.yaml"))
	require.NoError(t, err)
	parsed := map[string][]rbacv1.PolicyRule{}
	require.NoError(t, yaml.UnmarshalStrict(content, &parsed))
	return parsed
}

func TestRoles(t *testing.T) {
	all := rules(t)
	tests := map[string]struct {
		values  string
		cluster [][]rbacv1.PolicyRule
		watched bool
	}{
		"if nothing is set, should grant everything everywhere": {
			"", [][]rbacv1.PolicyRule{all["watched"], all["cluster"], all["diagnostics"]}, false,
		},
		"if one namespace is watched, should grant the most of it there only": {
			"controller: {namespace: team}", [][]rbacv1.PolicyRule{all["cluster"], all["diagnostics"]}, true,
		},
		"if metrics are off, should not grant reviews": {
			"metrics: {enabled: false}", [][]rbacv1.PolicyRule{all["watched"], all["cluster"]}, false,
		},
		"if metrics are open, should not grant reviews": {
			"metrics: {insecure: true}", [][]rbacv1.PolicyRule{all["watched"], all["cluster"]}, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := render(t, test.values)
			require.Equal(t, slices.Concat(test.cluster...),
				get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-manager").Rules)
			if test.watched {
				role := get[rbacv1.Role](t, objects, "Role", "-manager")
				require.Equal(t, "team", role.Namespace)
				require.Equal(t, all["watched"], role.Rules)
				events := get[rbacv1.Role](t, objects, "Role", "-events")
				require.Equal(t, metav1.NamespaceDefault, events.Namespace)
				require.Equal(t, all["clusterEvents"], events.Rules)
				require.Equal(t, events.Name,
					get[rbacv1.RoleBinding](t, objects, "RoleBinding", "-events").RoleRef.Name)
			} else {
				require.Nil(t, objects.Find("Role", "-events"))
				require.Nil(t, objects.Find("Role", "-manager"))
			}
			leases := get[rbacv1.Role](t, objects, "Role", "-leader-election")
			require.Equal(t, helm.Namespace, leases.Namespace)
			require.Equal(t, all["own"], leases.Rules)
		})
	}
	t.Run("if there are pools of other providers, should let them be watched, where they are", func(t *testing.T) {
		const kinds = "poolKinds: [{apiVersion: ipam.example.com/v1, kind: ExamplePool}, {apiVersion: " +
			"other.example.com/v1, kind: Box, resource: boxes, scope: Cluster}]"
		pools := func(group, resource string) []rbacv1.PolicyRule {
			return []rbacv1.PolicyRule{
				{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"list", "watch"}},
			}
		}
		example, boxes := pools("ipam.example.com", "examplepools"), pools("other.example.com", "boxes")
		everywhere := get[rbacv1.ClusterRole](t, render(t, "controller: {"+kinds+"}"), "ClusterRole", "-manager")
		require.Equal(t, slices.Concat(all["watched"], example, all["cluster"], boxes, all["diagnostics"]),
			everywhere.Rules)
		objects := render(t, "controller: {namespace: team, "+kinds+"}")
		require.Equal(t, slices.Concat(all["cluster"], boxes, all["diagnostics"]),
			get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-manager").Rules)
		require.Equal(t, slices.Concat(all["watched"], example), get[rbacv1.Role](t, objects, "Role", "-manager").Rules)
	})
	t.Run("if roles are made, should be bound to the account of the pods, "+
		"and the readers' to nobody", func(t *testing.T) {
		objects := render(t, "serviceAccount: {name: mine}\ncontroller: {namespace: team}")
		account := deployment(t, objects).Spec.Template.Spec.ServiceAccountName
		require.Equal(t, "mine", account)
		subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: helm.Namespace}}
		bound := get[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding", "-manager")
		require.Equal(t, subjects, bound.Subjects)
		require.Equal(t, objects.Find("ClusterRole", "-manager").GetName(), bound.RoleRef.Name)
		for _, suffix := range []string{"-manager", "-leader-election"} {
			bound := get[rbacv1.RoleBinding](t, objects, "RoleBinding", suffix)
			require.Equal(t, subjects, bound.Subjects)
			require.Equal(t, objects.Find("Role", suffix).GetName(), bound.RoleRef.Name)
		}
		require.Nil(t, objects.Find("ClusterRoleBinding", "-metrics-reader"))
	})
	t.Run("if tenants may look, should let them see and change nothing, "+
		"by the role that they have", func(t *testing.T) {
		require.Nil(t, render(t, "").Find("ClusterRole", "-view"))
		objects := render(t, "rbac: {aggregateToView: true}\n"+
			"controller: {poolKinds: [{apiVersion: a.example.com/v1, kind: In}, "+
			"{apiVersion: b.example.com/v1, kind: Out, scope: Cluster}]}")
		seen := func(role rbacv1.ClusterRole) map[string][]string {
			found := map[string][]string{}
			for _, rule := range role.Rules {
				require.Equal(t, []string{"get", "list", "watch"}, rule.Verbs)
				require.Len(t, rule.APIGroups, 1)
				found[rule.APIGroups[0]] = append(found[rule.APIGroups[0]], rule.Resources...)
			}
			return found
		}
		const label = "rbac.authorization.k8s.io/aggregate-to-view"
		view := get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-view")
		pools := get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-global-pools")
		require.Equal(t, "true", view.Labels[label])
		require.Equal(t, map[string][]string{
			"ipam.cluster.x-k8s.io": {"inclusterippools", "ipaddressclaims", "ipaddresses", "globalinclusterippools"},
			"a.example.com":         {"ins"}, "b.example.com": {"outs"},
		}, seen(view))
		require.NotContains(t, pools.Labels, label)
		global := map[string][]string{"ipam.cluster.x-k8s.io": {"globalinclusterippools"}, "b.example.com": {"outs"}}
		require.Equal(t, global, seen(pools),
			"who is bound in all namespaces sees nothing that is in one")
		require.Nil(t, objects.Find("ClusterRoleBinding", "-global-pools"), "who is bound is not for the chart to say")
		own := get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-manager").Rules
		require.Equal(t, all["watched"], own[:len(all["watched"])], "the operator's own stay")
	})
	t.Run("if the runtime extension is on, should grant what it needs, "+
		"and the one Secret in its namespace only", func(t *testing.T) {
		objects := render(t, "runtimeExtension: {enabled: true}")
		owner := get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-runtime-extension")
		want := all["extension"]
		want[1].ResourceNames = []string{owner.Name}
		require.Equal(t, want, owner.Rules)
		require.Contains(t, manager(t, objects).Args, "--runtime-extension-owner="+owner.Name)
		role := get[rbacv1.Role](t, objects, "Role", "-runtime-extension")
		require.Equal(t, helm.Namespace, role.Namespace)
		require.Equal(t, all["extensionOwn"], role.Rules)
		require.Equal(t, owner.Name,
			get[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding", "-runtime-extension").RoleRef.Name)
	})
	t.Run("if the runtime extension's objects are applied beside the released manifests, "+
		"should fit them", func(t *testing.T) {
		released, objects := render(t, ""), render(t, "runtimeExtension: {enabled: true}")
		service := get[corev1.Service](t, objects, "Service", "-runtime-extension")
		pod := deployment(t, released).Spec.Template
		require.Subset(t, pod.Labels, service.Spec.Selector)
		hooks := slices.IndexFunc(manager(t, objects).Ports, func(p corev1.ContainerPort) bool {
			return p.Name == "hooks"
		})
		require.EqualValues(t, manager(t, objects).Ports[hooks].ContainerPort,
			service.Spec.Ports[0].TargetPort.IntValue(), "those pods have no name for it")
		page, err := os.ReadFile(filepath.Join(helm.ChartDir(), "..", "..", "docs", "runtime-hooks.md"))
		require.NoError(t, err)
		require.Contains(t, string(page), "--runtime-extension-owner="+
			get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-runtime-extension").Name+"\n")
	})
	t.Run("if anything is granted, should be named and no secret", func(t *testing.T) {
		for group, list := range all {
			for _, rule := range list {
				if group == "extensionOwn" && slices.Equal(rule.Resources, []string{"secrets"}) {
					require.True(t, len(rule.ResourceNames) == 1 ||
						slices.Equal(rule.Verbs, []string{"create"}), "no other Secret can be read or changed")
					continue
				}
				for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs) {
					require.NotContains(t, word, "*", group)
					require.NotContains(t, []string{"secrets", "escalate", "bind", "impersonate"}, word, group)
				}
			}
		}
	})
}
