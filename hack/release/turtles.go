package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

var errExample = errors.New("examples/turtles/air-gapped.yaml is not as it was")

// turtles writes a file for one `kubectl apply` where Rancher Turtles runs: the release in a ConfigMap, and the
// example CAPIProvider that selects it, with this release's image.
func (r *release) turtles(components []byte) error {
	metadata, err := r.metadataContent()
	if err != nil {
		return err
	}
	provider, err := r.provider()
	if err != nil {
		return err
	}
	content, err := encode([]map[string]any{
		{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}},
		{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{
				"name": project + "-" + r.version, "namespace": namespace, "labels": r.releaseLabels(),
			},
			"data": map[string]any{"components": string(components), "metadata": string(metadata)},
		},
		provider,
	})
	if err != nil {
		return err
	}
	return r.write(project+"_turtles.yaml", content)
}

// releaseLabels returns the labels by which the provider finds the release.
func (r *release) releaseLabels() map[string]any {
	return map[string]any{"provider.cluster.x-k8s.io/name": project, "provider.cluster.x-k8s.io/version": r.version}
}

// provider returns the example CAPIProvider for this release and its image.
func (r *release) provider() (map[string]any, error) {
	content, err := os.ReadFile(filepath.Join(r.root, "examples", "turtles", "air-gapped.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the example for Turtles: %w", err)
	}
	provider := map[string]any{}
	if err := yaml.Unmarshal(content, &provider); err != nil {
		return nil, fmt.Errorf("read the example for Turtles: %w", err)
	}
	spec, ok := provider["spec"].(map[string]any)
	if !ok {
		return nil, errExample
	}
	spec["version"] = r.version
	spec["fetchConfig"] = map[string]any{"selector": map[string]any{"matchLabels": r.releaseLabels()}}
	spec["deployment"] = map[string]any{"containers": []any{
		map[string]any{"name": "manager", "imageUrl": r.repository + ":" + r.version},
	}}
	return provider, nil
}
