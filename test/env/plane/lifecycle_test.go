package plane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// helperVariable turns TestHelperPlane into the process that TestOrphans kills. Its value is the plane's directory.
const helperVariable = "PLANE_TEST_HELPER_DIR"

// TestWithoutCAPI starts a plane before Cluster API is installed, next to one of another test.
func TestWithoutCAPI(t *testing.T) {
	h := start(t, plane.Options{Without: []plane.Component{plane.CAPI}, NoAudit: true})
	require.Nil(t, h.Audit())
	_, err := h.clusters().List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsNotFound(err) || meta.IsNoMatchError(err), "%v", err)

	require.NoError(t, h.InstallCAPI(t.Context()))
	require.NoError(t, h.StartComponent(t.Context(), plane.CAPI))
	require.NoError(t, h.StartComponent(t.Context(), plane.IPAM))
	h.createClass(t)
	h.createCluster(t, "late")
	h.provisioned(t, "late")
	h.apply(t, "late", "claim.yaml")
	require.Equal(t, "10.1.0.10", h.address(t, "late"))
}

// TestStop checks that nothing is left of a plane: no process and no directory.
func TestStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	h := start(t, plane.Options{Dir: dir})
	// A stopped or frozen process must not delay this.
	require.NoError(t, h.StopComponent(t.Context(), plane.CAPI))
	require.NoError(t, h.PauseComponent(plane.IPAM))
	pids := pids(h.Status())
	require.Len(t, pids, 4)
	require.NoError(t, h.Stop())
	require.NoError(t, h.Stop(), "a second Stop is fine")
	require.NoDirExists(t, dir)
	for name, pid := range pids {
		require.False(t, alive(pid), "%s is left behind", name)
	}
}

// TestOrphans kills the process that runs a plane, which then has no chance to clean up.
func TestOrphans(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real control plane")
	}
	dir := filepath.Join(t.TempDir(), "plane")
	helper := exec.Command(os.Args[0], "-test.run=^TestHelperPlane$")
	helper.Env = append(os.Environ(), helperVariable+"="+dir)
	require.NoError(t, helper.Start())
	t.Cleanup(func() { _ = helper.Process.Kill() })
	exited := make(chan error, 1)
	go func() { exited <- helper.Wait() }()

	var lines []string
	eventually(t, func(context.Context) error {
		select {
		case err := <-exited:
			return plane.Final(errors.Join(errors.New("the helper ended"), err))
		default:
		}
		data, err := os.ReadFile(dir + ".pids")
		lines = strings.Fields(string(data))
		return err
	})
	require.Len(t, lines, 5)
	require.NoError(t, helper.Process.Kill())
	eventually(t, func(context.Context) error {
		for _, line := range lines {
			var pid int
			if _, err := fmt.Sscan(line, &pid); err != nil {
				return plane.Final(err)
			}
			if alive(pid) {
				return fmt.Errorf("process %d still lives", pid)
			}
		}
		return nil
	})
}

// TestHelperPlane runs a plane until it is killed, for TestOrphans.
func TestHelperPlane(t *testing.T) {
	dir := os.Getenv(helperVariable)
	if dir == "" {
		t.Skip("only a helper of TestOrphans")
	}
	h := start(t, plane.Options{Dir: dir})
	var text strings.Builder
	for _, pid := range pids(h.Status()) {
		_, _ = fmt.Fprintln(&text, pid)
	}
	require.NoError(t, os.WriteFile(dir+".new", []byte(text.String()), 0o600))
	require.NoError(t, os.Rename(dir+".new", dir+".pids"))
	// The timeout is in case nobody kills the helper.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	<-ctx.Done()
}

func pids(all []plane.ComponentStatus) map[plane.Component]int {
	result := map[plane.Component]int{}
	for _, status := range all {
		if status.PID != 0 {
			result[status.Name] = status.PID
		}
	}
	return result
}

// alive does not count a process that has ended and whose parent has not noticed yet.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
