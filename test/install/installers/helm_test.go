package installers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

// leftByDesign is what leader election leaves behind: nobody may delete a Lease that another replica might hold.
const leftByDesign = "Lease/capi-vip-allocator-leader"

func TestHelm(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	helm := newInstaller(t, programs.Helm)
	chart := func(version string) string {
		return dist(version, "capi-vip-allocator-"+strings.TrimPrefix(version, "v")+".tgz")
	}
	helm.run(t, "lint", "--strict", chart(first))

	t.Run("if installed, should make what the chart says and work under its roles", func(t *testing.T) {
		helm.run(t, "install", "capi-vip-allocator", chart(first), "--namespace", namespace, "--create-namespace",
			"--wait", "--timeout", "2m")
		require.Subset(t, left(t, namespace), []string{
			"ConfigMap/capi-vip-allocator-config", "Deployment/capi-vip-allocator-controller-manager",
			"ServiceAccount/capi-vip-allocator",
			"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-manager",
			"Role/capi-vip-allocator-leader-election",
			"PodDisruptionBudget/capi-vip-allocator-controller-manager", "Service/capi-vip-allocator-metrics",
		})
		pod := runPod(t, first, namespace)
		works(t, "helm-one", 61)
		endPod(t, pod)
	})
	t.Run("if values are bad, should refuse and leave what is there", func(t *testing.T) {
		output, err := helm.try(t.Context(), "upgrade", "capi-vip-allocator", chart(first), "--namespace", namespace,
			"--set", "controller.retryInterval=10")
		require.Error(t, err)
		require.Contains(t, output, "/controller/retryInterval")
		require.Contains(t, helm.run(t, "status", "capi-vip-allocator", "--namespace", namespace), "deployed")
	})
	t.Run("if upgraded, should be the new release, with its roles, and nothing of the old one", func(t *testing.T) {
		helm.run(t, "upgrade", "capi-vip-allocator", chart(second), "--namespace", namespace, "--wait", "--timeout",
			"2m", "--reset-then-reuse-values")
		isUpgraded(t, namespace, leftByDesign, "Secret/sh.helm.release.v1.capi-vip-allocator.v1",
			"Secret/sh.helm.release.v1.capi-vip-allocator.v2")
	})
	t.Run("if upgraded with other values, should roll the pods and use them", func(t *testing.T) {
		before := annotation(t, namespace)
		helm.run(t, "upgrade", "capi-vip-allocator", chart(second), "--namespace", namespace, "--wait",
			"--timeout", "2m",
			"--set", "controller.reconcilePeriod=45s", "--set", "defaults.port=8443", "--set",
			"networkPolicy.enabled=true")
		require.NotEqual(t, before, annotation(t, namespace))
		after := annotation(t, namespace)
		helm.run(t, "upgrade", "capi-vip-allocator", chart(second), "--namespace", namespace, "--wait", "--timeout",
			"2m", "--reset-then-reuse-values")
		require.Equal(t, after, annotation(t, namespace), "the values are kept")
		require.Contains(t, left(t, namespace), "NetworkPolicy/capi-vip-allocator-controller-manager")
		pod := runPod(t, second, namespace)
		o := newTeam(t, "helm-two", 62)
		o.served("one")
		require.Equal(t, int64(8443), o.Cluster("helm-two", "one").Endpoint().Port)
		o.gone("one")
		endPod(t, pod)
	})
	t.Run("if rolled back, should be as before", func(t *testing.T) {
		helm.run(t, "rollback", "capi-vip-allocator", "1", "--namespace", namespace, "--wait", "--timeout", "2m")
		require.NotContains(t, left(t, namespace), "NetworkPolicy/capi-vip-allocator-controller-manager")
	})
	t.Run("if uninstalled, should leave the Lease of the leader election only", func(t *testing.T) {
		helm.run(t, "uninstall", "capi-vip-allocator", "--namespace", namespace, "--wait", "--timeout", "2m")
		require.Equal(t, []string{leftByDesign, "Namespace/capi-vip-allocator-system"}, left(t, namespace))
		removeNamespace(t, namespace)
	})
}
