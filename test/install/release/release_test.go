// Package release makes a release twice and checks what it consists of.
package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/kubelet"
)

const (
	version = "v1.0.0"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	image   = "capi-vip-allocator_" + version + "_image.tar"
	// maxImage bounds what each node pulls, and maxUnpacked its size there.
	maxImage, maxUnpacked = 40 << 20, 110 << 20
)

var errOutOfTime = errors.New(
	"out of time: once compiled, programs are linked in seconds, so try again, or with a longer -timeout",
)

// releaseTool is the path of the release tool, which is built once for all tests.
var releaseTool string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "release-")
	if err == nil {
		releaseTool = filepath.Join(dir, "release")
		err = buildTool(releaseTool)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: build the release tool:", err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir) // a temporary directory
	os.Exit(code)
}

func buildTool(path string) error {
	build := exec.CommandContext(context.Background(), "go", "build", "-o", path, ".")
	build.Dir = filepath.Join(helm.Root(), "hack", "release")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}

// run runs the release tool and returns what it prints, which also goes to the test's log as it comes: on a machine
// that has compiled nothing for other platforms yet, that takes many minutes. Shortly before the tests run out of
// time, run interrupts the tool, and with it the compiler.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx := t.Context()
	if end, limited := t.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, end.Add(-time.Minute), errOutOfTime)
		defer cancel()
	}
	args = append([]string{"-root", helm.Root(), "-commit", commit, "-date", "2026-01-02T03:04:05+02:00"}, args...)
	var output bytes.Buffer
	command := exec.CommandContext(ctx, releaseTool, args...)
	command.Stdout = io.MultiWriter(&output, t.Output())
	command.Stderr = command.Stdout
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	err := command.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return output.String(), err
}

func TestRelease(t *testing.T) {
	dist, again := t.TempDir(), t.TempDir()
	for _, out := range []string{dist, again} {
		output, err := run(t, "-out", out, "-version", version, "all")
		require.NoError(t, err, output)
	}
	read := func(file string) []byte {
		content, err := os.ReadFile(filepath.Join(dist, file))
		require.NoError(t, err)
		return content
	}

	t.Run("if made twice, should be the same to the last bit", func(t *testing.T) {
		other, err := os.ReadFile(filepath.Join(again, "SHA256SUMS"))
		require.NoError(t, err)
		require.Equal(t, string(read("SHA256SUMS")), string(other))
		require.GreaterOrEqual(t, strings.Count(string(other), "\n"), 6)
		check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
		check.Dir = dist
		output, err := check.CombinedOutput()
		require.NoError(t, err, string(output))
	})
	t.Run("if installers read the manifests, should be what they can use", func(t *testing.T) {
		checkManifests(t, string(read("capi-vip-allocator.yaml")))
	})
	t.Run("if looked for under clusterctl's name, should be the same", func(t *testing.T) {
		require.Equal(t, read("capi-vip-allocator.yaml"), read("addon-components.yaml"))
		require.Contains(t, string(read("metadata.yaml")), "contract: v1beta1")
	})
	t.Run("if the chart is unpacked, should say its version and hold what it needs", func(t *testing.T) {
		checkChart(t, read("capi-vip-allocator-1.0.0.tgz"))
	})
	t.Run("if the image is unpacked, should be small, static and not root", func(t *testing.T) {
		checkImage(t, filepath.Join(dist, image))
	})
	t.Run("if krew installs the plugin, "+
		"should find an archive for each platform with its checksum", func(t *testing.T) {
		checkKrew(t, read("krew-vip.yaml"), read)
	})
	t.Run("if the SBOM is read, should be valid and name what is linked", func(t *testing.T) {
		checkSBOM(t, read("capi-vip-allocator_"+version+".spdx.json"))
	})
}

func checkManifests(t *testing.T, manifests string) {
	t.Helper()
	require.NotContains(t, manifests, "${")
	require.NotContains(t, manifests, "Helm")
	objects, err := helm.Parse(manifests)
	require.NoError(t, err)
	require.Equal(t, "Namespace", objects[0].GetKind())
	namespaces := 0
	for _, object := range objects {
		require.Equal(t, "addon-capi-vip-allocator", object.GetLabels()["cluster.x-k8s.io/provider"])
		require.NotContains(t, object.GetLabels(), "app.kubernetes.io/managed-by")
		if object.GetKind() == "Namespace" {
			namespaces++
		}
		if strings.HasPrefix(object.GetKind(), "Cluster") {
			require.True(t, strings.HasPrefix(object.GetName(), helm.Namespace+"-"))
		}
	}
	require.Equal(t, 1, namespaces)
	require.Contains(t, manifests, "ghcr.io/gorizond/capi-vip-allocator:"+version)
}

