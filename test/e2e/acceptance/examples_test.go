package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const classExamples = "../../../examples/clusterclass"

// classExample describes a directory of examples/clusterclass, which has pools, a class, and a Cluster named like the
// directory.
type classExample struct {
	// providers are the files of testdata/providers that hold the kinds.
	providers []string
	// infra and controlPlane are the resources of a Cluster's objects; files is the path to the files in the latter.
	infra, controlPlane schema.GroupVersionResource
	files               []string
	// vip is the first address of the pool.
	vip string
	// refusal is how the provider refuses infrastructure without a host; empty if it needs none.
	refusal string
}

// infraResource is a resource of an infrastructure provider.
func infraResource(version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "infrastructure.cluster.x-k8s.io", Version: version, Resource: plural}
}

func controlPlaneResource(version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "controlplane.cluster.x-k8s.io", Version: version, Resource: plural}
}

// TestClassExamples applies every directory of examples/clusterclass, as docs/clusterclass.md promises.
func TestClassExamples(t *testing.T) {
	t.Parallel() // after the disruptive tests
	stack, err := plane.StackFromEnv()
	require.NoError(t, err)
	kubeadm := controlPlaneResource(stack.ClusterVersion(), "kubeadmcontrolplanes")
	kubeadmFiles := []string{"spec", "kubeadmConfigSpec", "files"}
	vSphere := infraResource(stack.ClusterVersion(), "vsphereclusters")
	examples := map[string]classExample{
		"vsphere-kubeadm": {
			providers: []string{"vsphere", "kubeadm"}, vip: "10.83.0.10",
			infra:        vSphere,
			controlPlane: kubeadm, files: kubeadmFiles,
		},
		"vsphere-rke2": {
			providers: []string{"vsphere", "rke2"}, vip: "10.80.0.10",
			infra:        vSphere,
			controlPlane: controlPlaneResource("v1beta1", "rke2controlplanes"), files: []string{"spec", "files"},
		},
		"proxmox-kubeadm": {
			providers: []string{"proxmox", "kubeadm"}, vip: "10.81.0.10",
			infra:        infraResource("v1alpha1", "proxmoxclusters"),
			controlPlane: kubeadm, files: kubeadmFiles,
			refusal: "not a valid IP or FQDN",
		},
		"metal3-kubeadm": {
			providers: []string{"metal3", "kubeadm"}, vip: "10.82.0.10",
			infra:        infraResource("v1beta1", "metal3clusters"),
			controlPlane: kubeadm, files: kubeadmFiles,
			refusal: "controlPlaneEndpoint is required",
		},
	}
	directories, err := filepath.Glob(filepath.Join(classExamples, "*"))
	require.NoError(t, err)
	require.Len(t, directories, len(examples), "every example is tried")
	for name, example := range examples {
		t.Run("if "+name+
			" is applied, should bring the VIP to the machines before the endpoint is valid", func(t *testing.T) {
			ordinary(t).tryClass(name, example)
		})
	}
}

// tryClass applies an example, its pools last, so that everything that can happen without a VIP does happen.
func (s *scope) tryClass(name string, example classExample) {
	s.t.Helper()
	for _, provider := range example.providers {
		s.apply(filepath.Join("testdata", "providers", provider+".yaml"))
	}
	vip := harness.Endpoint{Host: example.vip, Port: 6443}
	carriers := []carrier{{example.controlPlane, func(object *unstructured.Unstructured) bool {
		return kubeVIP(object, example.files)["address"] == example.vip
	}}}
	if example.refusal != "" {
		carriers = append(carriers, carrier{example.infra, func(object *unstructured.Unstructured) bool {
			return endpointOf(object) == vip
		}})
	}
	log := s.record(carriers...)
	s.apply(filepath.Join(classExamples, name, "clusterclass.yaml"))
	s.apply(filepath.Join(classExamples, name, "cluster.yaml"))
	if example.refusal != "" {
		s.sees(name, topologySays(example.refusal))
		require.Empty(s.t, s.list(example.infra), "the infrastructure was not refused")
	} else {
		s.provisions(name, example.infra)
	}
	require.Empty(s.t, s.get(name).Endpoint().Host)

	s.apply(filepath.Join(classExamples, name, "pools.yaml"))
	s.sees(name, endpoint(example.vip, 6443), condition(controlPlane, names.ReasonIPAddressAssigned),
		condition(ingress, names.ReasonIPAddressAssigned))
	log.inOrder(s.t, name)

	objects := s.list(example.controlPlane)
	require.Len(s.t, objects, 1)
	environment := kubeVIP(&objects[0], example.files)
	assert.Equal(s.t, "6443", environment["port"])
	assert.Equal(s.t, "eth0", environment["vip_interface"])
}

