package providers

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// The short form, which every change runs: Cluster API's own kubeadm providers turn the example's class into a
// machine's bootstrap data. The infrastructure is fake, since the providers of vSphere and RKE2 take long to build.
// The Cluster exists before its pool: that is when a machine could be built without its VIP.
func TestBootstrapData(t *testing.T) {
	t.Parallel()
	on := newStageFor(t, plane.Options{Providers: []plane.Provider{plane.Kubeadm}})
	for i, way := range []way{byAnnotation, byVariable} {
		s := emptyScope(t, on, flavor{example: "vsphere-kubeadm", way: way}, octetShort+i)
		s.create(s.onFakes()...)
		s.cluster("early", nil)
		s.sees("early", provisioned, reason(names.ReasonPoolNotFound))
		require.Empty(t, s.of(machines, "early"), "no machine without an endpoint")
		s.pool(5)
		s.sees("early", reason(names.ReasonIPAddressAssigned), hasEndpoint(s.ip(1)))
		s.controlPlaneHasVIP("early", s.ip(1))
		s.startsWith("early", s.bootstrap("early"), s.ip(1))
		s.delete("early")
		s.gone("early")
		require.Nil(t, s.Claim(s.name, "vip-cp-early"))
	}
}

// onFakes returns the flavor's class with fake infrastructure instead of vSphere's, and without workers.
func (s *scope) onFakes() []*unstructured.Unstructured {
	s.t.Helper()
	const version = "infrastructure.cluster.x-k8s.io/v1alpha1"
	template := func(kind string) map[string]any {
		return map[string]any{"templateRef": map[string]any{"apiVersion": version, "kind": kind, "name": s.name}}
	}
	objects := slices.DeleteFunc(s.class(), func(o *unstructured.Unstructured) bool {
		return o.GetKind() == "VSphereClusterTemplate" || o.GetKind() == "VSphereMachineTemplate"
	})
	class := objects[0].Object
	set := func(value any, path ...string) {
		require.NoError(s.t, unstructured.SetNestedField(class, value, path...))
	}
	set(template("FakeInfraClusterTemplate"), "spec", "infrastructure")
	set(template("FakeInfraMachineTemplate"), "spec", "controlPlane", "machineInfrastructure")
	unstructured.RemoveNestedField(class, "spec", "workers")
	patches, _, err := unstructured.NestedSlice(class, "spec", "patches")
	require.NoError(s.t, err)
	for _, entry := range patches {
		patch, _ := entry.(map[string]any)
		definitions, _ := patch["definitions"].([]any)
		patch["definitions"] = slices.DeleteFunc(definitions, func(entry any) bool {
			kind, _, _ := unstructured.NestedString(entry.(map[string]any), "selector", "kind")
			return kind == "VSphereClusterTemplate"
		})
	}
	set(patches, "spec", "patches")
	for _, kind := range []string{"FakeInfraClusterTemplate", "FakeInfraMachineTemplate"} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": version, "kind": kind,
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{}}},
		}}
		object.SetNamespace(s.name)
		object.SetName(s.name)
		objects = append(objects, object)
	}
	return objects
}
