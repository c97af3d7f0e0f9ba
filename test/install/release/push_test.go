package release

import (
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
