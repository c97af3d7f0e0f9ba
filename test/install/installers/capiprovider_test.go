package installers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/registry"
)

// ownFields are the fields that Turtles' CAPIProvider adds to those of the Cluster API operator's providers, and its
// rules, as of Turtles 0.26.
const ownFields = `
properties:
  name: {type: string}
  type: {type: string}
  credentials:
    type: object
    minProperties: 1
    maxProperties: 1
    properties: {rancherCloudCredential: {type: string}, rancherCloudCredentialNamespaceName: {type: string}}
  features:
    type: object
    properties: {machinePool: {type: boolean}, clusterResourceSet: {type: boolean}, clusterTopology: {type: boolean}}
  variables: {type: object, additionalProperties: {type: string}}
required: [type]
x-kubernetes-validations:
- {message: the version begins with v, rule: "!has(self.version) || self.version.startsWith('v')"}
- {message: the configSecret has no namespace, rule: "!has(self.configSecret) || !has(self.configSecret.__namespace__)"}
`

const capiProviderCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: capiproviders.turtles-capi.cattle.io}
spec:
  group: turtles-capi.cattle.io
  scope: Namespaced
  names: {kind: CAPIProvider, listKind: CAPIProviderList, plural: capiproviders, singular: capiprovider}
`

// TestCAPIProvider applies what make manifests writes for Turtles, and the examples, with kubectl to an API server
// that has the kind CAPIProvider: no field is unknown, and no rule is broken. Turtles itself is not available as a Go
// module, so the kind consists of the Cluster API operator's, whose spec it embeds, and of Turtles' own fields.
func TestCAPIProvider(t *testing.T) {
	_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), turtlesKind(t))
	require.NoError(t, err)
	path, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	kubectl := newInstallerAt(t, path)

	example := func(file string) string { return filepath.Join(helm.Root(), "examples", "turtles", file) }
	for name, file := range map[string]string{
		"if it is the file for Turtles of a release, should take it": dist(first,
			"capi-vip-allocator_turtles.yaml"),
		"if it is the example with a release on GitHub, should take it":              example("capiprovider.yaml"),
		"if it is the example with a release in a registry, should take it":          example("oci.yaml"),
		"if it is the example of an IPAM provider, of the type ipam, should take it": example("ipam-in-cluster.yaml"),
	} {
		t.Run(name, func(t *testing.T) { takes(t, kubectl, file) })
	}
	t.Run("if it is the example with a registry that wants a password, "+
		"should take it after its commands", func(t *testing.T) {
		runCommandsOf(t, "oci-password.yaml", "registry.example.com", registry.Password)
		takes(t, kubectl, example("oci-password.yaml"))
	})
	good, file := read(t, example("oci.yaml")), filepath.Join(t.TempDir(), "provider.yaml")
	for name, test := range map[string]struct{ from, to, says string }{
		"if a field is misspelt, should refuse it":  {"fetchConfig:", "fetchConfg:", `unknown field "spec.fetchConfg"`},
		"if the version has no v, should refuse it": {"version: v1.0.0", "version: 1.0.0", "the version begins with v"},
		"if it has no type, should refuse it":       {"  type: addon\n", "", "spec.type: Required value"},
		"if a release is to come from two places, should refuse it": {
			"    oci:", "    url: https://example.com/releases/v1.0.0/x.yaml\n    oci:", "one and only one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, test.from)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(good, test.from, test.to, 1)), 0o600))
			output, err := kubectl.try(t.Context(), "apply", "-f", file)
			require.Error(t, err, output)
			require.Contains(t, output, test.says)
		})
	}
	kubectl.run(t, "delete", "crd", "capiproviders.turtles-capi.cattle.io")
	removeNamespace(t, turtlesNamespace)
}

// takes applies a file twice, and deletes what is in it.
func takes(t *testing.T, kubectl installer, file string) {
	t.Helper()
	kubectl.run(t, "apply", "-f", file)
	require.Regexp(t, `capiprovider\.turtles-capi\.cattle\.io/\S+ unchanged`, kubectl.run(t, "apply", "-f", file),
		"nothing was lost")
	kubectl.run(t, "delete", "-f", file)
}

// turtlesKind returns the CRD of CAPIProvider.
func turtlesKind(t *testing.T) string {
	t.Helper()
	objects, err := helm.Parse(
		read(t, filepath.Join(operatorKinds(t), "operator.cluster.x-k8s.io_addonproviders.yaml")),
	)
	require.NoError(t, err)
	versions, _, err := unstructured.NestedSlice(objects[0].Object, "spec", "versions")
	require.NoError(t, err)
	require.Len(t, versions, 1)
	version, ok := versions[0].(map[string]any)
	require.True(t, ok)
	delete(version, "additionalPrinterColumns")
	version["name"] = "v1alpha1"
	path := []string{"schema", "openAPIV3Schema", "properties", "spec"}
	spec, _, err := unstructured.NestedMap(version, path...)
	require.NoError(t, err)
	own := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(ownFields), &own))
	for field, schema := range own["properties"].(map[string]any) {
		require.NoError(t, unstructured.SetNestedField(spec, schema, "properties", field))
	}
	spec["required"] = own["required"]
	rules, _ := spec["x-kubernetes-validations"].([]any)
	spec["x-kubernetes-validations"] = append(rules, own["x-kubernetes-validations"].([]any)...)
	require.NoError(t, unstructured.SetNestedMap(version, spec, path...))
	crd, err := helm.Parse(capiProviderCRD)
	require.NoError(t, err)
	require.NoError(t, unstructured.SetNestedSlice(crd[0].Object, []any{version}, "spec", "versions"))
	text, err := yaml.Marshal(crd[0].Object)
	require.NoError(t, err)
	return string(text)
}
