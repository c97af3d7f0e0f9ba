package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/charts"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// Namespace is the operator's own, which holds its Lease and its accounts.
	Namespace = "capi-vip-allocator-system"
	// User is the operator's name in the audit log unless OperatorOptions say otherwise: that of its service account.
	User = accounts + "capi-vip-allocator"
	// accounts is the prefix of the names of all service accounts in the namespace.
	accounts = "system:serviceaccount:" + Namespace + ":"
)

// Grant creates the operator's namespace and gives the accounts in it the roles that the chart grants with a base
// domain: exactly these, from the same file. Calling it again is fine.
func Grant(ctx context.Context, p *plane.Plane) error {
	manifests, err := roles()
	if err != nil {
		return err
	}
	if _, err := plane.ApplyYAML(ctx, p.Config(), manifests); err != nil {
		return fmt.Errorf("grant the operator its roles: %w", err)
	}
	return nil
}

// ProtectionName is the name of the admission policy that Protect creates, and of its binding.
const ProtectionName = "capi-vip-allocator-protection"

// Protect creates the chart's admission policy for the operator with the given user name, and binds it to all
// namespaces. The API server takes a moment to enforce it.
func Protect(ctx context.Context, p *plane.Plane, user string) error {
	var spec map[string]any
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(charts.Protection, "OPERATOR", user)), &spec); err != nil {
		return fmt.Errorf("read the chart's admission policy: %w", err)
	}
	text, err := yaml.Marshal(spec)
	if err != nil {
		return fmt.Errorf("write the admission policy: %w", err)
	}
	manifest := Policy("ValidatingAdmissionPolicy", ProtectionName, string(text), ", validationActions: [Deny]")
	if _, err := plane.ApplyYAML(ctx, p.Config(), manifest); err != nil {
		return fmt.Errorf("protect the claims: %w", err)
	}
	return nil
}

// KeepName is the name of the policy that Keep creates.
const KeepName = "keep-vips"

// Keep creates the chart's policy that keeps the VIPs of Clusters, in one of its modes, for an operator that runs as
// the given user, and for the named variables. It does not wait until the API server enforces it.
func Keep(ctx context.Context, p *plane.Plane, mode, user string, variables ...string) error {
	list, err := json.Marshal(variables)
	if err != nil {
		return fmt.Errorf("write the names of variables: %w", err)
	}
	parts := map[string]map[string]any{}
	policy := strings.NewReplacer("OPERATOR", user, "VARIABLES", string(list)).Replace(charts.Keep)
	if err := yaml.Unmarshal([]byte(policy), &parts); err != nil {
		return fmt.Errorf("read the chart's admission policy: %w", err)
	}
	spec := parts["common"]
	maps.Copy(spec, parts[strings.ToLower(mode)])
	text, err := yaml.Marshal(spec)
	if err != nil {
		return fmt.Errorf("write the admission policy: %w", err)
	}
	kind, more := "MutatingAdmissionPolicy", ""
	if mode == "Refuse" {
		kind, more = "ValidatingAdmissionPolicy", ", validationActions: [Deny]"
	}
	if _, err := plane.ApplyYAML(ctx, p.Config(), Policy(kind, KeepName, string(text), more)); err != nil {
		return fmt.Errorf("keep the VIPs: %w", err)
	}
	return nil
}

// Policy returns the manifest of an admission policy of the given kind, with its spec as YAML, and of a binding to
// everything. More continues the flow map of the binding's spec.
func Policy(kind, name, spec, more string) string {
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %[1]s
metadata: {name: %[2]s}
spec:
%[3]s
---
apiVersion: admissionregistration.k8s.io/v1
kind: %[1]sBinding
metadata: {name: %[2]s}
spec: {policyName: %[2]s%[4]s}
`, kind, name, indented(spec), more)
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// kubeconfig writes a kubeconfig with a token of a user's service account, and creates the account if it is missing.
func kubeconfig(ctx context.Context, p *plane.Plane, user string) (string, error) {
	account := strings.TrimPrefix(user, accounts)
	manifest := fmt.Sprintf("{apiVersion: v1, kind: ServiceAccount, metadata: {name: %s, namespace: %s}}",
		account, Namespace)
	if _, err := plane.ApplyYAML(ctx, p.Config(), manifest); err != nil {
		return "", fmt.Errorf("create the service account %s: %w", account, err)
	}
	return p.ServiceAccountKubeconfig(ctx, Namespace, account)
}

// roles returns the manifests that Grant applies.
func roles() (string, error) {
	var rules map[string][]rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict(charts.Rules, &rules); err != nil {
		return "", fmt.Errorf("read the chart's permissions: %w", err)
	}
	cluster, err := yaml.Marshal(slices.Concat(rules["watched"], rules["dns"], rules["cluster"], rules["diagnostics"]))
	if err != nil {
		return "", fmt.Errorf("write the permissions: %w", err)
	}
	own, err := yaml.Marshal(rules["own"])
	if err != nil {
		return "", fmt.Errorf("write the permissions: %w", err)
	}
	return fmt.Sprintf(`
{apiVersion: v1, kind: Namespace, metadata: {name: %[1]s}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: capi-vip-allocator}
rules:
%[2]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: capi-vip-allocator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: capi-vip-allocator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:%[1]s"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: capi-vip-allocator-leases, namespace: %[1]s}
rules:
%[3]s
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: capi-vip-allocator-leases, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: capi-vip-allocator-leases}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:%[1]s"}]
`, Namespace, cluster, own), nil
}
