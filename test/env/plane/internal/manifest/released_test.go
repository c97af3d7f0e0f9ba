package manifest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const released = `kind: Namespace
apiVersion: v1
metadata: {name: system}
---
kind: CustomResourceDefinition
apiVersion: v1
metadata: {name: as.x, labels: {cluster.x-k8s.io/v1beta2: v1beta2}}
spec:
  conversion:
    strategy: Webhook
    webhook: {conversionReviewVersions: [v1], clientConfig: {service: {name: s, path: /convert}}}
---
kind: CustomResourceDefinition
apiVersion: v1
metadata: {name: bs.x}
spec: {group: x}
---
kind: MutatingWebhookConfiguration
apiVersion: v1
metadata: {name: p-m}
webhooks: [{name: w, clientConfig: {service: {path: /mutate}}}]
---
kind: Deployment
apiVersion: v1
metadata: {name: p-controller-manager}
`

func TestReleased(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"p.yaml":      released,
		"broken.yaml": "kind: ValidatingWebhookConfiguration\napiVersion: v1\nmetadata: {name: v}\n",
	})
	provider := Provider{Name: "p", WebhookURL: "https://127.0.0.1:1", CABundle: []byte("ca")}
	objects, err := provider.Released(filepath.Join(dir, "p.yaml"))
	require.NoError(t, err)
	byName := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		byName[object.GetKind()+"/"+object.GetName()] = object
		require.Equal(t, "p", object.GetLabels()[providerLabel])
	}
	require.Len(t, byName, 4, "the workload is left out")
	converted := byName["CustomResourceDefinition/as.x"]
	require.Equal(t, "v1beta2", converted.GetLabels()["cluster.x-k8s.io/v1beta2"], "the contract stays")
	client, _, err := unstructured.NestedMap(converted.Object, "spec", "conversion", "webhook", "clientConfig")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"url": "https://127.0.0.1:1/convert", "caBundle": "Y2E="}, client)
	require.NotContains(t, byName["CustomResourceDefinition/bs.x"].Object["spec"], "conversion")
	webhooks, _, err := unstructured.NestedSlice(byName["MutatingWebhookConfiguration/p-m"].Object, "webhooks")
	require.NoError(t, err)
	webhook, _ := webhooks[0].(map[string]any)
	require.Equal(t, map[string]any{"url": "https://127.0.0.1:1/mutate", "caBundle": "Y2E="}, webhook["clientConfig"])

	_, err = provider.Released(filepath.Join(dir, "broken.yaml"))
	require.ErrorContains(t, err, "has no list of webhooks")
}
