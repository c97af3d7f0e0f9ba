package providers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

const (
	hostVariable = "controlPlaneIpAddr"
	portVariable = "controlPlanePort"
)

// In templates of patches, fromAnnotation and fromVariable yield the VIP, and whenAnnotated is true while the
// annotation exists.
var (
	vipAnnotation  = names.Annotation(names.RoleControlPlane)
	fromAnnotation = `{{ index .builtin.cluster.metadata.annotations "` + vipAnnotation + `" }}`
	whenAnnotated  = `{{ if dig "cluster" "metadata" "annotations" "` + vipAnnotation + `" "" .builtin }}true{{ end }}`
	fromVariable   = "{{ ." + hostVariable + " }}"
)

// way is how the VIP gets into the templates.
type way int

const (
	byAnnotation way = iota
	byVariable
	byHooks
)

// flavor is one of the example classes for vSphere, by its directory, with one of the ways.
type flavor struct {
	example string
	way     way
}

// flavors returns the flavors that the tests cover.
func flavors() map[string]flavor {
	return map[string]flavor{
		"kubeadm by annotation": {example: "vsphere-kubeadm"},
		"kubeadm by variable":   {example: "vsphere-kubeadm", way: byVariable},
		"RKE2 by annotation":    {example: "vsphere-rke2"},
		"RKE2 by variable":      {example: "vsphere-rke2", way: byVariable},
	}
}

func (f flavor) rke2() bool { return f.example == "vsphere-rke2" }

// controlPlanes returns the resource of the control plane objects.
func (f flavor) controlPlanes() schema.GroupVersionResource {
	resource := schema.GroupVersionResource{
		Group: "controlplane.cluster.x-k8s.io", Version: "v1beta2", Resource: "kubeadmcontrolplanes",
	}
	if f.rke2() {
		resource.Version, resource.Resource = "v1beta1", "rke2controlplanes"
	}
	return resource
}

// files is the path to the files in a control plane object, and certificateNames the path to the names that the class
// adds to the API server's certificate.
func (f flavor) files() []string {
	if f.rke2() {
		return []string{"spec", "files"}
	}
	return []string{"spec", "kubeadmConfigSpec", "files"}
}

func (f flavor) certificateNames() []string {
	if f.rke2() {
		return []string{"spec", "serverConfig", "tlsSan"}
	}
	return []string{"spec", "kubeadmConfigSpec", "clusterConfiguration", "apiServer", "certSANs"}
}

// version returns the Kubernetes version of a Cluster.
func (f flavor) version() string {
	if f.rke2() {
		return "v1.33.5+rke2r1"
	}
	return "v1.33.5"
}

// adapt prepares the objects of an example file for the simulated vCenter, as its reader would, in the scope's
// namespace and with the class named after it.
func (s *scope) adapt(file string) []*unstructured.Unstructured {
	s.t.Helper()
	objects := s.documents(filepath.Join("..", "..", "..", "examples", "clusterclass", s.example, file))
	for _, object := range objects {
		rewritten(object.Object, func(text string) string {
			if text == s.example {
				return s.name
			}
			return text
		})
		s.place(object)
	}
	return objects
}

// documents returns the objects of a file as they are, in the scope's namespace.
func (s *scope) documents(path string) []*unstructured.Unstructured {
	s.t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(s.t, err)
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		object := &unstructured.Unstructured{}
		require.NoError(s.t, yaml.Unmarshal([]byte(document), &object.Object), path)
		object.SetNamespace(s.name)
		objects = append(objects, object)
	}
	return objects
}

// place writes the location of its objects into a vSphere template.
func (s *scope) place(object *unstructured.Unstructured) {
	s.t.Helper()
	spec, _, err := unstructured.NestedMap(object.Object, "spec", "template", "spec")
	require.NoError(s.t, err)
	v := s.vcenter
	switch object.GetKind() {
	case "VSphereClusterTemplate":
		spec["server"], spec["thumbprint"] = v.Server, v.Thumbprint
		spec["identityRef"] = map[string]any{"kind": "VSphereClusterIdentity", "name": s.credentials}
	case "VSphereMachineTemplate":
		maps.Copy(spec, map[string]any{
			"server": v.Server, "datacenter": v.Datacenter, "datastore": v.Datastore,
			"folder": v.Folder, "resourcePool": v.ResourcePool, "template": v.Template,
			"network": map[string]any{"devices": []any{map[string]any{"networkName": v.Network, "dhcp4": true}}},
		})
	default:
		return
	}
	require.NoError(s.t, unstructured.SetNestedMap(object.Object, spec, "spec", "template", "spec"))
}

