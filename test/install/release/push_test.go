package release

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// TestPush pushes to a registry in this process, as the release workflow pushes to the real one.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/gorizond/capi-vip-allocator"
	dist := t.TempDir()
	output, err := run(t.Context(), tool(t), "-out", dist, "-version", version, "-repository", repository, "push")
	require.NoError(t, err, output)
	digest, err := os.ReadFile(filepath.Join(dist, "image.digest"))
	require.NoError(t, err)

	reference, err := name.NewDigest(repository + "@" + strings.TrimSpace(string(digest)))
	require.NoError(t, err)
	index, err := remote.Index(reference)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	tag, err := name.NewTag(repository + ":" + version)
	require.NoError(t, err)
	tagged, err := remote.Head(tag)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(digest)), tagged.Digest.String())
}

// TestPushManifests pushes the manifests as an artifact, which holds them under the names that installers look for, and
// is the same whoever makes it.
func TestPushManifests(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/gorizond/capi-vip-allocator"
	program, dist := tool(t), t.TempDir()
	var digests []string
	for range 2 {
		output, err := run(t.Context(), program, "-out", dist, "-version", version, "-repository", repository,
			"push-manifests")
		require.NoError(t, err, output)
		digest, err := os.ReadFile(filepath.Join(dist, "manifests.digest"))
		require.NoError(t, err)
		digests = append(digests, strings.TrimSpace(string(digest)))
	}
	require.Equal(t, digests[0], digests[1])
	output, err := run(t.Context(), program, "-out", dist, "-version", version, "-repository", repository, "manifests")
	require.NoError(t, err, output)

	tag, err := name.NewTag(repository + "-manifests:" + version)
	require.NoError(t, err)
	artifact, err := remote.Image(tag)
	require.NoError(t, err)
	digest, err := artifact.Digest()
	require.NoError(t, err)
	require.Equal(t, digests[0], digest.String())
	manifest, err := artifact.Manifest()
	require.NoError(t, err)
	require.Equal(t, version, manifest.Annotations["org.opencontainers.image.version"])
	files := map[string]string{}
	for _, layer := range manifest.Layers {
		content, err := artifact.LayerByDigest(layer.Digest)
		require.NoError(t, err)
		reader, err := content.Compressed()
		require.NoError(t, err)
		bytes, err := io.ReadAll(reader)
		require.NoError(t, err)
		files[layer.Annotations["org.opencontainers.image.title"]] = string(bytes)
	}
	want := map[string]string{}
	for title, file := range map[string]string{
		"components.yaml": "capi-vip-allocator.yaml", "metadata.yaml": "metadata.yaml",
	} {
		content, err := os.ReadFile(filepath.Join(dist, file))
		require.NoError(t, err)
		want[title] = string(content)
	}
	require.Equal(t, want, files)
}
