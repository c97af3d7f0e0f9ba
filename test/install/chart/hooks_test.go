package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// TestWhoMayCallTheHooks: the callers of the hooks can be restricted alone, by a policy that leaves everything else
// as it is, and by the CAs of clients.
func TestWhoMayCallTheHooks(t *testing.T) {
	objects := render(t, `
runtimeExtension: {enabled: true, clientCAConfigMap: callers}
networkPolicy:
  hooksOnly: true
  hooksFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: capi-system}}}]
`)
	policy := get[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy", "")
	assert.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, policy.Spec.PolicyTypes)
	assert.Empty(t, policy.Spec.Egress)
	require.Len(t, policy.Spec.Ingress, 3, "health and metrics from anywhere, hooks from Cluster API")
	for _, rule := range policy.Spec.Ingress {
		assert.Equal(t, rule.Ports[0].Port.StrVal == "hooks", len(rule.From) == 1)
	}
	assert.Contains(t, manager(t, objects).Args, "--webhook-client-ca-file=/etc/capi-vip-allocator-clients/ca.crt")
	assert.Equal(t, "callers", deployment(t, objects).Spec.Template.Spec.Volumes[0].ConfigMap.Name)
	for _, object := range render(t, "networkPolicy: {hooksOnly: true}") {
		assert.NotEqual(t, "NetworkPolicy", object.GetKind(), "without hooks there is nothing to say")
	}
}
