package installers

import (
	"context"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/plane"
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
	found, err := client(t).AppsV1().Deployments(namespace).Get(t.Context(), "capi-vip-allocator-controller-manager", metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

// annotation is what makes pods roll when the config changes.
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

// TestKubectl applies the manifests as kubectl apply --server-side does.
func TestKubectl(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	manifests := read(t, dist(first, "capi-vip-allocator.yaml"))
	require.Equal(t, manifests, read(t, dist(first, "addon-components.yaml")))
	require.NotContains(t, manifests, "${")

	applied, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), manifests)
	require.NoError(t, err)
	require.Len(t, applied, 11)
	pod := runPod(t, first, namespace)
	works(t, "kubectl-one", 63)
	endPod(t, pod)

	t.Run("if upgraded in place, should keep what cannot change", func(t *testing.T) {
		_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t, dist(second, "capi-vip-allocator.yaml")))
		require.NoError(t, err)
		endPod(t, runPod(t, second, namespace))
	})
	t.Run("if the namespace and the cluster roles are deleted, should leave nothing", func(t *testing.T) {
		for _, object := range applied {
			switch object.GetKind() {
			case "ClusterRole":
				require.NoError(t, client(t).RbacV1().ClusterRoles().Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}))
			case "ClusterRoleBinding":
				require.NoError(t, client(t).RbacV1().ClusterRoleBindings().Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}))
			}
		}
		removeNamespace(t, namespace)
		require.Empty(t, left(t, namespace))
	})
}
