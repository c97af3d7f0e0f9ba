package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestProtection covers what the values make of the policy; test/e2e/acceptance tests on a control plane what it
// does.
func TestProtection(t *testing.T) {
	const on = "protection: {enabled: true}\n"
	rendered := func(t *testing.T, values string) (
		admissionv1.ValidatingAdmissionPolicy, admissionv1.ValidatingAdmissionPolicyBinding,
	) {
		t.Helper()
		objects := render(t, on+values)
		policy := get[admissionv1.ValidatingAdmissionPolicy](t, objects, "ValidatingAdmissionPolicy", "-protection")
		binding := get[admissionv1.ValidatingAdmissionPolicyBinding](t, objects, "ValidatingAdmissionPolicyBinding",
			"-protection")
		require.Equal(t, policy.Name, binding.Spec.PolicyName)
		require.Equal(t, []admissionv1.ValidationAction{admissionv1.Deny}, binding.Spec.ValidationActions)
		require.Equal(t, admissionv1.Fail, *policy.Spec.FailurePolicy)
		return policy, binding
	}
	t.Run("if nothing is set, should not be there", func(t *testing.T) {
		require.Nil(t, render(t, "").Find("ValidatingAdmissionPolicy", "-protection"))
	})
	t.Run("if Kubernetes is too old for it, should say so", func(t *testing.T) {
		_, err := helm.RenderFor("v1.29.14", on, helm.Name, helm.Namespace)
		require.ErrorContains(t, err, "protection.enabled needs Kubernetes 1.30 or later, and this is v1.29.14")
		_, err = helm.RenderFor("v1.30.0-gke.1", on, helm.Name, helm.Namespace)
		require.NoError(t, err)
		_, err = helm.RenderFor("v1.29.14", "", helm.Name, helm.Namespace)
		require.NoError(t, err)
	})
	t.Run("if enabled, should let the account of the pods delete, everywhere", func(t *testing.T) {
		policy, binding := rendered(t, "")
		require.Contains(t, policy.Spec.Validations[0].Expression,
			"request.userInfo.username == 'system:serviceaccount:"+helm.Namespace+":capi-vip-allocator'")
		require.Nil(t, binding.Spec.MatchResources)
	})
	t.Run("if the account is another, should let that one", func(t *testing.T) {
		policy, _ := rendered(t, "serviceAccount: {create: false, name: mine}")
		require.Contains(t, policy.Spec.Validations[0].Expression, "'system:serviceaccount:"+helm.Namespace+":mine'")
		require.NotContains(t, policy.Spec.Validations[0].Expression, "OPERATOR")
	})
	t.Run("if the operator serves a part, should protect that part", func(t *testing.T) {
		_, binding := rendered(t, "controller: {namespace: team, watchFilter: blue}")
		require.Equal(t, map[string]string{"kubernetes.io/metadata.name": "team"},
			binding.Spec.MatchResources.NamespaceSelector.MatchLabels)
		require.Equal(t, map[string]string{"cluster.x-k8s.io/watch-filter": "blue"},
			binding.Spec.MatchResources.ObjectSelector.MatchLabels)
	})
}
