package capi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// renderedReasons are the reasons of a False TopologyReconciled condition that still mean the templates are rendered:
// machines have yet to follow, or workers are created or upgraded later. Every other reason says that rendering
// failed, is blocked or did not happen. From sigs.k8s.io/cluster-api/api/core.
var renderedReasons = []string{
	"ControlPlaneUpgradePending",
	"MachineDeploymentsCreatePending", "MachineDeploymentsUpgradePending", "MachineDeploymentsUpgradeDeferred",
	"MachinePoolsCreatePending", "MachinePoolsUpgradePending", "MachinePoolsUpgradeDeferred",
	"ClusterUpgrading",
}

// topology returns what the topology controller last reported on the Cluster.
func (c *Cluster) topology() vip.Topology {
	for _, condition := range *c.conditions() {
		if condition.Type == names.TopologyReconciled {
			return vip.Topology{
				Observed: condition.ObservedGeneration,
				Rendered: condition.Status == metav1.ConditionTrue ||
					slices.Contains(renderedReasons, condition.Reason),
				Reason: condition.Reason,
			}
		}
	}
	return vip.Topology{}
}

// Variables returns the values of the topology's variables by name.
func (c *Cluster) Variables() map[string][]byte {
	if len(c.Spec.Topology.Variables) == 0 {
		return nil
	}
	values := make(map[string][]byte, len(c.Spec.Topology.Variables))
	for _, variable := range c.Spec.Topology.Variables {
		values[variable.Name] = variable.Value
	}
	return values
}

const (
	// largestValue is the largest variable value, in bytes of JSON, that is kept unchanged: host and port with what
	// may surround them.
	largestValue = 512
	// largestObject is the largest value that is kept after dropping what cannot be a host or a port.
	largestObject = 8 << 10
	// longestHost is the longest host allowed (RFC 1035).
	longestHost = 253
)

// trimValue drops what cannot hold a VIP from a large variable value: lists and long strings in an object, and any
// value that is not an object.
func trimValue(raw []byte) []byte {
	if len(raw) <= largestValue {
		return raw
	}
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // a pool may select by a number that float64 cannot hold
	if err := decoder.Decode(&object); err != nil {
		return nil
	}
	trimmed, err := json.Marshal(withoutLarge(object))
	if err != nil || len(trimmed) > largestObject {
		return nil
	}
	return trimmed
}

func withoutLarge(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = withoutLarge(value[key])
		}
	case []any:
		return vip.Unreadable
	case string:
		if len(value) > longestHost {
			return vip.Unreadable
		}
	}
	return value
}

// trimTopology drops values that are too large to hold a VIP, and the message of the topology controller's condition.
func trimTopology(c *Cluster) {
	variables := c.Spec.Topology.Variables
	for i := range variables {
		variables[i].Value = trimValue(variables[i].Value)
	}
	conditions := *c.conditions()
	for i := range conditions {
		if conditions[i].Type == names.TopologyReconciled {
			conditions[i].Message = ""
		}
	}
}

// parseGate parses the annotation that holds an endpoint back; an unreadable one counts as absent.
func parseGate(text string) vip.Gate {
	first, second, held := strings.Cut(text, ":")
	generation, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return vip.Gate{}
	}
	port, err := strconv.ParseInt(second, 10, 32)
	if held && err != nil {
		return vip.Gate{}
	}
	return vip.Gate{Generation: generation, Port: int32(port)}
}

func formatGate(gate vip.Gate) string {
	text := strconv.FormatInt(gate.Generation, 10)
	if gate.Port != 0 {
		text += ":" + strconv.Itoa(int(gate.Port))
	}
	return text
}

// Snapshot returns what the class does with VIPs.
func (c *ClusterClass) Snapshot() *vip.ClusterClass {
	uses := c.Uses
	if uses == nil {
		found := c.uses()
		uses = &found
	}
	return &vip.ClusterClass{ReadsVIP: uses.ReadsVIP, Variables: uses.Variables}
}

// uses finds out what a class does with VIPs. A patch that mentions one of our annotations, or a handler of our
// extension, counts as reading the VIP: nobody can tell from outside what a template makes of it.
func (c *ClusterClass) uses() ClassUses {
	annotation, handler := []byte(names.Domain+"/"), []byte("."+names.ExtensionName+`"`)
	uses := ClassUses{ReadsVIP: slices.ContainsFunc(c.Spec.Patches, func(patch json.RawMessage) bool {
		return bytes.Contains(patch, annotation) || bytes.Contains(patch, handler)
	})}
	declare := func(name string, schema VariableSchema) {
		if uses.Variables == nil {
			uses.Variables = map[string]string{}
		}
		flatten(uses.Variables, name, schema.OpenAPIV3Schema)
	}
	for _, variable := range c.Status.Variables {
		for _, definition := range variable.Definitions {
			declare(variable.Name, definition.Schema)
		}
	}
	for _, variable := range c.Spec.Variables {
		declare(variable.Name, variable.Schema)
	}
	return uses
}

const (
	// longestPath is the longest dotted path of a variable that is read, in bytes, and mostPaths the most paths of a
	// class: nothing limits the names of properties, and a path repeats those of all levels above it. Real classes
	// have some hundreds of paths.
	longestPath = 512
	mostPaths   = 4096
)

// flatten adds a schema and the schemas of its properties to types by dotted path. If there are too many, it keeps
// the first in alphabetical order.
func flatten(types map[string]string, path string, schema Schema) {
	if _, known := types[path]; len(path) > longestPath || !known && len(types) >= mostPaths {
		return
	}
	types[path] = cmp.Or(schema.Type, "object")
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if len(path)+len(name) < longestPath {
			flatten(types, path+"."+name, schema.Properties[name])
		}
	}
}
