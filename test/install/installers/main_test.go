// Package installers installs a release with the real installers on a real control plane, runs the result exactly as
// they made it, and checks what is left after they have removed it.
package installers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/kubelet"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

const (
	// patience is how long anything may take, even on a busy machine.
	patience = 2 * time.Minute
)

// suite is shared by all tests. They run one after the other, each after the one before has removed its installation.
var suite struct {
	plane *plane.Plane
	world *harness.World
	dist  string
	// sources says what makes each release.
	sources map[string]source
}

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests run a container in its own file system and need root for that")
		os.Exit(1)
	}
	code := 1
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
	} else {
		code = m.Run()
	}
	if suite.world != nil {
		suite.world.Close()
	}
	if suite.plane != nil {
		if err := suite.plane.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			code = 1
		}
	}
	_ = os.RemoveAll(suite.dist) // a temporary directory
	os.Exit(code)
}

// start starts the plane and makes the releases.
func start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	var err error
	if suite.dist, err = os.MkdirTemp("", "dist-"); err != nil {
		return err
	}
	if err := makeReleases(ctx); err != nil {
		return err
	}
	options := plane.Options{Log: os.Stderr, Args: map[plane.Component][]string{
		// As on OpenShift: only someone who may finalize an object may block its deletion.
		plane.APIServer: {"--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement"},
	}}
	if suite.plane, err = plane.Start(ctx, options); err != nil {
		return err
	}
	go func() { _ = kubelet.ReportAvailable(context.Background(), suite.plane.Config()) }()
	suite.world, err = harness.NewWorld(ctx, suite.plane)
	return err
}

// dist returns the path of a file of a release.
func dist(version, file string) string { return filepath.Join(suite.dist, version, file) }

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// installer is a program with its own home and the plane as its cluster.
type installer struct {
	path string
	env  []string
}

func newInstaller(t *testing.T, program programs.Program) installer {
	t.Helper()
	path, err := programs.Path(t.Context(), program)
	require.NoError(t, err)
	return newInstallerAt(t, path)
}

func newInstallerAt(t *testing.T, path string) installer {
	t.Helper()
	kubeconfig, err := suite.plane.Kubeconfig(plane.Admin())
	require.NoError(t, err)
	home := t.TempDir()
	return installer{path: path, env: []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "KUBECONFIG=" + kubeconfig,
		"PATH=" + os.Getenv("PATH"),
		"CLUSTERCTL_DISABLE_VERSIONCHECK=true",
	}}
}

// run runs the program and returns what it prints; it must succeed.
func (i installer) run(t *testing.T, args ...string) string {
	t.Helper()
	output, err := i.try(t.Context(), args...)
	require.NoError(t, err, "%s %s:\n%s", filepath.Base(i.path), strings.Join(args, " "), output)
	return output
}

func (i installer) try(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, i.path, args...)
	command.Env = i.env
	output, err := command.CombinedOutput()
	return string(output), err
}

// runPod runs the operator's Deployment as an installer left it, and waits until it serves.
func runPod(t *testing.T, version, namespace string) *kubelet.Process {
	t.Helper()
	image := dist(version, "capi-vip-allocator_"+version+"_image.tar")
	process, err := kubelet.Run(t.Context(), suite.plane, image, namespace, "capi-vip-allocator-controller-manager")
	require.NoError(t, err)
	t.Logf("runs as the user of the pod in the file system of the image: %s", process.CommandLine)
	t.Cleanup(func() {
		_, _, _ = process.Stop() // a failed test has not stopped it
		if t.Failed() {
			log := process.Log()
			t.Logf("its log ends with:\n%s", log[max(0, len(log)-4000):])
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, process.WaitReady(ctx))
	require.Contains(t, process.Log(), version, "the version of the program")
	return process
}

// endPod stops the pod as the kubelet does. The pod must end on its own well before it would be killed.
func endPod(t *testing.T, process *kubelet.Process) {
	t.Helper()
	code, took, err := process.Stop()
	require.NoError(t, err)
	require.Zero(t, code, "the exit code; the log:\n%s", process.Log())
	require.Less(t, took, 15*time.Second)
	require.NotContains(t, process.Log(), "forbidden")
}

// left lists what is left of an installation, as Kind/name, among all kinds that the API server lists.
func left(t *testing.T, namespace string) []string {
	t.Helper()
	objects, err := inventory(t.Context(), suite.plane.Config(), namespace)
	require.NoError(t, err)
	slices.Sort(objects)
	return objects
}
