package chart

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestMonitoring(t *testing.T) {
	objects := render(t, everything+`
commonLabels: {team: net}
`)
	endpoint := func(t *testing.T, values string) map[string]any {
		t.Helper()
		endpoints, found, err := unstructured.NestedSlice(render(t, values).Find("ServiceMonitor", "").Object, "spec", "endpoints")
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
	t.Run("if metrics are open, should scrape without", func(t *testing.T) {
		got := endpoint(t, "metrics: {insecure: true, serviceMonitor: {enabled: true, interval: 10s}}")
		require.Equal(t, "http", got["scheme"])
		require.Equal(t, "10s", got["interval"])
		require.NotContains(t, got, "bearerTokenFile")
	})
	t.Run("if there is a monitor, should select the Service", func(t *testing.T) {
		selector, _, err := unstructured.NestedStringMap(objects.Find("ServiceMonitor", "").Object, "spec", "selector", "matchLabels")
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
networkPolicy: {enabled: true, apiServerPorts: [6443], metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
`), "NetworkPolicy", "")
		require.Len(t, policy.Spec.Ingress, 2)
		require.Empty(t, policy.Spec.Ingress[0].From, "the kubelet probes from the node")
		require.Equal(t, "metrics", policy.Spec.Ingress[1].Ports[0].Port.StrVal)
		require.Equal(t, "monitoring", policy.Spec.Ingress[1].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"])
		require.Len(t, policy.Spec.Egress, 2)
		require.Equal(t, 6443, policy.Spec.Egress[1].Ports[0].Port.IntValue())
	})
}
