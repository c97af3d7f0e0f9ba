package release

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestOwnRegistry: users with their own registry get manifests that name no other, in every form, and one file for
// Turtles that matches its example.
func TestOwnRegistry(t *testing.T) {
	const repository = "registry.example.com/gorizond/capi-vip-allocator" // that of the example
	dist := t.TempDir()
	output, err := run(t, "-out", dist, "-version", version, "-repository", repository, "manifests")
	require.NoError(t, err, output)
	read := func(file string) string {
		content, err := os.ReadFile(filepath.Join(dist, file))
		require.NoError(t, err)
		return string(content)
	}
	for _, file := range []string{
		"capi-vip-allocator.yaml", "addon-components.yaml", "capi-vip-allocator_turtles.yaml",
	} {
		require.Contains(t, read(file), repository+":"+version, file)
		require.NotContains(t, read(file), "ghcr.io", file)
	}

	objects, err := helm.Parse(read("capi-vip-allocator_turtles.yaml"))
	require.NoError(t, err)
	require.Len(t, objects, 3)
	require.Equal(t, "Namespace", objects[0].GetKind())
	require.Equal(t, helm.Namespace, objects[0].GetName())
	require.NotContains(t, objects[0].GetLabels(), "cluster.x-k8s.io/provider", "an upgrade deletes what carries that")
	release := objects[1]
	require.Equal(t, "ConfigMap", release.GetKind())
	require.Equal(t, helm.Namespace, release.GetNamespace())
	data, _, err := unstructured.NestedStringMap(release.Object, "data")
	require.NoError(t, err)
	require.Equal(t,
		map[string]string{"components": read("capi-vip-allocator.yaml"), "metadata": read("metadata.yaml")}, data)

	content, err := os.ReadFile(filepath.Join(helm.Root(), "examples", "turtles", "air-gapped.yaml"))
	require.NoError(t, err)
	example, err := helm.Parse(string(content))
	require.NoError(t, err)
	require.Equal(t, example[0].Object, objects[2].Object, "as TestTurtles installs it")
	selector, _, err := unstructured.NestedStringMap(objects[2].Object, "spec", "fetchConfig", "selector",
		"matchLabels")
	require.NoError(t, err)
	require.Equal(t, release.GetLabels(), selector)
}
