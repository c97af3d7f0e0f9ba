package plane

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

const (
	// HoldAnnotation on a fake object, with the value "true", blocks its deletion. It may come from the metadata of a
	// template; HoldDeletion sets it on a Cluster's infrastructure.
	HoldAnnotation = "fake.plane.gorizond.io/hold-deletion"
	// holdFinalizer blocks the deletion.
	holdFinalizer = "fake.plane.gorizond.io/hold"
)

// statusPatch reports a fake object as ready in the terms of both contracts; nil if its status says so already.
func statusPatch(resource schema.GroupVersionResource, object *unstructured.Unstructured) map[string]any {
	want := map[string]any{"ready": true, "initialization": map[string]any{"provisioned": true}}
	if resource == ControlPlaneResource() {
		want = controlPlaneStatus(object)
	}
	have, _, _ := unstructured.NestedMap(object.Object, "status")
	for field, value := range want {
		if !equality.Semantic.DeepEqual(have[field], value) {
			return map[string]any{"status": want}
		}
	}
	return nil
}

// controlPlaneStatus plays a control plane without Machines, as a hosted one would be.
func controlPlaneStatus(object *unstructured.Unstructured) map[string]any {
	status := map[string]any{
		"ready":                       true,
		"initialized":                 true,
		"initialization":              map[string]any{"controlPlaneInitialized": true},
		"externalManagedControlPlane": true,
	}
	if version, found, _ := unstructured.NestedString(object.Object, "spec", "version"); found {
		status["version"] = version
	}
	if replicas, found, _ := unstructured.NestedInt64(object.Object, "spec", "replicas"); found {
		for _, field := range []string{
			"replicas", "readyReplicas", "availableReplicas", "upToDateReplicas", "updatedReplicas",
		} {
			status[field] = replicas
		}
		status["unavailableReplicas"] = int64(0)
	}
	return status
}

// endpointPatch plays a provider that brings its own endpoint; nil for all others.
func endpointPatch(object *unstructured.Unstructured) map[string]any {
	provided, found, _ := unstructured.NestedMap(object.Object, "spec", "provideEndpoint")
	if !found {
		return nil
	}
	have, _, _ := unstructured.NestedMap(object.Object, "spec", "controlPlaneEndpoint")
	if host, _ := have["host"].(string); host != "" {
		return nil
	}
	return map[string]any{"spec": map[string]any{"controlPlaneEndpoint": provided}}
}

// holdPatch brings the finalizer in line with the annotation; nil if it is already.
func holdPatch(object *unstructured.Unstructured) map[string]any {
	wanted := object.GetAnnotations()[HoldAnnotation] == "true"
	finalizers := object.GetFinalizers()
	if wanted == slices.Contains(finalizers, holdFinalizer) {
		return nil
	}
	// No finalizer may be added to an object that is being deleted.
	if wanted && object.GetDeletionTimestamp() != nil {
		return nil
	}
	return finalizerPatch(object, wanted)
}

func finalizerPatch(object *unstructured.Unstructured, held bool) map[string]any {
	finalizers := slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(name string) bool {
		return name == holdFinalizer
	})
	if held {
		finalizers = append(finalizers, holdFinalizer)
	}
	return map[string]any{"metadata": map[string]any{
		"finalizers": finalizers,
		// A merge patch replaces the list, so it must still be the list that we have seen.
		"resourceVersion": object.GetResourceVersion(),
	}}
}

func merge(
	ctx context.Context, target dynamic.ResourceInterface, name string, patch map[string]any, subresource ...string,
) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode a patch: %w", err)
	}
	_, err = target.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: fakeUserAgent},
		subresource...)
	return err
}