// class returns the flavor's class with its templates. In addition to the example, it writes the endpoint into the
// VSphereCluster and the VIP into the API server's certificate, as the classes that Rancher Turtles publishes do.
func (s *scope) class() []*unstructured.Unstructured {
	s.t.Helper()
	objects := s.adapt("clusterclass.yaml")
	class := objects[0]
	require.Equal(s.t, "ClusterClass", class.GetKind())
	patches, _, err := unstructured.NestedSlice(class.Object, "spec", "patches")
	require.NoError(s.t, err)
	require.Len(s.t, patches, 1, "the example's patch for kube-vip")
	kubeVIP, _ := patches[0].(map[string]any)
	delete(kubeVIP, "enabledIf")
	endpoint := s.endpointPatch()
	patches = []any{kubeVIP, endpoint}
	switch s.way {
	case byVariable:
		endpoint["enabledIf"] = "{{ if ." + hostVariable + " }}true{{ end }}"
	case byAnnotation:
		endpoint["enabledIf"], kubeVIP["enabledIf"] = whenAnnotated, whenAnnotated
	case byHooks:
		patches = []any{externalPatch()}
	}
	patches, _ = rewritten(patches, s.source).([]any)
	require.NoError(s.t, unstructured.SetNestedSlice(class.Object, patches, "spec", "patches"))
	s.declare(s.t, class)
	return objects
}

// externalPatch has the hooks do what the patches of other flavors do.
func externalPatch() map[string]any {
	return map[string]any{"name": "vip", "external": map[string]any{
		"generatePatchesExtension":  names.HandlerGeneratePatches + "." + names.ExtensionName,
		"validateTopologyExtension": names.HandlerValidateTopology + "." + names.ExtensionName,
		"settings": map[string]any{
			"certSANs": "true", "kubeVIP": "true", "kubeVIPImage": "ghcr.io/kube-vip/kube-vip:v1.0.3",
		},
	}}
}

// source makes a template read the VIP from where the flavor has it.
func (f flavor) source(template string) string {
	if f.way == byVariable {
		return strings.ReplaceAll(template, fromAnnotation, fromVariable)
	}
	return strings.NewReplacer(fromVariable, fromAnnotation, "{{ ."+portVariable+" }}", "6443").Replace(template)
}

// endpointPatch writes the VIP where the examples leave that to the providers.
func (f flavor) endpointPatch() map[string]any {
	path, template := "/spec/template/spec/kubeadmConfigSpec/clusterConfiguration",
		"apiServer: {certSANs: [\""+fromVariable+"\"]}\n"
	kind := "KubeadmControlPlaneTemplate"
	if f.rke2() {
		path, template = "/spec/template/spec/serverConfig/tlsSan", "- \""+fromVariable+"\"\n"
		kind = "RKE2ControlPlaneTemplate"
	}
	patch := func(version, kind, match, path, template string) map[string]any {
		return map[string]any{
			"selector": map[string]any{
				"apiVersion": version, "kind": kind, "matchResources": map[string]any{match: true},
			},
			"jsonPatches": []any{
				map[string]any{"op": "add", "path": path, "valueFrom": map[string]any{"template": template}},
			},
		}
	}
	const infrastructure = "infrastructure.cluster.x-k8s.io/v1beta2"
	endpoint := "host: \"" + fromVariable + "\"\nport: {{ ." + portVariable + " }}\n"
	return map[string]any{"name": "endpoint", "definitions": []any{
		patch(infrastructure, "VSphereClusterTemplate", "infrastructureCluster",
			"/spec/template/spec/controlPlaneEndpoint", endpoint),
		patch(f.controlPlanes().GroupVersion().String(), kind, "controlPlane", path, template),
	}}
}

// declare makes the class require the variables of the endpoint, or removes them.
func (f flavor) declare(t *testing.T, class *unstructured.Unstructured) {
	t.Helper()
	declared, _, err := unstructured.NestedSlice(class.Object, "spec", "variables")
	require.NoError(t, err)
	declared = slices.DeleteFunc(declared, func(entry any) bool {
		variable, _ := entry.(map[string]any)
		return variable["name"] == hostVariable || variable["name"] == portVariable
	})
	if f.way == byVariable {
		for name, kind := range map[string]string{hostVariable: "string", portVariable: "integer"} {
			declared = append(declared, map[string]any{
				"name": name, "required": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": kind}},
			})
		}
	}
	require.NoError(t, unstructured.SetNestedSlice(class.Object, declared, "spec", "variables"))
}

// rewritten replaces all strings in a value.
func rewritten(value any, replace func(string) string) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = rewritten(value[key], replace)
		}
	case []any:
		for i := range value {
			value[i] = rewritten(value[i], replace)
		}
	case string:
		return replace(value)
	}
	return value
}
