// Package chart tests what the chart renders to, value by value.
package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// render renders the chart with values, as the release of the documentation.
func render(t *testing.T, values string) helm.Objects {
	t.Helper()
	objects, err := helm.Render(values, helm.Name, helm.Namespace)
	require.NoError(t, err)
	return objects
}

// get decodes one object.
func get[T any](t *testing.T, objects helm.Objects, kind, suffix string) T {
	t.Helper()
	typed, err := helm.As[T](objects, kind, suffix)
	require.NoError(t, err)
	return typed
}

func deployment(t *testing.T, objects helm.Objects) appsv1.Deployment {
	t.Helper()
	return get[appsv1.Deployment](t, objects, "Deployment", "-controller-manager")
}

func manager(t *testing.T, objects helm.Objects) corev1.Container {
	t.Helper()
	containers := deployment(t, objects).Spec.Template.Spec.Containers
	require.Len(t, containers, 1)
	require.Equal(t, "manager", containers[0].Name, "Cluster API's installers look for a container of this name")
	return containers[0]
}

// everything enables whatever can be enabled.
const everything = `
metrics:
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true, namespace: cattle-dashboards}
networkPolicy: {enabled: true}
protection: {enabled: true}
keep: {mode: Keep, variables: [vip]}
runtimeExtension: {enabled: true}
rbac: {aggregateToView: true}
ui: {enabled: true}
`
