package plane

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReleasedKubernetes: a plane takes what hack/prebuilt-kubernetes.sh fetches from an index of envtest. The script
// leaves out what it cannot get, or what differs from the index, and says so.
func TestReleasedKubernetes(t *testing.T) {
	if testing.Short() {
		t.Skip("serves programs of a real control plane")
	}
	options, err := Options{Log: t.Output()}.complete()
	require.NoError(t, err)
	built, err := ensureBinaries(t.Context(), options)
	require.NoError(t, err)
	archive := envtestArchive(t, built.programs[Etcd], built.programs[APIServer])
	sum := fmt.Sprintf("%x", sha512.Sum512(archive))
	newest := strings.TrimPrefix(string(KubernetesCurrent), "v") + ".9"
	for name, test := range map[string]struct {
		version, sum string
		said         string
	}{
		"if the index has the minor version, should fetch it": {newest, sum, ""},
		"if the archive is another one, should say so and take nothing": {
			newest, strings.Repeat("0", 128), "not what the index says",
		},
		"if the index has other versions only, should say so": {
			"1.9.1", sum, "There are no released programs",
		},
		"if there is no index, should say so": {"", "", "cannot be had"},
	} {
		t.Run(name, func(t *testing.T) {
			directory, said := fetchKubernetes(t, envtestIndex(t, test.version, test.sum, archive))
			assert.Contains(t, said, test.said)
			if test.said != "" {
				assert.Empty(t, directory)
				return
			}
			b := &binaries{programs: map[Component]string{}, versions: map[Component]string{}}
			assert.Equal(t, []string{"kube-controller-manager"}, b.takePrebuilt(directory, io.Discard))
		})
	}
}

// envtestArchive packs programs as envtest's archives do.
func envtestArchive(t *testing.T, programs ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	require.NoError(t, err)
	archive := tar.NewWriter(compressed)
	for _, program := range programs {
		content, err := os.ReadFile(program)
		require.NoError(t, err)
		name := path.Join("controller-tools", "envtest", filepath.Base(program))
		require.NoError(t,
			archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err = archive.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())
	return packed.Bytes()
}

// envtestIndex serves an archive, and an index that lists it at a version, and returns the index's URL. Without a
// version it serves nothing.
func envtestIndex(t *testing.T, version, sum string, archive []byte) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case version == "":
			http.NotFound(w, r)
		case r.URL.Path == "/index.yaml":
			name := fmt.Sprintf("envtest-v%s-%s-%s.tar.gz", version, runtime.GOOS, runtime.GOARCH)
			_, _ = fmt.Fprintf(w, "releases:\n  v%s:\n    %s:\n      hash: %s\n      selfLink: http://%s/%s\n",
				version, name, sum, r.Host, name)
		default:
			_, _ = w.Write(archive)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/index.yaml"
}

// fetchKubernetes runs the script and returns what it prints to stdout and to stderr.
func fetchKubernetes(t *testing.T, index string) (directory, said string) {
	t.Helper()
	data := t.TempDir()
	// The fetched files are read-only, and so are their directories.
	t.Cleanup(func() {
		cmd := exec.CommandContext(context.Background(), "chmod", "-R", "u+w", data)
		assert.NoError(t, cmd.Run())
	})
	script := exec.CommandContext(t.Context(), filepath.Join("..", "..", "..", "hack", "prebuilt-kubernetes.sh"))
	script.Env = append(os.Environ(), "ENVTEST_INDEX="+index, "XDG_DATA_HOME="+data)
	var errOut bytes.Buffer
	script.Stderr = &errOut
	out, err := script.Output()
	require.NoError(t, err, errOut.String())
	return strings.TrimSpace(string(out)), errOut.String()
}
