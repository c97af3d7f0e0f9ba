package answer

import (
	"encoding/json"
	"fmt"

	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
)

// builtins parses the variable "builtin"; nil if there is none.
func builtins(variables []hooks.Variable) (*hooks.Builtins, error) {
	for _, variable := range variables {
		if variable.Name != hooks.BuiltinsName {
			continue
		}
		values := new(hooks.Builtins)
		if err := json.Unmarshal(variable.Value.Raw, values); err != nil {
			return nil, fmt.Errorf("the variable %s cannot be read: %w", hooks.BuiltinsName, err)
		}
		return values, nil
	}
	return nil, nil
}

// annotation returns an annotation of the Cluster, or "".
func annotation(values *hooks.Builtins, key string) string {
	if values == nil || values.Cluster == nil || values.Cluster.Metadata == nil {
		return ""
	}
	return values.Cluster.Metadata.Annotations[key]
}
