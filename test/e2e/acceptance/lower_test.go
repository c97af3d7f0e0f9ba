package acceptance

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lower converts an object of Cluster API from v1beta2 to v1beta1, for a stack that serves nothing else: only the
// fields that an example uses.
func lower(object *unstructured.Unstructured) {
	switch object.GetKind() {
	case "CustomResourceDefinition":
		return
	case "ClusterClass":
		deployments, _, _ := unstructured.NestedSlice(object.Object, "spec", "workers", "machineDeployments")
		for _, entry := range deployments {
			class, _ := entry.(map[string]any)
			class["template"] = map[string]any{
				"bootstrap": class["bootstrap"], "infrastructure": class["infrastructure"],
			}
			delete(class, "bootstrap")
			delete(class, "infrastructure")
		}
		_ = unstructured.SetNestedSlice(object.Object, deployments, "spec", "workers", "machineDeployments")
	case "Cluster":
		name, _, _ := unstructured.NestedString(object.Object, "spec", "topology", "classRef", "name")
		unstructured.RemoveNestedField(object.Object, "spec", "topology", "classRef")
		_ = unstructured.SetNestedField(object.Object, name, "spec", "topology", "class")
	}
	object.Object, _ = lowered(object.Object).(map[string]any)
}

// lowered converts everything within an object: versions, references, and program arguments, which are a map at
// v1beta1.
func lowered(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = lowered(value[i])
		}
	case map[string]any:
		for key, entry := range value {
			value[key] = lowered(entry)
			switch key {
			case "templateRef":
				value["ref"] = value[key]
				delete(value, key)
			case "kubeletExtraArgs":
				value[key] = argumentMap(entry)
			}
		}
	case string:
		return strings.ReplaceAll(value, "cluster.x-k8s.io/v1beta2", "cluster.x-k8s.io/v1beta1")
	}
	return value
}

func argumentMap(list any) map[string]any {
	arguments := map[string]any{}
	entries, _ := list.([]any)
	for _, entry := range entries {
		argument, _ := entry.(map[string]any)
		name, _ := argument["name"].(string)
		arguments[name] = argument["value"]
	}
	return arguments
}
