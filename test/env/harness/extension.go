package harness

import (
	"context"
	"fmt"
	"net"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/charts"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// ExtensionConfigs returns the client for ExtensionConfigs.
func (w *World) ExtensionConfigs() dynamic.ResourceInterface {
	version := "v1beta2"
	if w.Version == oldVersion {
		version = "v1alpha1"
	}
	return w.Dynamic.Resource(schema.GroupVersionResource{
		Group: "runtime.cluster.x-k8s.io", Version: version, Resource: "extensionconfigs",
	})
}

// Deployments is the resource of Deployment.
var Deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// GrantExtension gives the accounts of the operator's namespace the roles that the chart adds for the runtime
// extension. Calling it again is fine.
func GrantExtension(ctx context.Context, p *plane.Plane) error {
	var rules map[string][]rbacv1.PolicyRule
	text := strings.ReplaceAll(string(charts.Rules), "OWNER", names.ExtensionObjects)
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
		return fmt.Errorf("read the chart's permissions: %w", err)
	}
	cluster, err := yaml.Marshal(rules["extension"])
	if err != nil {
		return fmt.Errorf("write the permissions: %w", err)
	}
	own, err := yaml.Marshal(rules["extensionOwn"])
	if err != nil {
		return fmt.Errorf("write the permissions: %w", err)
	}
	_, err = plane.ApplyYAML(ctx, p.Config(), fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[2]s}
rules:
%[3]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[2]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:%[1]s"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[2]s, namespace: %[1]s}
rules:
%[4]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[2]s, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[2]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:%[1]s"}]
`, Namespace, names.ExtensionObjects, cluster, own))
	if err != nil {
		return fmt.Errorf("grant the operator the roles of the runtime extension: %w", err)
	}
	return nil
}

// ExtensionArgs returns the arguments with which an operator serves runtime hooks on a free port of this machine, and
// the URL of the hooks.
func ExtensionArgs(ctx context.Context) (args []string, url string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // it is a valid address
	if err := listener.Close(); err != nil {
		return nil, "", fmt.Errorf("find a free port: %w", err)
	}
	url = "https://127.0.0.1:" + port
	return []string{
		"--runtime-extension", "--runtime-extension-url=" + url, "--webhook-host=127.0.0.1", "--webhook-port=" + port,
	}, url, nil
}

// HookedClass is a ClusterClass of the fake kinds with an external patch that names the runtime extension's handlers.
type HookedClass struct {
	NewClass
	// Settings are those of the patch.
	Settings map[string]string
}

// Manifests implements Object.
func (c HookedClass) Manifests(version string) []*unstructured.Unstructured {
	generate, validate := "generatePatchesExtension", "validateTopologyExtension"
	if version == oldVersion {
		generate, validate = "generateExtension", "validateExtension"
	}
	external := map[string]any{
		generate: names.HandlerGeneratePatches + "." + names.ExtensionName,
		validate: names.HandlerValidateTopology + "." + names.ExtensionName,
	}
	if len(c.Settings) > 0 {
		settings := map[string]any{}
		for key, value := range c.Settings {
			settings[key] = value
		}
		external["settings"] = settings
	}
	manifests := c.NewClass.Manifests(version)
	class := manifests[len(manifests)-1]
	spec, _ := class.Object[fieldSpec].(map[string]any)
	spec["patches"] = []any{map[string]any{fieldName: "vip", "external": external}}
	return manifests
}
