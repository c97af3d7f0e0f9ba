package release

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/registry"
)

// TestPush pushes to a password-protected registry in this process, as the release workflow pushes to the real one.
func TestPush(t *testing.T) {
	locked := registry.StartLocked(t)
	locked.Login(t, registry.User, registry.Password)
	repository, dist := locked.Repository(), t.TempDir()
	output, err := run(t, "-out", dist, "-version", version, "-repository", repository, "push")
	require.NoError(t, err, output)
	digest, err := os.ReadFile(filepath.Join(dist, "image.digest"))
	require.NoError(t, err)

	reference, err := name.NewDigest(repository + "@" + strings.TrimSpace(string(digest)))
	require.NoError(t, err)
	index, err := remote.Index(reference, locked.Credentials())
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	tag, err := name.NewTag(repository + ":" + version)
	require.NoError(t, err)
	tagged, err := remote.Head(tag, locked.Credentials())
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(digest)), tagged.Digest.String())
}

// TestPushManifests pushes the manifests as an artifact. It holds them under the names that installers look for, and
// is the same whoever makes it.
func TestPushManifests(t *testing.T) {
	locked := registry.StartLocked(t)
	locked.Login(t, registry.User, registry.Password)
	repository, dist := locked.Repository(), t.TempDir()
	var digests []string
	for range 2 {
		output, err := run(t, "-out", dist, "-version", version, "-repository", repository, "push-manifests")
		require.NoError(t, err, output)
		digest, err := os.ReadFile(filepath.Join(dist, "manifests.digest"))
		require.NoError(t, err)
		digests = append(digests, strings.TrimSpace(string(digest)))
	}
	require.Equal(t, digests[0], digests[1])
	output, err := run(t, "-out", dist, "-version", version, "-repository", repository, "manifests")
	require.NoError(t, err, output)

	tag, err := name.NewTag(repository + "-manifests:" + version)
	require.NoError(t, err)
	artifact, err := remote.Image(tag, locked.Credentials())
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

// TestPushRefused: someone without access learns at once which registry refused and what to do, before anything is
// built.
func TestPushRefused(t *testing.T) {
	locked := registry.StartLocked(t)
	remedy := "run `docker login " + locked.Host + "` as someone who may push there"
	tests := map[string]struct {
		login func(*testing.T)
		want  string
	}{
		"if nobody has logged in, should say that docker login has left nothing": {
			func(t *testing.T) { t.Helper(); registry.Logout(t) }, "wants credentials, and docker login has left none",
		},
		"if the password is wrong, should say that it is not accepted": {
			func(t *testing.T) { t.Helper(); locked.Login(t, registry.User, "hunter2") },
			"does not accept the credentials that docker login has left",
		},
	}
	for name, test := range tests {
		for _, what := range []string{"push", "push-manifests"} {
			t.Run(name+": "+what, func(t *testing.T) {
				test.login(t)
				output, err := run(t, "-out", t.TempDir(), "-version", version, "-repository",
					locked.Repository(), what)
				require.Error(t, err)
				require.Contains(t, output, "the registry "+locked.Host+" "+test.want)
				require.Contains(t, output, remedy)
				require.NotContains(t, output, "hunter2")
				require.NotContains(t, output, "built")
			})
		}
	}
}
