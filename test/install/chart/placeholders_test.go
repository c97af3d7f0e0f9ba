package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestPlaceholders covers what the values make of the policies; test/e2e/acceptance tests on a control plane what
// they do.
func TestPlaceholders(t *testing.T) {
	const values = `
placeholders:
  - class: vsphere-rke2
    variables: {controlPlaneIpAddr: "", controlPlanePort: 0, network: {mtu: 1500, name: "", zones: [1, a]}}
  - {class: metal3, namespace: classes, variables: {vip: "::"}}
`
	t.Run("if there are none, should make no policies", func(t *testing.T) {
		require.Nil(t, render(t, "").Find("MutatingAdmissionPolicy", ""))
	})
	t.Run("if Kubernetes is too old for them, should say so", func(t *testing.T) {
		_, err := helm.RenderFor("v1.35.9", values, helm.Name, helm.Namespace)
		require.ErrorContains(t, err, "placeholders need Kubernetes 1.36 or later, and this is v1.35.9")
	})
	t.Run("if there are some, should make a policy and a binding for each variable", func(t *testing.T) {
		objects := render(t, values)
		expressions := map[string]string{}
		for _, suffix := range []string{
			"-placeholder-0-0", "-placeholder-0-1", "-placeholder-0-2", "-placeholder-1-0",
		} {
			policy := get[admissionv1.MutatingAdmissionPolicy](t, objects, "MutatingAdmissionPolicy", suffix)
			binding := get[admissionv1.MutatingAdmissionPolicyBinding](t, objects,
				"MutatingAdmissionPolicyBinding", suffix)
			require.Equal(t, policy.Name, binding.Spec.PolicyName)
			require.Len(t, policy.Spec.MatchConditions, 3)
			expressions[suffix] = policy.Spec.MatchConditions[0].Expression +
				policy.Spec.MatchConditions[1].Expression + policy.Spec.Mutations[0].JSONPatch.Expression
		}
		for suffix, words := range map[string][]string{
			"-placeholder-0-0": {`== "vsphere-rke2"`, `"" == ""`, `dyn("controlPlaneIpAddr")`, `dyn("")`},
			"-placeholder-0-1": {`dyn("controlPlanePort")`, `dyn(0)`},
			"-placeholder-0-2": {`dyn({"mtu": dyn(1500), "name": dyn(""), "zones": dyn([dyn(1), dyn("a")])})`},
			"-placeholder-1-0": {`== "metal3"`, `"classes" == ""`, `dyn("::")`},
		} {
			for _, word := range words {
				require.Contains(t, expressions[suffix], word)
			}
		}
	})
	t.Run("if an entry names no class, should refuse it", func(t *testing.T) {
		_, err := helm.RenderFor("v1.37.0", "placeholders: [{variables: {a: 1}}]", helm.Name, helm.Namespace)
		require.ErrorContains(t, err, "class")
	})
}
