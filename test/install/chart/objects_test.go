package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

func TestObjects(t *testing.T) {
	usual := []string{
		"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-manager",
		"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-metrics-reader",
		"ClusterRoleBinding/capi-vip-allocator-system-capi-vip-allocator-manager",
		"ConfigMap/capi-vip-allocator-config",
		"Deployment/capi-vip-allocator-controller-manager",
		"PodDisruptionBudget/capi-vip-allocator-controller-manager",
		"Role/capi-vip-allocator-leader-election",
		"RoleBinding/capi-vip-allocator-leader-election",
		"Service/capi-vip-allocator-metrics",
		"ServiceAccount/capi-vip-allocator",
	}
	tests := map[string]struct {
		values  string
		without []string
		with    []string
	}{
		"if nothing is set, should make the usual objects": {},
		"if metrics are off, should make no Service and no role for readers": {
			values:  "metrics: {enabled: false}",
			without: []string{"Service/", "ClusterRole/capi-vip-allocator-system-capi-vip-allocator-metrics-reader"},
		},
		"if roles are made by someone else, should make none": {
			values:  "rbac: {create: false}",
			without: []string{"ClusterRole/", "ClusterRoleBinding/", "Role/", "RoleBinding/"},
		},
		"if the service account exists, should make none": {
			values: "serviceAccount: {create: false, name: mine}", without: []string{"ServiceAccount/"},
		},
		"if the budget is off, should make none": {
			values: "podDisruptionBudget: {enabled: false}", without: []string{"PodDisruptionBudget/"},
		},
		"if everything is on, should make everything": {
			values: everything,
			with: []string{
				"ConfigMap/capi-vip-allocator-dashboard", "NetworkPolicy/capi-vip-allocator-controller-manager",
				"PrometheusRule/capi-vip-allocator", "ServiceMonitor/capi-vip-allocator",
				"MutatingAdmissionPolicy/capi-vip-allocator-system-capi-vip-allocator-keep",
				"MutatingAdmissionPolicyBinding/capi-vip-allocator-system-capi-vip-allocator-keep",
				"ValidatingAdmissionPolicy/capi-vip-allocator-system-capi-vip-allocator-protection",
				"ValidatingAdmissionPolicyBinding/capi-vip-allocator-system-capi-vip-allocator-protection",
				"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-view",
				"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-global-pools",
				"Service/capi-vip-allocator-runtime-extension",
				"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-runtime-extension",
				"ClusterRoleBinding/capi-vip-allocator-system-capi-vip-allocator-runtime-extension",
				"Role/capi-vip-allocator-runtime-extension", "RoleBinding/capi-vip-allocator-runtime-extension",
				"Deployment/capi-vip-allocator-ui", "Service/capi-vip-allocator-ui",
				"ServiceAccount/capi-vip-allocator-ui", "NetworkPolicy/capi-vip-allocator-ui",
				"Role/capi-vip-allocator-ui", "RoleBinding/capi-vip-allocator-ui",
				"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-ui",
				"ClusterRoleBinding/capi-vip-allocator-system-capi-vip-allocator-ui",
			},
		},
		"if the runtime extension is on and roles are made by someone else, " +
			"should make the one that owns the ExtensionConfig": {
			values:  "runtimeExtension: {enabled: true}\nrbac: {create: false}",
			without: []string{"ClusterRole/", "ClusterRoleBinding/", "Role/", "RoleBinding/"},
			with: []string{
				"Service/capi-vip-allocator-runtime-extension",
				"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-runtime-extension",
			},
		},
		"if one namespace is watched, should make a role there": {
			values: "controller: {namespace: team}",
			with: []string{
				"Role/capi-vip-allocator-system-capi-vip-allocator-manager",
				"RoleBinding/capi-vip-allocator-system-capi-vip-allocator-manager",
				"Role/capi-vip-allocator-system-capi-vip-allocator-events",
				"RoleBinding/capi-vip-allocator-system-capi-vip-allocator-events",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := append([]string{}, test.with...)
			for _, object := range usual {
				gone := false
				for _, prefix := range test.without {
					gone = gone || strings.HasPrefix(object, prefix)
				}
				if !gone {
					want = append(want, object)
				}
			}
			require.ElementsMatch(t, want, render(t, test.values).Names())
		})
	}
}

