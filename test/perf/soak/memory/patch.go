package memory

import (
	"encoding/json"
	"errors"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// patch applies a patch to an object, or only to its status.
func patch(
	object *unstructured.Unstructured, kind types.PatchType, body []byte, status bool,
) (*unstructured.Unstructured, error) {
	var patched map[string]any
	var err error
	switch kind {
	case types.JSONPatchType:
		patched, err = applyJSONPatch(object, body)
	case types.ApplyPatchType:
		var applied map[string]any
		if err := json.Unmarshal(body, &applied); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		uid, _, _ := unstructured.NestedString(applied, "metadata", "uid")
		if uid != "" && uid != string(object.GetUID()) {
			return nil, apierrors.NewConflict(resourceOf(object), object.GetName(), errors.New("the UID is another"))
		}
		version, _, _ := unstructured.NestedString(applied, "metadata", "resourceVersion")
		if version != "" && version != object.GetResourceVersion() {
			return nil, apierrors.NewConflict(resourceOf(object), object.GetName(),
				errors.New("the object has changed"))
		}
		patched, _ = merge(object.DeepCopy().Object, applied).(map[string]any)
	default:
		return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", resourceOf(object),
			object.GetName(), "", 0, false)
	}
	if err != nil {
		return nil, err
	}
	after := object.DeepCopy()
	if status {
		after.Object["status"] = patched["status"]
		return after, nil
	}
	after.Object = patched
	if before, found := object.Object["status"]; found {
		after.Object["status"] = before
	}
	return after, nil
}

// applyJSONPatch behaves like an API server: a patch that cannot be applied, for example because a test fails, gives
// a 422 without a reason.
func applyJSONPatch(object *unstructured.Unstructured, body []byte) (map[string]any, error) {
	operations, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	before, err := object.MarshalJSON()
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	text, err := operations.Apply(before)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", resourceOf(object),
			object.GetName(), err.Error(), 0, false)
	}
	var after unstructured.Unstructured
	if err := after.UnmarshalJSON(text); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return after.Object, nil
}

// merge is server-side apply by a manager that owns everything it applies: it merges maps, and lists by the identity of
// their items, and replaces everything else.
func merge(into, applied any) any {
	switch applied := applied.(type) {
	case map[string]any:
		merged, ok := into.(map[string]any)
		if !ok {
			merged = map[string]any{}
		}
		for key, value := range applied {
			merged[key] = merge(merged[key], value)
		}
		return merged
	case []any:
		merged, _ := into.([]any)
		for _, item := range applied {
			merged = mergeItem(merged, item)
		}
		return merged
	}
	return applied
}

func mergeItem(into []any, item any) []any {
	for i := range into {
		if identity(into[i]) == identity(item) {
			into[i] = merge(into[i], item)
			return into
		}
	}
	return append(into, item)
}

// identity returns what identifies an item of a list: the type of a condition, the UID of an owner, the name of
// something else, or a text itself.
func identity(item any) any {
	fields, ok := item.(map[string]any)
	if !ok {
		return item
	}
	for _, key := range []string{"type", "uid", "name"} {
		if value, found := fields[key]; found {
			return value
		}
	}
	return nil
}
