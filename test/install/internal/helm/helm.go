// Package helm renders the chart with Helm's own library, and decodes the result strictly: a field unknown to
// Kubernetes is an error.
package helm

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// The release that is rendered.
const (
	Name      = "capi-vip-allocator"
	Namespace = "capi-vip-allocator-system"
)

// Root returns the directory of the sources.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
}

// ChartDir returns the directory of the chart.
func ChartDir() string { return filepath.Join(Root(), "charts", "capi-vip-allocator") }

// Objects are what a chart renders to.
type Objects []*unstructured.Unstructured

// Kubernetes is the version for which Render renders.
const Kubernetes = "v1.37.2"

// Render renders the chart with values given as YAML, under a release name and namespace.
func Render(values, release, namespace string) (Objects, error) {
	return RenderFor(Kubernetes, values, release, namespace)
}

// RenderFor renders the chart for a version of Kubernetes.
func RenderFor(kubernetes, values, release, namespace string) (Objects, error) {
	rendered, err := files(kubernetes, nil, values, release, namespace)
	if err != nil {
		return nil, err
	}
	return parseAll(rendered)
}

// RenderWith renders the chart for a cluster that has further kinds, given as group/version/kind.
func RenderWith(kinds []string, values, release, namespace string) (Objects, error) {
	rendered, err := files(Kubernetes, kinds, values, release, namespace)
	if err != nil {
		return nil, err
	}
	return parseAll(rendered)
}

func parseAll(rendered map[string]string) (Objects, error) {
	var objects Objects
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		if path.Ext(file) != ".yaml" {
			continue
		}
		found, err := Parse(rendered[file])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// Notes returns what Helm prints after an installation with values given as YAML.
func Notes(values string) (string, error) {
	rendered, err := files(Kubernetes, nil, values, Name, Namespace)
	return rendered[Name+"/templates/NOTES.txt"], err
}

// files renders the chart's templates, by their paths.
func files(kubernetes string, kinds []string, values, release, namespace string) (map[string]string, error) {
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, fmt.Errorf("read the version of Kubernetes: %w", err)
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	capabilities.APIVersions = append(slices.Clone(capabilities.APIVersions), kinds...)
	return filesOf(ChartDir(), values,
		common.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}, capabilities)
}

// RenderExample renders a chart below examples with values given as YAML.
func RenderExample(dir, values string) (Objects, error) {
	rendered, err := filesOf(filepath.Join(Root(), "examples", dir), values, common.ReleaseOptions{Name: "example"},
		common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return parseAll(rendered)
}

func filesOf(
	dir, values string, options common.ReleaseOptions, capabilities *common.Capabilities,
) (map[string]string, error) {
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	parsed := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &parsed); err != nil {
		return nil, fmt.Errorf("read the values: %w", err)
	}
	complete, err := util.ToRenderValues(loaded, parsed, options, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, complete)
}

// Parse parses a stream of manifests. A duplicate key is an error.
func Parse(stream string) (Objects, error) {
	var objects Objects
	for document := range strings.SplitSeq("\n"+stream, "\n---") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			return nil, fmt.Errorf("read a manifest: %w\n%s", err, document)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// Find returns the object of a kind whose name ends as given, or nil.
func (o Objects) Find(kind, suffix string) *unstructured.Unstructured {
	for _, object := range o {
		if object.GetKind() == kind && strings.HasSuffix(object.GetName(), suffix) {
			return object
		}
	}
	return nil
}

// Names lists all objects as Kind/name, sorted.
func (o Objects) Names() []string {
	var names []string
	for _, object := range o {
		names = append(names, object.GetKind()+"/"+object.GetName())
	}
	slices.Sort(names)
	return names
}

// As decodes the object of a kind whose name ends as given; a field that T does not have is an error.
func As[T any](o Objects, kind, suffix string) (T, error) {
	var typed T
	object := o.Find(kind, suffix)
	if object == nil {
		return typed, fmt.Errorf("no %s whose name ends in %q among %s", kind, suffix, strings.Join(o.Names(), ", "))
	}
	err := k8sruntime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true)
	return typed, err
}
