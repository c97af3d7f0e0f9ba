package chart

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

func TestMonitoring(t *testing.T) {
	objects := render(t, everything+`
commonLabels: {team: net}
`)
	endpoint := func(t *testing.T, values string) map[string]any {
		t.Helper()
		endpoints, found, err := unstructured.NestedSlice(render(t, values).Find("ServiceMonitor", "").Object,
			"spec", "endpoints")
		require.NoError(t, err)
		require.True(t, found)
		require.Len(t, endpoints, 1)
		return endpoints[0].(map[string]any)
	}
	t.Run("if metrics are protected, should scrape with TLS and a token", func(t *testing.T) {
		got := endpoint(t, everything)
		require.Equal(t, "https", got["scheme"])
		require.Equal(t, "/var/run/secrets/kubernetes.io/serviceaccount/token", got["bearerTokenFile"])
	})
	t.Run("if nobody gave a certificate, should not verify it, unless someone says what with", func(t *testing.T) {
		require.Equal(t, map[string]any{"insecureSkipVerify": true}, endpoint(t, everything)["tlsConfig"])
		got := endpoint(t, "metrics: {serviceMonitor: {enabled: true, ca: {configMap: {name: ca, key: bundle}}}}")
		require.Equal(t, map[string]any{
			"serverName": "capi-vip-allocator-metrics." + helm.Namespace + ".svc",
			"ca":         map[string]any{"configMap": map[string]any{"name": "ca", "key": "bundle"}},
		}, got["tlsConfig"])
	})
	t.Run("if the certificate is in a Secret, should serve with it and verify it", func(t *testing.T) {
		const values = "metrics: {certificate: {secret: served}, serviceMonitor: {enabled: true}}"
		require.Equal(t, map[string]any{
			"serverName": "capi-vip-allocator-metrics." + helm.Namespace + ".svc",
			"ca":         map[string]any{"secret": map[string]any{"name": "served", "key": "ca.crt"}},
		}, endpoint(t, values)["tlsConfig"])
		pod := get[appsv1.Deployment](t, render(t, values), "Deployment", "").Spec.Template.Spec
		require.Contains(t, pod.Containers[0].Args,
			"--diagnostics-cert-dir="+pod.Containers[0].VolumeMounts[1].MountPath)
		require.Equal(t, pod.Volumes[1].Name, pod.Containers[0].VolumeMounts[1].Name)
		require.Equal(t, "served", pod.Volumes[1].Secret.SecretName)
	})
	t.Run("if nothing is said about labels, should leave them to Prometheus", func(t *testing.T) {
		got := endpoint(t, everything)
		for _, field := range []string{"relabelings", "metricRelabelings", "scrapeTimeout"} {
			require.NotContains(t, got, field)
		}
	})
	t.Run("if labels are changed, should be, on both sides of the scrape", func(t *testing.T) {
		got := endpoint(t, `
metrics: {serviceMonitor: {enabled: true, interval: 1m, scrapeTimeout: 60s,
  relabelings: [{targetLabel: cluster, replacement: management}],
  metricRelabelings: [{sourceLabels: [__name__], regex: 'go_.*', action: drop}]}}`)
		require.Equal(t, "60s", got["scrapeTimeout"])
		require.Equal(t, []any{map[string]any{"targetLabel": "cluster", "replacement": "management"}},
			got["relabelings"])
		dropped := map[string]any{"sourceLabels": []any{"__name__"}, "regex": "go_.*", "action": "drop"}
		require.Equal(t, []any{dropped}, got["metricRelabelings"])
	})
	t.Run("if metrics are open, should scrape without", func(t *testing.T) {
		got := endpoint(t, "metrics: {insecure: true, serviceMonitor: {enabled: true, interval: 10s}}")
		require.Equal(t, "http", got["scheme"])
		require.Equal(t, "10s", got["interval"])
		require.NotContains(t, got, "bearerTokenFile")
	})
	t.Run("if there is a monitor, should select the Service", func(t *testing.T) {
		selector, _, err := unstructured.NestedStringMap(objects.Find("ServiceMonitor", "").Object, "spec", "selector",
			"matchLabels")
		require.NoError(t, err)
		service := get[corev1.Service](t, objects, "Service", "-metrics")
		require.Subset(t, service.Labels, selector)
		require.Equal(t, "metrics", service.Spec.Ports[0].TargetPort.StrVal)
	})
	t.Run("if alerts are on, should keep their templates", func(t *testing.T) {
		groups, _, err := unstructured.NestedSlice(objects.Find("PrometheusRule", "").Object, "spec", "groups")
		require.NoError(t, err)
		text, err := json.Marshal(groups)
		require.NoError(t, err)
		require.Contains(t, string(text), "{{ $labels.pool }}")
		require.Contains(t, string(text), "CAPIVIPPoolExhausted")
	})
	t.Run("if the dashboard is on, should be where Rancher looks for it", func(t *testing.T) {
		dashboard := get[corev1.ConfigMap](t, objects, "ConfigMap", "-dashboard")
		require.Equal(t, "cattle-dashboards", dashboard.Namespace)
		require.Equal(t, "1", dashboard.Labels["grafana_dashboard"])
		require.True(t, json.Valid([]byte(dashboard.Data["capi-vip-allocator.json"])))
	})
	t.Run("if the network is restricted, should let in probes and scrapes and out what is needed", func(t *testing.T) {
		policy := get[networkingv1.NetworkPolicy](t, render(t, `
networkPolicy:
  enabled: true
  apiServerPorts: [6443]
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
`), "NetworkPolicy", "")
		require.Len(t, policy.Spec.Ingress, 2)
		require.Empty(t, policy.Spec.Ingress[0].From, "the kubelet probes from the node")
		require.Equal(t, "metrics", policy.Spec.Ingress[1].Ports[0].Port.StrVal)
		require.Equal(t, "monitoring",
			policy.Spec.Ingress[1].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
		require.Len(t, policy.Spec.Egress, 2)
		require.Equal(t, 6443, policy.Spec.Egress[1].Ports[0].Port.IntValue())
	})
	t.Run("if pools may have something probed, should let that out as well", func(t *testing.T) {
		policy := get[networkingv1.NetworkPolicy](t, render(t, `
networkPolicy: {enabled: true, probeTo: [{ipBlock: {cidr: 10.20.0.0/16}}]}
`), "NetworkPolicy", "")
		require.Len(t, policy.Spec.Egress, 3)
		require.Empty(t, policy.Spec.Egress[2].Ports, "pools say which")
		require.Equal(t, "10.20.0.0/16", policy.Spec.Egress[2].To[0].IPBlock.CIDR)
	})
}
