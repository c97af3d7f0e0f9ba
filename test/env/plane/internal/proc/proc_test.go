package proc

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func shell(t *testing.T, script string) *Process {
	t.Helper()
	launcher := NewLauncher()
	t.Cleanup(launcher.Close)
	process, err := Start(launcher, Spec{
		Name: "shell", Path: "/bin/sh", Args: []string{"-c", script}, LogFile: filepath.Join(t.TempDir(), "log"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, process.Kill()) })
	return process
}

func TestExitError(t *testing.T) {
	process := shell(t, "echo it broke >&2; exit 3")
	<-process.Exited()
	require.False(t, process.Running())
	require.ErrorContains(t, process.ExitError(), "exit status 3")
	require.ErrorContains(t, process.ExitError(), "it broke")
}

func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"if a process obeys, should end it":                      "sleep 60",
		"if a process is deaf, should kill it after the grace":   "trap '' TERM; while :; do sleep 60; done",
		"if a process has children, should end them all at once": "sleep 60 & sleep 60 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			process := shell(t, script)
			require.NoError(t, process.Stop(t.Context(), 100*time.Millisecond))
			require.False(t, process.Running())
			require.NoError(t, process.Stop(t.Context(), time.Second), "a second time is fine")
		})
	}
}

func TestStopPaused(t *testing.T) {
	process := shell(t, "sleep 60")
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	require.NoError(t, process.Stop(t.Context(), time.Minute))
	require.False(t, process.Running())
}

func TestStartFails(t *testing.T) {
	launcher := NewLauncher()
	spec := Spec{
		Name: "nothing", Path: filepath.Join(t.TempDir(), "missing"), LogFile: filepath.Join(t.TempDir(), "log"),
	}
	_, err := Start(launcher, spec)
	require.ErrorIs(t, err, os.ErrNotExist)
	launcher.Close()
	launcher.Close()
	_, err = Start(launcher, spec)
	require.ErrorContains(t, err, "closed")
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.Contains(t, Tail(path, 2), "no log")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.Empty(t, Tail(path, 2))
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 2*tailBytes)+"\na\nb\nc\n"), 0o600))
	require.Equal(t, "b\nc", Tail(path, 2))
}

func TestReserve(t *testing.T) {
	var one, two Ports
	first, err := one.Reserve(50)
	require.NoError(t, err)
	second, err := two.Reserve(50)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, port := range append(first, second...) {
		require.False(t, seen[port], "port %d is reserved twice", port)
		seen[port] = true
	}
	one.Release()
	two.Release()
}
