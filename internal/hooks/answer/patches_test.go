package answer_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// requests returns all requests in testdata, by name, as JSON.
func requests(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		request, err := yaml.YAMLToJSONStrict(content)
		require.NoError(t, err, file)
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = request
	}
	return all
}

// TestGeneratePatches compares the answers with testdata/*.golden, which shows the patches readably. Any difference
// in what kube-vip or a template gets matters: with it, upgrading the operator replaces all machines that have it.
func TestGeneratePatches(t *testing.T) {
	handler := answer.Handler(config(newWorld(t).Store))
	for name, request := range requests(t) {
		t.Run(name, func(t *testing.T) {
			response := reply[hooks.GeneratePatchesResponse](t, handler, generatePath, request)
			require.Equal(t, response, reply[hooks.GeneratePatchesResponse](t, handler, generatePath, request),
				"the same request gives the same answer")
			got := readable(t, response)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

func readable(t *testing.T, response *hooks.GeneratePatchesResponse) []byte {
	t.Helper()
	items := []map[string]any{}
	for _, item := range response.Items {
		var patch any
		require.NoError(t, json.Unmarshal(item.Patch, &patch))
		items = append(items, map[string]any{"uid": item.UID, "patchType": item.PatchType, "patch": patch})
	}
	text, err := yaml.Marshal(map[string]any{"status": response.Status, "message": response.Message, "items": items})
	require.NoError(t, err)
	return text
}

// kube-vip's manifest parses strictly as a Pod, and no setting or address can break out of its place.
func TestKubeVIPIsAPod(t *testing.T) {
	handler := answer.Handler(config(newWorld(t).Store))
	for _, name := range []string{"kubeadm", "kubeadm-1.28-ipv6", "rke2"} {
		response := reply[hooks.GeneratePatchesResponse](t, handler, generatePath, requests(t)[name])
		var patch struct {
			Spec struct {
				Template struct {
					Spec struct {
						Files             []map[string]string
						KubeadmConfigSpec struct{ Files []map[string]string }
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal(response.Items[len(response.Items)-1].Patch, &patch))
		spec := patch.Spec.Template.Spec
		files := slices.Concat(spec.Files, spec.KubeadmConfigSpec.Files)
		var pod corev1.Pod
		require.NoError(t, yaml.UnmarshalStrict([]byte(files[len(files)-1]["content"]), &pod))
		require.Equal(t, "kube-vip", pod.Name)
		require.True(t, pod.Spec.HostNetwork)
		require.Len(t, pod.Spec.Containers, 1)
	}
}
