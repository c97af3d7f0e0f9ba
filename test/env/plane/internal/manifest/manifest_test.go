package manifest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

func manifests() map[string]string {
	return map[string]string{
		"crd/bases/a.yaml": "kind: CustomResourceDefinition\napiVersion: v1\n" +
			"metadata: {name: as.x}\nspec: {group: x}\n",
		"crd/bases/b.yaml": "kind: CustomResourceDefinition\napiVersion: v1\n" +
			"metadata: {name: bs.x}\nspec: {group: x}\n",
		"crd/patches/webhook_in_as.yaml": "kind: CustomResourceDefinition\napiVersion: v1\nmetadata: {name: as.x}\n" +
			"spec: {conversion: {webhook: {clientConfig: {}}}}\n",
		"crd/patches/label_in_bs.yaml": "kind: CustomResourceDefinition\napiVersion: v1\n" +
			"metadata: {name: bs.x, labels: {move: \"\"}}\n",
		"crd/patches/cainjection_in.yaml": "nonsense: $(VARIABLE)\n",
		"webhook/manifests.yaml": "---\nkind: ValidatingWebhookConfiguration\napiVersion: v1\n" +
			"metadata: {name: v}\nwebhooks: [{name: w, clientConfig: {service: {path: /validate}}}]\n",
		"rbac/role.yaml": "kind: ClusterRole\napiVersion: v1\nmetadata: {name: role}\n---\n" +
			"kind: Role\napiVersion: v1\nmetadata: {name: leader}\n",
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, manifests())
	provider := Provider{Name: "p", Prefix: "p-", User: "u", WebhookURL: "https://127.0.0.1:1", CABundle: []byte("ca")}
	objects, err := provider.Load(dir)
	require.NoError(t, err)
	byName := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		byName[object.GetKind()+"/"+object.GetName()] = object
		require.Equal(t, "p", object.GetLabels()[providerLabel])
	}
	require.Len(t, byName, 5, "the namespaced role for leader election is left out")

	converted := byName["CustomResourceDefinition/as.x"]
	url, _, _ := unstructured.NestedString(converted.Object, "spec", "conversion", "webhook", "clientConfig", "url")
	require.Equal(t, "https://127.0.0.1:1/convert", url)
	plain := byName["CustomResourceDefinition/bs.x"]
	_, found, _ := unstructured.NestedMap(plain.Object, "spec", "conversion")
	require.False(t, found, "a kind without a patch does not convert")
	require.Contains(t, plain.GetLabels(), "move")

	webhooks, _, _ := unstructured.NestedSlice(byName["ValidatingWebhookConfiguration/p-v"].Object, "webhooks")
	webhook, _ := webhooks[0].(map[string]any)
	require.Equal(t, map[string]any{"url": "https://127.0.0.1:1/validate", "caBundle": "Y2E="}, webhook["clientConfig"])

	subjects, _, _ := unstructured.NestedSlice(byName["ClusterRoleBinding/p-role"].Object, "subjects")
	subject, _ := subjects[0].(map[string]any)
	require.Equal(t, "u", subject["name"])
}

func TestLoadFails(t *testing.T) {
	for name, test := range map[string]struct{ file, content, message string }{
		"if there are no CRDs, should say what to do": {"crd/bases/a.yaml", "", "build again"},
		"if a webhook list is missing, should name it": {
			"webhook/manifests.yaml", "kind: K\napiVersion: v1\nmetadata: {name: conf}\n", "K conf has no list",
		},
		"if a manifest is no YAML, should name the file": {"rbac/role.yaml", "a: [", "role.yaml"},
		"if an object has no kind, should number document 1": {
			"rbac/role.yaml", "metadata: {name: n}\n", "document 1 lacks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := manifests()
			delete(files, "crd/bases/b.yaml")
			files[test.file] = test.content
			write(t, dir, files)
			_, err := Provider{}.Load(dir)
			require.ErrorContains(t, err, test.message)
		})
	}
}

func TestParse(t *testing.T) {
	objects, err := Parse([]byte("---\n# nothing\n---\nkind: A\napiVersion: v1\nmetadata: {name: a}\n---\n" +
		"{\"kind\":\"B\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"}}\n"))
	require.NoError(t, err)
	require.Len(t, objects, 2)
}