// provisions plays an infrastructure provider that is done before there is an address, and waits until Cluster API
// notices.
func (s *scope) provisions(name string, resource schema.GroupVersionResource) {
	s.t.Helper()
	s.eventually("the infrastructure of "+name, func() error {
		for _, object := range s.list(resource) {
			return harness.Merge(s.t.Context(), s.Dynamic.Resource(resource).Namespace(s.name), object.GetName(),
				map[string]any{
					"status": map[string]any{"ready": true, "initialization": map[string]any{"provisioned": true}},
				}, "status")
		}
		return harness.ErrNotYet
	})
	s.sees(name, func(c *harness.Cluster) error {
		ready, _, _ := unstructured.NestedBool(c.Object, "status", "infrastructureReady")
		provisioned, _, _ := unstructured.NestedBool(c.Object, "status", "initialization", "infrastructureProvisioned")
		if !ready && !provisioned {
			return errors.New("its infrastructure is not provisioned")
		}
		return nil
	})
}

// TestFleetExample renders the example's values as Fleet does, with the annotations of a Cluster.
func TestFleetExample(t *testing.T) {
	s := ordinary(t)
	s.apply(filepath.Join("testdata", "providers", "fleet.yaml"))
	applied := s.apply(filepath.Join("..", "..", "..", "examples", "fleet", "ingress.yaml"))
	require.Len(t, applied, 1)
	text, _, err := unstructured.NestedString(applied[0].Object, "spec", "helm", "values", "service", "spec",
		"loadBalancerIP")
	require.NoError(t, err)
	// Delimiters, functions and names are those of github.com/rancher/fleet, internal/cmd/controller/target.
	values, err := template.New("values").Delims("${", "}").Option("missingkey=error").Funcs(template.FuncMap{
		"hasKey": func(m map[string]any, key string) bool { _, ok := m[key]; return ok },
	}).Parse(text)
	require.NoError(t, err)
	render := func(c *harness.Cluster) string {
		annotations := map[string]any{}
		for key, value := range c.GetAnnotations() {
			annotations[key] = value
		}
		var b strings.Builder
		require.NoError(t, values.Execute(&b, map[string]any{"ClusterAnnotations": annotations}))
		return b.String()
	}
	s.cluster("prod")
	assert.Empty(t, render(s.sees("prod", condition(controlPlane, names.ReasonPoolNotFound))))
	s.bothPools()
	assert.Equal(t, s.ip(20), render(s.served("prod")))
}

// apply applies a file as it is, in the test's namespace and at the versions that the stack serves, and returns the
// resulting objects.
func (s *scope) apply(file string) []*unstructured.Unstructured {
	s.t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(s.t, err)
	var streams []string
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object unstructured.Unstructured
		require.NoError(s.t, yaml.Unmarshal([]byte(document), &object.Object), file)
		switch object.GetKind() {
		case "CustomResourceDefinition":
		case "GlobalInClusterIPPool":
			s.pools = append(s.pools, poolKey{"", object.GetName()})
		default:
			object.SetNamespace(s.name)
		}
		if s.Plane.Stack() == plane.StackOldest {
			lower(&object)
		}
		stream, err := json.Marshal(object.Object)
		require.NoError(s.t, err)
		streams = append(streams, string(stream))
	}
	applied, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(), streams...)
	require.NoError(s.t, err, file)
	return applied
}

func (s *scope) list(resource schema.GroupVersionResource) []unstructured.Unstructured {
	s.t.Helper()
	list, err := s.Dynamic.Resource(resource).Namespace(s.name).List(s.t.Context(), metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(s.t, err)
	return list.Items
}

// topologySays checks that the topology controller has failed with a message that contains a text.
func topologySays(text string) check {
	return func(c *harness.Cluster) error {
		i := slices.IndexFunc(c.Conditions(), func(condition metav1.Condition) bool {
			return condition.Type == names.TopologyReconciled
		})
		if i < 0 {
			return errors.New("no condition " + names.TopologyReconciled)
		}
		condition := c.Conditions()[i]
		if condition.Status != metav1.ConditionFalse || !strings.Contains(condition.Message, text) {
			return fmt.Errorf("condition %s is %s: %s", condition.Type, condition.Status, condition.Message)
		}
		return nil
	}
}

// endpointOf returns spec.controlPlaneEndpoint of an infrastructure object.
func endpointOf(object *unstructured.Unstructured) harness.Endpoint {
	return (&harness.Cluster{Unstructured: object}).Endpoint()
}

// kubeVIP returns the environment of kube-vip from a control plane object's files, or nil if its manifest is missing
// or is no Pod.
func kubeVIP(object *unstructured.Unstructured, path []string) map[string]string {
	files, _, _ := unstructured.NestedSlice(object.Object, path...)
	for _, entry := range files {
		file, _ := entry.(map[string]any)
		name, _ := file["path"].(string)
		if filepath.Base(name) != "kube-vip.yaml" {
			continue
		}
		content, _ := file["content"].(string)
		var pod corev1.Pod
		if err := yaml.UnmarshalStrict([]byte(content), &pod); err != nil || len(pod.Spec.Containers) != 1 {
			return nil
		}
		environment := map[string]string{}
		for _, variable := range pod.Spec.Containers[0].Env {
			environment[variable.Name] = variable.Value
		}
		return environment
	}
	return nil
}
