package plane

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// BuildsMachine is the parameter of a FakeControlPlane that makes the fake provider play one that builds machines.
const BuildsMachine = "buildsMachine"

// machinePoll is how often a fake control plane checks whether it may build its machine: faster than any real
// provider.
const machinePoll = 5 * time.Millisecond

const pausedAnnotation = "cluster.x-k8s.io/paused"

// buildMachine plays a control plane provider that builds its first machine as soon as it can: once the
// infrastructure is ready, the endpoint is valid and nothing is paused. What the machine is built from stays in
// status.firstMachine for good, like the user data of a real machine.
func (f *fakeProvider) buildMachine(ctx context.Context, key fakeKey, object *unstructured.Unstructured) error {
	parameters, _, _ := unstructured.NestedStringMap(object.Object, "spec", "parameters")
	_, built, _ := unstructured.NestedMap(object.Object, "status", "firstMachine")
	if _, paused := object.GetAnnotations()[pausedAnnotation]; built || paused || parameters[BuildsMachine] == "" {
		return nil
	}
	cluster, err := f.clusterOf(ctx, object)
	if err != nil || cluster == nil {
		return err
	}
	host, _, _ := unstructured.NestedString(cluster.Object, "spec", "controlPlaneEndpoint", "host")
	ready, _, _ := unstructured.NestedBool(cluster.Object, "status", "infrastructureReady")
	paused, _, _ := unstructured.NestedBool(cluster.Object, "spec", "paused")
	if host == "" || !ready || paused {
		f.queue.AddAfter(key, machinePoll)
		return nil
	}
	virtualIP, _, _ := unstructured.NestedString(object.Object, "spec", "virtualIP")
	patch := map[string]any{
		"status": map[string]any{"firstMachine": map[string]any{"endpoint": host, "virtualIP": virtualIP}},
	}
	objects := f.client.Resource(key.resource).Namespace(object.GetNamespace())
	return ignoreGone(merge(ctx, objects, object.GetName(), patch, "status"))
}

// clusterOf returns the current state of the Cluster that owns an object, or nil if it is gone.
func (f *fakeProvider) clusterOf(
	ctx context.Context, object *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	clusters := f.client.Resource(schema.GroupVersionResource{
		Group: "cluster.x-k8s.io", Version: "v1beta1", Resource: "clusters",
	})
	for _, owner := range object.GetOwnerReferences() {
		if owner.Kind != "Cluster" {
			continue
		}
		cluster, err := clusters.Namespace(object.GetNamespace()).Get(ctx, owner.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return cluster, err
	}
	return nil, nil
}
