package chart

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// update rewrites the golden files: go test ./chart -update.
var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows in review what a change of the chart does to the manifests.
func TestGolden(t *testing.T) {
	tests := map[string]string{
		"defaults":   "",
		"everything": everything,
		"minimal": "metrics: {enabled: false}\npodDisruptionBudget: {enabled: false}\n" +
			"controller: {replicas: 1, namespace: team}",
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			for _, object := range render(t, values) {
				if object.GetKind() == "ConfigMap" && strings.HasSuffix(object.GetName(), "-dashboard") {
					continue // it has a file of its own
				}
				document, err := yaml.Marshal(object.Object)
				require.NoError(t, err)
				out.WriteString("---\n" + string(document))
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String(), "if this is meant, run: go test ./chart -update")
		})
	}
}

// TestReadme keeps the reference of values complete; make chart-docs writes it.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(helm.ChartDir(), "README.md"))
	require.NoError(t, err)
	values, err := os.ReadFile(filepath.Join(helm.ChartDir(), "values.yaml"))
	require.NoError(t, err)
	parsed := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict(values, &parsed))
	for _, path := range leaves("", parsed) {
		// A value without its own comments is covered by its parent.
		found := false
		for at := path; !found && at != ""; at = at[:max(strings.LastIndex(at, "."), 0)] {
			found = strings.Contains(string(readme), "| `"+at+"` |")
		}
		require.True(t, found, "%s is missing: run: make chart-docs", path)
	}
}

// leaves returns the paths of all values that are not maps, or are empty ones.
func leaves(prefix string, values map[string]any) []string {
	var paths []string
	for key, value := range values {
		if nested, ok := value.(map[string]any); ok && len(nested) > 0 {
			paths = append(paths, leaves(prefix+key+".", nested)...)
		} else {
			paths = append(paths, prefix+key)
		}
	}
	return paths
}