func TestLabels(t *testing.T) {
	t.Run("if installed in any way, should carry the provider's label and select the same pods", func(t *testing.T) {
		for _, release := range []string{helm.Name, "vips", strings.Repeat("long-", 10)[:49] + "er"} {
			objects, err := helm.Render(everything+"\ncommonLabels: {team: net}", release, "elsewhere")
			require.NoError(t, err)
			for _, object := range objects {
				require.Equal(t, "addon-capi-vip-allocator", object.GetLabels()["cluster.x-k8s.io/provider"],
					object.GetName())
				require.Equal(t, "net", object.GetLabels()["team"], object.GetName())
				require.LessOrEqual(t, len(object.GetName()), 253)
			}
			d := deployment(t, objects)
			require.LessOrEqual(t, len(d.Name), 63)
			require.Equal(t, map[string]string{
				"app.kubernetes.io/name": "capi-vip-allocator", "cluster.x-k8s.io/provider": "addon-capi-vip-allocator",
				"control-plane": "controller-manager",
			}, d.Spec.Selector.MatchLabels)
			require.Subset(t, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels)
			require.Equal(t, d.Spec.Selector.MatchLabels, get[corev1.Service](t, objects, "Service", "").Spec.Selector)
		}
	})
	t.Run("if outside of namespaces, should have a name by which Cluster API's installers find it", func(t *testing.T) {
		for _, object := range render(t, everything) {
			if strings.HasPrefix(object.GetKind(), "Cluster") || strings.Contains(object.GetKind(), "AdmissionPolicy") {
				require.True(t, strings.HasPrefix(object.GetName(), helm.Namespace+"-"), object.GetName())
				require.Empty(t, object.GetNamespace())
			} else {
				require.NotEmpty(t, object.GetNamespace(), object.GetName())
			}
		}
	})
	t.Run("if the name is given, should be used", func(t *testing.T) {
		require.Equal(t, "vips-controller-manager", deployment(t, render(t, "fullnameOverride: vips")).Name)
	})
	t.Run("if a part of the name is given, should be used in names and leave what finds objects", func(t *testing.T) {
		objects, err := helm.Render("nameOverride: vips", "a", helm.Namespace)
		require.NoError(t, err)
		d := deployment(t, objects)
		require.Equal(t, "a-vips-controller-manager", d.Name)
		require.Equal(t, deployment(t, render(t, "")).Spec.Selector, d.Spec.Selector)
		require.Equal(t, "addon-capi-vip-allocator", d.Labels["cluster.x-k8s.io/provider"])
	})
}

func TestAnnotations(t *testing.T) {
	const policies = "\nplaceholders: [{class: a, variables: {b: c}}]\ncontroller: {namespace: team}\n"
	t.Run("if nothing is set, should have none", func(t *testing.T) {
		for _, object := range render(t, everything+policies) {
			require.Empty(t, object.GetAnnotations(), object.GetName())
		}
	})
	t.Run("if given for all, should be on all, and an object's own should win", func(t *testing.T) {
		objects := render(t, everything+policies+
			"commonAnnotations: {owner: net, tier: all}\nserviceAccount: {annotations: {tier: own}}")
		for _, object := range objects {
			want := map[string]string{"owner": "net", "tier": "all"}
			if object.GetKind() == "ServiceAccount" && object.GetName() == helm.Name {
				want["tier"] = "own"
			}
			require.Equal(t, want, object.GetAnnotations(), object.GetKind()+" "+object.GetName())
		}
		require.NotContains(t, deployment(t, objects).Spec.Template.Annotations, "owner")
	})
	t.Run("if only an object's own are given, should be on that one", func(t *testing.T) {
		objects := render(t, "metrics: {service: {annotations: {a: b}}, "+
			"dashboard: {enabled: true, annotations: {folder: CAPI}}}")
		require.Equal(t, map[string]string{"a": "b"}, objects.Find("Service", "-metrics").GetAnnotations())
		require.Equal(t, map[string]string{"folder": "CAPI"}, objects.Find("ConfigMap", "-dashboard").GetAnnotations())
		require.Empty(t, deployment(t, objects).Annotations)
	})
}

func TestExtraObjects(t *testing.T) {
	objects := render(t, `
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: first, namespace: '{{ .Release.Namespace }}'}, data: {a: b}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: second}, data: {c: '{{ include "vip.fullname" . }}'}}
`)
	first := get[corev1.ConfigMap](t, objects, "ConfigMap", "first")
	second := get[corev1.ConfigMap](t, objects, "ConfigMap", "second")
	require.Equal(t, helm.Namespace, first.Namespace)
	require.Equal(t, map[string]string{"a": "b"}, first.Data)
	require.Equal(t, map[string]string{"c": helm.Name}, second.Data)
}
