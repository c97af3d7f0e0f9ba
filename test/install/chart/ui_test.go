package chart

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

const pages = "ui: {enabled: true}\n"

// pagesRules returns the permissions that the pages need according to the chart.
func pagesRules(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(helm.ChartDir(), "files", "ui.yaml"))
	require.NoError(t, err)
	parsed := map[string][]rbacv1.PolicyRule{}
	text := strings.ReplaceAll(string(content), "CONFIG", helm.Name+"-config")
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &parsed))
	return parsed
}

func TestPagesPod(t *testing.T) {
	objects := render(t, pages)
	pod := get[appsv1.Deployment](t, objects, "Deployment", "-ui").Spec.Template
	require.Len(t, pod.Spec.Containers, 1)
	container := pod.Spec.Containers[0]
	t.Run("if rendered, should run the plugin of the image, as restricted as the operator", func(t *testing.T) {
		require.Equal(t, manager(t, objects).Image, container.Image)
		require.Equal(t, []string{"/kubectl-vip"}, container.Command)
		require.Equal(t, []string{"serve", "--address=:8080", "--operator-namespace=$(POD_NAMESPACE)"}, container.Args)
		require.Equal(t, manager(t, objects).SecurityContext, container.SecurityContext)
		require.Equal(t, deployment(t, objects).Spec.Template.Spec.SecurityContext, pod.Spec.SecurityContext)
		require.True(t, *pod.Spec.AutomountServiceAccountToken)
		require.False(t, container.Resources.Limits.Memory().IsZero())
	})
	t.Run("if probed, should be asked for what tells nothing", func(t *testing.T) {
		for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe} {
			require.Equal(t, "/healthz", probe.HTTPGet.Path)
			require.Equal(t, container.Ports[0].Name, probe.HTTPGet.Port.StrVal)
		}
	})
	t.Run("if the operator looks at one namespace, should look there too", func(t *testing.T) {
		limited := get[appsv1.Deployment](t, render(t, pages+"controller: {namespace: team}"), "Deployment", "-ui")
		require.Contains(t, limited.Spec.Template.Spec.Containers[0].Args, "--namespace=team")
	})
	t.Run("if Services and policies select, should not mix it up with the operator", func(t *testing.T) {
		objects := render(t, everything)
		selects := func(selector map[string]string, pod corev1.PodTemplateSpec) bool {
			differs := func(key string) bool { return pod.Labels[key] != selector[key] }
			return !slices.ContainsFunc(slices.Collect(maps.Keys(selector)), differs)
		}
		operator := deployment(t, objects)
		own := get[corev1.Service](t, objects, "Service", "-ui").Spec.Selector
		require.True(t, selects(own, pod))
		require.False(t, selects(own, operator.Spec.Template))
		require.False(t, selects(operator.Spec.Selector.MatchLabels, pod))
		policy := get[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "-ui")
		require.Equal(t, own, policy.Spec.PodSelector.MatchLabels)
		require.Equal(t, own, get[appsv1.Deployment](t, objects, "Deployment", "-ui").Spec.Selector.MatchLabels)
		service := get[corev1.Service](t, objects, "Service", "-ui").Spec
		require.Equal(t, container.Ports[0].Name, service.Ports[0].TargetPort.StrVal)
		require.Empty(t, service.Type, "it is not for the world outside of the cluster")
	})
}