func checkChart(t *testing.T, packed []byte) {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	files := map[string]string{}
	for reader := tar.NewReader(unpacked); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		files[strings.TrimPrefix(header.Name, "capi-vip-allocator/")] = string(content)
	}
	require.Contains(t, files["Chart.yaml"], "\nversion: 1.0.0\nappVersion: v1.0.0\n")
	require.Contains(t, files["Chart.yaml"], "\n      image: ghcr.io/gorizond/capi-vip-allocator:v1.0.0\n")
	for _, file := range []string{
		"values.yaml", "values.schema.json", "README.md", "app-readme.md", "questions.yaml",
		"icon.svg", "files/rbac.yaml", "files/alerts.yaml", "files/dashboard.json", "templates/deployment.yaml",
	} {
		require.NotEmpty(t, files[file], file)
	}
}

func checkImage(t *testing.T, archive string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, kubelet.Untar(archive, dir))
	images, err := kubelet.Images(dir)
	require.NoError(t, err)
	require.Len(t, images, 2)
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		require.Contains(t, images, platform)
		config, err := images[platform].ConfigFile()
		require.NoError(t, err)
		require.Equal(t, platform, config.OS+"/"+config.Architecture)
		require.Equal(t, "65532:65532", config.Config.User)
		require.Equal(t, []string{"/capi-vip-allocator"}, config.Config.Entrypoint)
		require.Equal(t, version, config.Config.Labels["org.opencontainers.image.version"])
		layers, err := images[platform].Layers()
		require.NoError(t, err)
		require.Len(t, layers, 1, "from scratch: the programs and the licence")
		size, err := layers[0].Size()
		require.NoError(t, err)
		require.LessOrEqual(t, size, int64(maxImage))
		content, err := layers[0].Uncompressed()
		require.NoError(t, err)
		unpacked, err := io.Copy(io.Discard, content)
		require.NoError(t, err)
		require.LessOrEqual(t, unpacked, int64(maxUnpacked))
		t.Logf("%s: %.1f MB compressed, %.1f MB unpacked", platform, float64(size)/1e6, float64(unpacked)/1e6)
	}
	runImage(t, archive)
}

// runImage runs the programs alone in their file system, as the image's user: they need nothing else.
func runImage(t *testing.T, archive string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system of its own needs root")
	}
	root, err := os.MkdirTemp("", "image-") //nolint:usetesting // the program's user must be able to enter it
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(root)) }()
	require.NoError(t, os.Chmod(root, 0o755))
	config, err := kubelet.Unpack(archive, root)
	require.NoError(t, err)
	run := func(args ...string) string {
		output := &bytes.Buffer{}
		command := &exec.Cmd{
			Path: args[0], Args: args, Env: []string{}, Dir: "/", Stdout: output, Stderr: output,
			SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}},
		}
		require.NoError(t, command.Run(), output.String())
		return output.String()
	}
	built := fmt.Sprintf(" %s (commit %s, built 2026-01-02T01:04:05Z, %s, linux/%s)\n",
		version, commit, runtime.Version(), runtime.GOARCH)
	require.Equal(t, "capi-vip-allocator"+built, run(config.Entrypoint[0], "--version"))
	require.Equal(t, "kubectl-vip"+built, run("/kubectl-vip", "version", "--client"))
}

func checkSBOM(t *testing.T, content []byte) {
	t.Helper()
	document, err := json.Read(bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, "SPDX-2.3", document.SPDXVersion)
	linked := map[string]string{}
	ids := map[string]bool{}
	for _, part := range document.Packages {
		linked[part.PackageName] = part.PackageVersion
		require.False(t, ids[string(part.PackageSPDXIdentifier)], "an identifier stands for two parts")
		ids[string(part.PackageSPDXIdentifier)] = true
	}
	require.Equal(t, version, linked["github.com/gorizond/capi-vip-allocator"])
	require.Contains(t, linked, "github.com/rancher/wrangler/v3", "of the operator")
	require.Contains(t, linked, "github.com/spf13/cobra", "of the plugin")
	require.Equal(t, strings.TrimPrefix(runtime.Version(), "go"), linked["stdlib"])
	require.Len(t, document.Relationships, len(document.Packages))
	require.IsType(t, &v2_3.Document{}, document)
}

func TestRefuses(t *testing.T) {
	tests := map[string]struct{ version, want string }{
		"if the version has no v":          {"1.0.0", "is not a version"},
		"if the version is a word":         {"latest", "is not a version"},
		"if the series is not in metadata": {"v9.9.0", "does not list the series 9.9"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			output, err := run(t, "-out", t.TempDir(), "-version", test.version, "manifests")
			require.Error(t, err)
			require.Contains(t, output, test.want)
		})
	}
}
