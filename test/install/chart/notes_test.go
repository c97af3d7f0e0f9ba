package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

func TestNotes(t *testing.T) {
	notes := func(t *testing.T, values string) string {
		t.Helper()
		text, err := helm.Notes(values)
		require.NoError(t, err)
		require.NotContains(t, text, "\n\n\n")
		require.True(t, strings.HasPrefix(text, "capi-vip-allocator v1.0.0 is installed in "+helm.Namespace+"."), text)
		return text
	}
	usual := notes(t, "")
	t.Run("if installed, should name commands for what was made", func(t *testing.T) {
		name := deployment(t, render(t, "")).Name
		require.Contains(t, usual, "kubectl -n "+helm.Namespace+" rollout status deployment/"+name+"\n")
		require.Contains(t, usual, "kubectl label globalinclusterippool NAME vip.capi.gorizond.io/cluster-class=CLASS")
	})
	t.Run("if something is to be read, should lead to a heading that exists", func(t *testing.T) {
		require.Contains(t, usual, "/docs/install.md#what-remains\n")
		page, err := os.ReadFile(filepath.Join(helm.Root(), "docs", "install.md"))
		require.NoError(t, err)
		require.Contains(t, string(page), "\n## What remains\n")
	})
	tests := map[string]struct{ values, want string }{
		"if nobody runs, should say so": {
			"controller: {replicas: 0}",
			"set controller.replicas before",
		},
		"if one namespace is watched, should name it": {
			"controller: {namespace: team}",
			"Only Clusters of the namespace team are served.",
		},
		"if a filter is set, should name it": {
			"controller: {watchFilter: blue}",
			"cluster.x-k8s.io/watch-filter=blue are served.",
		},
		"if there are hooks, should say what they need": {
			"runtimeExtension: {enabled: true}",
			"kubectl get extensionconfig capi-vip-allocator",
		},
		"if Prometheus scrapes, should say what it needs": {
			"metrics: {serviceMonitor: {enabled: true}}",
			"--clusterrole=capi-vip-allocator-system-capi-vip-allocator-metrics-reader",
		},
		"if tenants may look, should say how they see all": {
			"rbac: {aggregateToView: true}",
			"--clusterrole=capi-vip-allocator-system-capi-vip-allocator-global-pools",
		},
		"if there are pages, should say where": {
			pages,
			"/namespaces/" + helm.Namespace +
				"/services/http:capi-vip-allocator-ui:80/proxy/\nAn API server on another",
		},
		"if nobody grants the pages their roles, should say what they need": {
			pages + "rbac: {create: false}",
			"Grant " + helm.Namespace + "/capi-vip-allocator-ui what its files/ui.yaml lists.",
		},
		"if no roles are made, should say who needs which": {
			"rbac: {create: false}",
			"Grant\n" + helm.Namespace + "/capi-vip-allocator what",
		},
		"if nobody asked for protection, should recommend it": {"", "set protection.enabled."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, notes(t, test.values), test.want)
			if test.values != "" {
				require.NotContains(t, usual, test.want)
			}
		})
	}
	t.Run("if addresses are protected, should not recommend it", func(t *testing.T) {
		require.NotContains(t, notes(t, "protection: {enabled: true}"), "protection.enabled")
	})
	t.Run("if the API server is named, should not ask", func(t *testing.T) {
		const said = "ui: {enabled: true, networkPolicy: {apiServer: [{ipBlock: {cidr: 192.0.2.1/32}}]}}"
		require.NotContains(t, notes(t, said), "on another node")
		require.NotContains(t, notes(t, "ui: {enabled: true, networkPolicy: {enabled: false}}"), "on another node")
	})
	t.Run("if Prometheus needs no right, should ask for none", func(t *testing.T) {
		require.NotContains(t, notes(t, "metrics: {insecure: true, serviceMonitor: {enabled: true}}"),
			"clusterrolebinding")
	})
}
