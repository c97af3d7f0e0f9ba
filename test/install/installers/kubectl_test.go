package installers

import (
	"context"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func client(t *testing.T) kubernetes.Interface {
	t.Helper()
	made, err := kubernetes.NewForConfig(suite.plane.Config())
	require.NoError(t, err)
	return made
}

func deployed(t *testing.T, namespace string) *appsv1.Deployment {
	t.Helper()
	found, err := client(t).AppsV1().Deployments(namespace).Get(t.Context(), "capi-vip-allocator-controller-manager",
		metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

// annotation returns the annotation that rolls the pods when the config changes.
func annotation(t *testing.T, namespace string) string {
	t.Helper()
	sum := deployed(t, namespace).Spec.Template.Annotations["checksum/config"]
	require.NotEmpty(t, sum)
	return sum
}

// removeNamespace deletes a namespace and waits until it is gone.
func removeNamespace(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, func(ctx context.Context) error {
		err := client(t).CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return apierrors.NewConflict(metav1.SchemeGroupVersion.WithResource("namespaces").GroupResource(), name, err)
	}))
}

// outdated are the kinds of which docs/install.md has users remove what a release no longer has.
const outdated = "clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,configmap,service,deployment," +
	"poddisruptionbudget"

// TestKubectl applies the manifests, and removes them, with kubectl.
func TestKubectl(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	manifests := read(t, dist(first, "capi-vip-allocator.yaml"))
	require.Equal(t, manifests, read(t, dist(first, "addon-components.yaml")))
	require.NotContains(t, manifests, "${")
	path, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	kubectl := newInstallerAt(t, path)

	t.Run("if applied, should make all objects, and work", func(t *testing.T) {
		output := kubectl.run(t, "apply", "--server-side", "-f", dist(first, "capi-vip-allocator.yaml"))
		require.Equal(t, len(released(t, first)), strings.Count(output, "serverside-applied"), output)
		pod := runPod(t, first, namespace)
		works(t, "kubectl-one", 63)
		endPod(t, pod)
	})
	t.Run("if upgraded in place, should keep what cannot change, "+
		"and leave what the release lacks until it is removed", func(t *testing.T) {
		kubectl.run(t, "apply", "--server-side", "-f", dist(second, "capi-vip-allocator.yaml"))
		old := []string{
			"ClusterRole/capi-vip-allocator-system-capi-vip-allocator-metrics-reader",
			"PodDisruptionBudget/capi-vip-allocator-controller-manager",
		}
		require.Subset(t, left(t, namespace), old)
		kubectl.run(t, "delete", outdated, "-n", namespace,
			"-l", "cluster.x-k8s.io/provider=addon-capi-vip-allocator,app.kubernetes.io/version!="+second)
		isUpgraded(t, namespace, leftByDesign)
		pod := runPod(t, second, namespace)
		works(t, "kubectl-two", 69)
		endPod(t, pod)
	})
	t.Run("if deleted, should leave nothing", func(t *testing.T) {
		kubectl.run(t, "delete", "-f", dist(second, "capi-vip-allocator.yaml"))
		require.Empty(t, left(t, namespace))
	})
}
