package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestKeep covers what the values make of the policies; test/e2e/acceptance tests on a control plane what they do.
func TestKeep(t *testing.T) {
	t.Run("if nothing is set, should not be there", func(t *testing.T) {
		objects := render(t, "")
		require.Nil(t, objects.Find("MutatingAdmissionPolicy", ""))
		require.Nil(t, objects.Find("ValidatingAdmissionPolicy", ""))
	})
	t.Run("if Kubernetes is too old for a mode, should say so", func(t *testing.T) {
		for values, version := range map[string]string{
			"keep: {mode: Keep}": "v1.35.9", "keep: {mode: Refuse}": "v1.29.14",
		} {
			_, err := helm.RenderFor(version, values, helm.Name, helm.Namespace)
			require.ErrorContains(t, err, "or later, and this is "+version)
		}
		_, err := helm.RenderFor("v1.30.0", "keep: {mode: Refuse}", helm.Name, helm.Namespace)
		require.NoError(t, err)
	})
	t.Run("if VIPs are kept, should put them back for all but the operator", func(t *testing.T) {
		objects := render(t, "keep: {mode: Keep, variables: [controlPlaneIpAddr]}\ncontroller: {namespace: team}")
		policy := get[admissionv1.MutatingAdmissionPolicy](t, objects, "MutatingAdmissionPolicy", "-keep")
		binding := get[admissionv1.MutatingAdmissionPolicyBinding](t, objects,
			"MutatingAdmissionPolicyBinding", "-keep")
		require.Equal(t, policy.Name, binding.Spec.PolicyName)
		require.Equal(t, map[string]string{"kubernetes.io/metadata.name": "team"},
			binding.Spec.MatchResources.NamespaceSelector.MatchLabels)
		require.Contains(t, policy.Spec.MatchConditions[0].Expression,
			`"system:serviceaccount:`+helm.Namespace+`:capi-vip-allocator"`)
		require.Len(t, policy.Spec.Mutations, 2)
		require.Contains(t, variable(policy.Spec.Variables, "held"), `v.name in ["controlPlaneIpAddr"]`)
		require.Nil(t, objects.Find("ValidatingAdmissionPolicy", "-keep"))
	})
	t.Run("if updates are refused, should deny", func(t *testing.T) {
		objects := render(t, "keep: {mode: Refuse}")
		policy := get[admissionv1.ValidatingAdmissionPolicy](t, objects, "ValidatingAdmissionPolicy", "-keep")
		binding := get[admissionv1.ValidatingAdmissionPolicyBinding](t, objects,
			"ValidatingAdmissionPolicyBinding", "-keep")
		require.Equal(t, policy.Name, binding.Spec.PolicyName)
		require.Equal(t, []admissionv1.ValidationAction{admissionv1.Deny}, binding.Spec.ValidationActions)
		require.Len(t, policy.Spec.Validations, 2)
		require.Nil(t, objects.Find("MutatingAdmissionPolicy", "-keep"))
	})
	t.Run("if the mode is a slip or a variable a path, should refuse it", func(t *testing.T) {
		for values, want := range map[string]string{
			"keep: {mode: keep}": "/keep/mode",
			"keep: {mode: Keep, variables: [controlPlaneEndpoint.host]}": "keep.variables[0]",
		} {
			_, err := helm.RenderFor("v1.37.0", values, helm.Name, helm.Namespace)
			require.ErrorContains(t, err, want)
		}
	})
}

func variable(variables []admissionv1.Variable, name string) string {
	for _, variable := range variables {
		if variable.Name == name {
			return variable.Expression
		}
	}
	return ""
}
