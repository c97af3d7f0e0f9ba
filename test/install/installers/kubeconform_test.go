package installers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/discovery"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

// TestKubeconform strictly validates the manifests of several sets of values against schemas that the API server
// itself publishes, including the kinds of the Prometheus operator: no schemas can be downloaded here, and these are
// of the exact version.
func TestKubeconform(t *testing.T) {
	installMonitoringKinds(t)
	location := filepath.Join(schemas(t), "{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json")
	kubeconform := newInstaller(t, programs.Kubeconform)
	check := func(t *testing.T, file string) (string, error) {
		t.Helper()
		return kubeconform.try(t.Context(), "-strict", "-summary", "-schema-location", location, file)
	}
	chart := newInstaller(t, programs.Helm)
	for name, values := range map[string][]string{
		"if nothing is set": {},
		"if everything is on": {
			"metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true",
			"metrics.dashboard.enabled=true", "networkPolicy.enabled=true", "protection.enabled=true",
		},
		"if it is tuned": {
			"controller.namespace=team", "controller.concurrency=3", "metrics.insecure=true",
			"metrics.serviceMonitor.enabled=true", "image.tag=x",
		},
		"if little is wanted": {
			"metrics.enabled=false", "podDisruptionBudget.enabled=false", "rbac.create=false",
			"serviceAccount.create=false", "controller.replicas=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", "vips", helm.ChartDir(), "--namespace", "somewhere"}
			for _, value := range values {
				args = append(args, "--set", value)
			}
			file := filepath.Join(t.TempDir(), "manifests.yaml")
			require.NoError(t, os.WriteFile(file, []byte(chart.run(t, args...)), 0o600))
			output, err := check(t, file)
			require.NoError(t, err, output)
			t.Log(strings.TrimSpace(output))
			require.Contains(t, output, "Skipped: 0")
		})
	}
	t.Run("if it is the release", func(t *testing.T) {
		output, err := check(t, dist(first, "capi-vip-allocator.yaml"))
		require.NoError(t, err, output)
		require.Contains(t, output, "11 resources found", output)
	})
	t.Run("if a field does not exist, should be refused", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "wrong.yaml")
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(read(t, dist(first, "capi-vip-allocator.yaml")),
			"enableServiceLinks", "enableServiceLink", 1)), 0o600))
		output, err := check(t, file)
		require.Error(t, err)
		require.Contains(t, output, "enableServiceLink")
	})
}

// installMonitoringKinds installs the two kinds of the Prometheus operator that the chart uses.
func installMonitoringKinds(t *testing.T) {
	t.Helper()
	const module = "github.com/prometheus-operator/prometheus-operator"
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = filepath.Join(helm.Root(), "test", "install", "programs", "prometheus-operator")
	output, err := command.Output()
	require.NoError(t, err, string(output))
	var found struct{ Dir string }
	require.NoError(t, json.Unmarshal(output, &found))
	for _, kind := range []string{"servicemonitors", "prometheusrules"} {
		_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t,
			filepath.Join(found.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+kind+".yaml")))
		require.NoError(t, err)
	}
}

// schemas writes what the API server publishes as one file per kind, and returns the directory.
func schemas(t *testing.T) string {
	t.Helper()
	finder, err := discovery.NewDiscoveryClientForConfig(suite.plane.Config())
	require.NoError(t, err)
	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	// The kinds of new CRDs appear there with some delay.
	eventually(t, func(ctx context.Context) error {
		content, err := finder.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept",
			"application/json").Do(ctx).Raw()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(content, &api); err != nil {
			return plane.Final(err)
		}
		for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
			if api.Definitions["com.coreos.monitoring.v1."+kind] == nil {
				return fmt.Errorf("the API server does not publish %s yet", kind)
			}
		}
		return nil
	})
	dir := t.TempDir()
	write := func(file string, value any) {
		content, err := json.Marshal(value)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), content, 0o600))
	}
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		strict(definition)
		for _, item := range kinds {
			kind, _ := item.(map[string]any)
			group := kind["group"]
			if group == "" { // kubeconform's way
				group = kind["version"]
			}
			file := fmt.Sprintf("%s-%s-%s.json", strings.ToLower(fmt.Sprint(kind["kind"])), group, kind["version"])
			write(file, map[string]any{"$schema": "http://json-schema.org/draft-07/schema#", "allOf": []any{
				map[string]any{"$ref": "definitions.json#/definitions/" + name},
			}})
		}
	}
	write("definitions.json", api)
	return dir
}

// strict makes a schema of the API server refuse unknown fields, as kubectl does.
func strict(value any) {
	switch value := value.(type) {
	case map[string]any:
		if value["format"] == "int-or-string" || value["x-kubernetes-int-or-string"] == true {
			delete(value, "type")
			delete(value, "format")
			value["oneOf"] = []any{map[string]any{"type": "string"}, map[string]any{"type": "integer"}}
		}
		_, open := value["additionalProperties"]
		if _, has := value["properties"].(map[string]any); has && !open &&
			value["x-kubernetes-preserve-unknown-fields"] != true {
			value["additionalProperties"] = false
		}
		for key, child := range value {
			// The names below properties are not keywords.
			if key != "enum" && key != "default" && key != "example" {
				strict(child)
			}
		}
	case []any:
		for _, child := range value {
			strict(child)
		}
	}
}
