package scale

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// versionPlaceholder stands in a template for the resourceVersion of the object created from it.
const versionPlaceholder = "SCALE-RESOURCE-VERSION"

// uidPlaceholder stands for its UID.
const uidPlaceholder = "SCALE-UID"

// longestFill is longer than making all copies takes.
const longestFill = 24 * time.Hour

// template is an object as JSON, to be copied by replacing texts in it: names, UIDs and addresses.
type template struct {
	resource schema.GroupVersionResource
	// created is the object to create, updated the one with which to write its status; empty for a kind without a
	// status.
	created, updated string
}

// newTemplate makes a template of an object as read. It leaves out what the API server sets itself, and corrects
// generations in the status, since a copy's generation is 1.
func newTemplate(resource schema.GroupVersionResource, object *unstructured.Unstructured) (template, error) {
	t := template{resource: resource}
	copied := object.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
		unstructured.RemoveNestedField(copied.Object, "metadata", field)
	}
	observeFirst(copied.Object)
	dateLater(copied.Object, time.Now().Add(longestFill).UTC().Format(time.RFC3339))
	created, err := copied.MarshalJSON()
	if err != nil {
		return t, fmt.Errorf("encode the model of %s: %w", resource.Resource, err)
	}
	t.created = string(created)
	if _, found := copied.Object["status"]; !found {
		return t, nil
	}
	copied.SetUID(uidPlaceholder)
	copied.SetResourceVersion(versionPlaceholder)
	updated, err := copied.MarshalJSON()
	if err != nil {
		return t, fmt.Errorf("encode the model of %s: %w", resource.Resource, err)
	}
	t.updated = string(updated)
	return t, nil
}

// dateLater changes the time of our conditions: the claims of a copy are created later than the model's, and a
// condition is never older than its claim.
func dateLater(value any, at string) {
	switch value := value.(type) {
	case map[string]any:
		ours := slices.ContainsFunc(roles(), func(role string) bool {
			return value["type"] == names.ConditionType(role)
		})
		if ours {
			value["lastTransitionTime"] = at
		}
		for _, field := range value {
			dateLater(field, at)
		}
	case []any:
		for _, item := range value {
			dateLater(item, at)
		}
	}
}

// observeFirst sets every observed generation to 1.
func observeFirst(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if _, ok := field.(int64); ok && key == "observedGeneration" {
				value[key] = int64(1)
				continue
			}
			observeFirst(field)
		}
	case []any:
		for _, item := range value {
			observeFirst(item)
		}
	}
}
