package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// krewManifest is what krew reads from a plugin's manifest (krew.googlecontainertools.github.com/v1alpha2).
type krewManifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string         `json:"version"`
		Homepage         string         `json:"homepage"`
		ShortDescription string         `json:"shortDescription"`
		Description      string         `json:"description"`
		Caveats          string         `json:"caveats"`
		Platforms        []krewPlatform `json:"platforms"`
	} `json:"spec"`
}

type krewPlatform struct {
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
	Bin    string `json:"bin"`
}

// shortest is the maximum length of a short description in krew's guide.
const shortest = 50

func checkKrew(t *testing.T, content []byte, read func(string) []byte) {
	t.Helper()
	var manifest krewManifest
	require.NoError(t, yaml.UnmarshalStrict(content, &manifest), "krew refuses fields that it does not know")
	require.Equal(t, "krew.googlecontainertools.github.com/v1alpha2", manifest.APIVersion)
	require.Equal(t, "Plugin", manifest.Kind)
	require.Equal(t, "vip", manifest.Metadata.Name)
	require.Equal(t, version, manifest.Spec.Version)
	require.LessOrEqual(t, len(manifest.Spec.ShortDescription), shortest)
	var platforms []string
	for _, platform := range manifest.Spec.Platforms {
		labels := platform.Selector.MatchLabels
		platforms = append(platforms, labels["os"]+"/"+labels["arch"])
		file := path.Base(platform.URI)
		require.Equal(t,
			"https://github.com/gorizond/capi-vip-allocator/releases/download/"+version+"/"+file, platform.URI)
		archive := read(file)
		sum := sha256.Sum256(archive)
		require.Equal(t, hex.EncodeToString(sum[:]), platform.SHA256, file)
		programs := unpack(t, file, archive)
		require.Contains(t, programs, "LICENSE", file)
		require.NotEmpty(t, programs[platform.Bin], "%s has no %s", file, platform.Bin)
		if labels["os"] == runtime.GOOS && labels["arch"] == runtime.GOARCH {
			runPlugin(t, programs[platform.Bin])
		}
	}
	require.ElementsMatch(t, []string{
		"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64",
	}, platforms)
}

// unpack returns the files of an archive.
func unpack(t *testing.T, file string, content []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	if strings.HasSuffix(file, ".zip") {
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		for _, entry := range archive.File {
			reader, err := entry.Open()
			require.NoError(t, err)
			files[entry.Name], err = io.ReadAll(reader)
			require.NoError(t, err)
		}
		return files
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	for reader := tar.NewReader(unpacked); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		files[header.Name], err = io.ReadAll(reader)
		require.NoError(t, err)
	}
}

// runPlugin runs the program for this platform, which must know its version.
func runPlugin(t *testing.T, program []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubectl-vip")
	require.NoError(t, os.WriteFile(file, program, 0o700))
	output, err := exec.CommandContext(t.Context(), file, "version", "--client").CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "kubectl-vip "+version+" (commit "+commit)
}
