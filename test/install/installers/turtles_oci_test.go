package installers

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/registry"
)

// TestTurtlesOCI installs the example whose release is in a registry, with the Cluster API operator and a registry in
// this process, and upgrades it by changing only the version.
func TestTurtlesOCI(t *testing.T) {
	repository := registry.Start(t).Repository()
	for version, source := range suite.sources {
		require.NoError(t, runTool(t.Context(), source, version, "-repository", repository, "push-manifests"))
	}
	startCAPIOperator(t)
	installStandInCore(t)
	require.NoError(t, suite.world.CreateNamespace(t.Context(), turtlesNamespace))
	provider := exampleProvider(t, "oci.yaml")
	require.NoError(t,
		unstructured.SetNestedField(provider.Object, "http://"+repository+"-manifests", "spec", "fetchConfig", "oci"))

	t.Run("if the provider is created, should install the release of the registry, and it works", func(t *testing.T) {
		_, err := providers(t).Create(t.Context(), provider, metav1.CreateOptions{})
		require.NoError(t, err)
		waitInstalled(t, first)
		require.Equal(t, repository+":"+first, deployed(t, turtlesNamespace).Spec.Template.Spec.Containers[0].Image)
		pod := runPod(t, first, turtlesNamespace)
		works(t, "oci-one", 74)
		endPod(t, pod)
	})
	t.Run("if the version is changed, should be the second release, with its roles, "+
		"and as little of the first as can be", func(t *testing.T) {
		patch := fmt.Appendf(nil, `{"spec":{"version":%q}}`, second)
		_, err := providers(t).Patch(t.Context(), "capi-vip-allocator", types.MergePatchType, patch,
			metav1.PatchOptions{})
		require.NoError(t, err)
		waitInstalled(t, second)
		isUpgraded(t, turtlesNamespace, append(keptByOperator(), leftByDesign, fetched(first), fetched(second))...)
		pod := runPod(t, second, turtlesNamespace)
		works(t, "oci-two", 75)
		endPod(t, pod)
	})
	t.Run("if deleted, should leave the Lease and the namespace", func(t *testing.T) {
		deleteProvider(t, leftByDesign, "Namespace/capi-vip-allocator-system")
	})
}

// fetched is the ConfigMap in which the Cluster API operator keeps what it has fetched, until the provider is deleted.
func fetched(version string) string { return "ConfigMap/addon-capi-vip-allocator-" + version }

// keptByOperator lists what the Cluster API operator keeps on an upgrade until the provider is deleted: the provider,
// its cache of each release, and what it never deletes on an upgrade because of its kind.
func keptByOperator() []string {
	return []string{
		"AddonProvider/capi-vip-allocator", "PodDisruptionBudget/capi-vip-allocator-controller-manager",
		"Secret/addon-capi-vip-allocator-" + first + "-cache", "Secret/addon-capi-vip-allocator-" + second + "-cache",
	}
}

// deleteProvider deletes the provider, and waits until it is gone and only the wanted objects are left.
func deleteProvider(t *testing.T, want ...string) {
	t.Helper()
	require.NoError(t, providers(t).Delete(t.Context(), "capi-vip-allocator", metav1.DeleteOptions{}))
	// The provider owns what the Cluster API operator does not delete itself, so the garbage collector deletes it.
	slices.Sort(want)
	eventually(t, func(context.Context) error {
		if found := left(t, turtlesNamespace); !slices.Equal(want, found) {
			return fmt.Errorf("left are %v", found)
		}
		return nil
	})
	removeNamespace(t, turtlesNamespace)
	require.Empty(t, left(t, turtlesNamespace))
}
