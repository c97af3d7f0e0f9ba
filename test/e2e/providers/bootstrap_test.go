package providers

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// writtenFiles returns the files that a machine's cloud-init configuration writes.
func writtenFiles(t *testing.T, userData string) []any {
	t.Helper()
	require.True(t, strings.HasPrefix(strings.TrimPrefix(userData, "## template: jinja\n"), "#cloud-config"),
		"%.40q", userData)
	var config struct {
		WriteFiles []any `json:"write_files"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(userData), &config))
	return config.WriteFiles
}

// fileContent finds a file by its path, in a control plane object or a cloud-init configuration, and decodes it.
func fileContent(t *testing.T, files []any, is func(path string) bool) (string, bool) {
	t.Helper()
	for _, entry := range files {
		file, _ := entry.(map[string]any)
		if path, _ := file["path"].(string); !is(path) {
			continue
		}
		content, _ := file["content"].(string)
		encoding, _ := file["encoding"].(string)
		if encoding == "" {
			return content, true
		}
		data, err := base64.StdEncoding.DecodeString(content)
		require.NoError(t, err, encoding)
		if strings.HasPrefix(encoding, "gz") {
			reader, err := gzip.NewReader(bytes.NewReader(data))
			require.NoError(t, err)
			data, err = io.ReadAll(reader)
			require.NoError(t, err)
		}
		return string(data), true
	}
	return "", false
}

// kubeVIP returns the address in the kube-vip manifest among the files; of says whose files they are.
func kubeVIP(t *testing.T, of string, files []any) string {
	t.Helper()
	content, found := fileContent(t, files, func(path string) bool { return filepath.Base(path) == "kube-vip.yaml" })
	require.True(t, found, "%s: no manifest of kube-vip", of)
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict([]byte(content), &pod))
	require.Len(t, pod.Spec.Containers, 1)
	for _, variable := range pod.Spec.Containers[0].Env {
		if variable.Name == "address" {
			return variable.Value
		}
	}
	require.Fail(t, of+": kube-vip has no address", "%v", pod.Spec.Containers[0].Env)
	return ""
}