func TestPagesRoles(t *testing.T) {
	all := pagesRules(t)
	const kinds = "poolKinds: [{apiVersion: a.example.com/v1, kind: In}, " +
		"{apiVersion: b.example.com/v1, kind: Out, scope: Cluster}]"
	other := func(group, resource string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{
			APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"list", "watch"},
		}}
	}
	tests := map[string]struct {
		values           string
		everywhere, team []rbacv1.PolicyRule
	}{
		"if nothing is set, should read everywhere": {"", slices.Concat(all["watched"], all["cluster"]), nil},
		"if one namespace is watched, should read there, and what is outside of namespaces": {
			"controller: {namespace: team}", all["cluster"], all["watched"],
		},
		"if there are pools of other providers, should read them where they are": {
			"controller: {namespace: team, " + kinds + "}",
			slices.Concat(all["cluster"], other("b.example.com", "outs")),
			slices.Concat(all["watched"], other("a.example.com", "ins")),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := render(t, pages+test.values)
			account := get[appsv1.Deployment](t, objects, "Deployment", "-ui").Spec.Template.Spec.ServiceAccountName
			require.Equal(t, account, objects.Find("ServiceAccount", "-ui").GetName())
			subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: helm.Namespace}}
			require.Equal(t, test.everywhere, get[rbacv1.ClusterRole](t, objects, "ClusterRole", "-ui").Rules)
			bound := get[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding", "-ui")
			require.Equal(t, subjects, bound.Subjects)
			require.Equal(t, objects.Find("ClusterRole", "-ui").GetName(), bound.RoleRef.Name)
			found := map[string][]rbacv1.PolicyRule{}
			for _, object := range objects {
				if object.GetKind() != "Role" || !strings.HasSuffix(object.GetName(), "-ui") {
					continue
				}
				role, err := helm.As[rbacv1.Role](helm.Objects{object}, "Role", "")
				require.NoError(t, err)
				found[role.Namespace] = role.Rules
				binding, err := helm.As[rbacv1.RoleBinding](objects, "RoleBinding", role.Name)
				require.NoError(t, err)
				require.Equal(t, subjects, binding.Subjects)
				require.Equal(t, role.Name, binding.RoleRef.Name)
			}
			want := map[string][]rbacv1.PolicyRule{helm.Namespace: all["own"]}
			if test.team != nil {
				want["team"] = test.team
			}
			require.Equal(t, want, found)
		})
	}
	t.Run("if anything is granted, should only read, and no Secret", func(t *testing.T) {
		for _, rule := range slices.Concat(slices.Collect(maps.Values(all))...) {
			require.Subset(t, []string{"get", "list", "watch"}, rule.Verbs)
			require.NotContains(t, rule.Resources, "secrets")
			require.NotContains(t, slices.Concat(rule.Resources, rule.APIGroups), "*")
		}
	})
	t.Run("if roles are made by someone else, should make none", func(t *testing.T) {
		objects := render(t, pages+"rbac: {create: false}")
		for _, kind := range []string{"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} {
			require.Nil(t, objects.Find(kind, "-ui"))
		}
		require.NotNil(t, objects.Find("ServiceAccount", "-ui"))
	})
}

func TestPagesPolicy(t *testing.T) {
	policy := func(t *testing.T, values string) networkingv1.NetworkPolicySpec {
		t.Helper()
		return get[networkingv1.NetworkPolicy](t, render(t, values), "NetworkPolicy", "-ui").Spec
	}
	closed := policy(t, pages)
	t.Run("if nothing is set, should admit nobody from another node", func(t *testing.T) {
		require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, closed.PolicyTypes)
		require.Empty(t, closed.Ingress)
	})
	t.Run("if the API server is named, should admit it", func(t *testing.T) {
		open := policy(t, "ui: {enabled: true, networkPolicy: {apiServer: [{ipBlock: {cidr: 192.0.2.1/32}}]}}")
		require.Len(t, open.Ingress, 1)
		peers := []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.1/32"}}}
		require.Equal(t, peers, open.Ingress[0].From)
		require.Equal(t, "http", open.Ingress[0].Ports[0].Port.StrVal)
	})
	t.Run("if the operator's egress is limited, should be limited likewise", func(t *testing.T) {
		limited := policy(t, pages+"networkPolicy: {enabled: true, probeTo: [{ipBlock: {cidr: 192.0.2.0/24}}]}")
		require.Contains(t, limited.PolicyTypes, networkingv1.PolicyTypeEgress)
		objects := render(t, "networkPolicy: {enabled: true}")
		operator := get[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "-controller-manager")
		require.Equal(t, operator.Spec.Egress, limited.Egress, "DNS and the API server, and no probes")
	})
	t.Run("if the policy is not wanted, should make none", func(t *testing.T) {
		require.Nil(t, render(t, "ui: {enabled: true, networkPolicy: {enabled: false}}").Find("NetworkPolicy", "-ui"))
	})
}

func TestPagesLink(t *testing.T) {
	const kind = "ui.cattle.io/v1/NavLink"
	t.Run("if Rancher is there, should lead to the Service through the API server", func(t *testing.T) {
		objects, err := helm.RenderWith([]string{kind}, pages, helm.Name, helm.Namespace)
		require.NoError(t, err)
		link, service := objects.Find("NavLink", "-ui"), get[corev1.Service](t, objects, "Service", "-ui")
		require.NotNil(t, link)
		require.True(t, strings.HasPrefix(link.GetName(), helm.Namespace+"-"))
		require.Empty(t, link.GetNamespace())
		require.Equal(t, map[string]any{
			"namespace": service.Namespace, "name": service.Name, "scheme": "http", "port": "80", "path": "/",
		}, link.Object["spec"].(map[string]any)["toService"])
		require.EqualValues(t, 80, service.Spec.Ports[0].Port)
	})
	t.Run("if Rancher is not there, or the link is not wanted, should make none", func(t *testing.T) {
		require.Nil(t, render(t, pages).Find("NavLink", ""))
		for _, values := range []string{"", "ui: {enabled: true, navLink: false}"} {
			objects, err := helm.RenderWith([]string{kind}, values, helm.Name, helm.Namespace)
			require.NoError(t, err)
			require.Nil(t, objects.Find("NavLink", ""))
		}
	})
}
