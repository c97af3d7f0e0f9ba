package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

// namespace is the namespace in the manifests. Cluster API's installers may rewrite it.
const namespace = project + "-system"

// helmLabels returns the labels that say that Helm manages an object, or depend on how it does.
func helmLabels() []string {
	return []string{"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"}
}

var errNoImage = errors.New("the chart has no values for its image")

var errVariable = errors.New("the manifests hold ${...}, which clusterctl would replace and kubectl would not")

// manifests renders the chart with its defaults into one file for kubectl, clusterctl and the Cluster API operator.
// clusterctl looks for the second name.
func (r *release) manifests(context.Context) error {
	content, err := r.components()
	if err != nil {
		return err
	}
	for _, file := range []string{project + ".yaml", "addon-components.yaml"} {
		if err := r.write(file, content); err != nil {
			return err
		}
	}
	return r.turtles(content)
}

// components returns that file.
func (r *release) components() ([]byte, error) {
	loaded, err := r.loadChart()
	if err != nil {
		return nil, err
	}
	objects, err := renderChart(loaded, namespace)
	if err != nil {
		return nil, err
	}
	content, err := encode(append([]map[string]any{namespaceObject(loaded)}, objects...))
	if err == nil && bytes.Contains(content, []byte("${")) {
		err = errVariable
	}
	return content, err
}

// loadChart loads the chart from the sources, with this release's version and image.
func (r *release) loadChart() (*chart.Chart, error) {
	loaded, err := loader.LoadDir(filepath.Join(r.root, "charts", project))
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	loaded.Metadata.Version, loaded.Metadata.AppVersion = r.chartVersion(), r.version
	image, ok := loaded.Values["image"].(map[string]any)
	if !ok {
		return nil, errNoImage
	}
	image["repository"] = r.repository
	return loaded, nil
}

func renderChart(loaded *chart.Chart, namespace string) ([]map[string]any, error) {
	values, err := util.ToRenderValues(loaded, map[string]any{"image": loaded.Values["image"]},
		common.ReleaseOptions{Name: project, Namespace: namespace, IsInstall: true, Revision: 1},
		common.DefaultCapabilities)
	if err != nil {
		return nil, fmt.Errorf("prepare the chart's values: %w", err)
	}
	rendered, err := engine.Render(loaded, values)
	if err != nil {
		return nil, fmt.Errorf("render the chart: %w", err)
	}
	var objects []map[string]any
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		if path.Ext(file) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq(rendered[file], "\n---\n") {
			object := map[string]any{}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				return nil, fmt.Errorf("read what %s renders to: %w", file, err)
			}
			if len(object) > 0 {
				objects = append(objects, object)
			}
		}
	}
	slices.SortStableFunc(objects, func(a, b map[string]any) int { return rank(a) - rank(b) })
	for _, object := range objects {
		withoutHelm(object)
	}
	return objects, nil
}

// rank orders objects so that none depends on a later one.
func rank(object map[string]any) int {
	order := []string{
		"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
		"ConfigMap", "Service",
		"Deployment", "PodDisruptionBudget",
	}
	if at := slices.Index(order, fmt.Sprint(object["kind"])); at >= 0 {
		return at
	}
	return len(order)
}

func withoutHelm(object map[string]any) {
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	for _, label := range helmLabels() {
		delete(labels, label)
	}
}

// namespaceObject returns the Namespace, for kubectl. The pods meet the strictest level even if its labels get lost.
func namespaceObject(loaded *chart.Chart) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{
			"name": namespace,
			"labels": map[string]any{
				"app.kubernetes.io/name":             project,
				"app.kubernetes.io/version":          loaded.Metadata.AppVersion,
				"cluster.x-k8s.io/provider":          "addon-" + project,
				"pod-security.kubernetes.io/enforce": "restricted",
			},
		},
	}
}

func encode(objects []map[string]any) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		if i > 0 {
			out.WriteString("---\n")
		}
		document, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("write the manifests: %w", err)
		}
		out.Write(document)
	}
	return out.Bytes(), nil
}
