package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// builds remembers what this process has built: with the race detector and without.
var builds struct {
	sync.Mutex
	done map[bool]string
}

// BuildOperator builds the operator of this repository and returns the path of the program. It builds once in a
// process; Go's own cache makes the first build quick where nothing has changed.
func BuildOperator(ctx context.Context, race bool) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	if path := builds.done[race]; path != "" {
		return path, nil
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	// A name of its own: other processes may build from other sources at the same time.
	dir := filepath.Join(cache, "capi-vip-allocator", "operator", fmt.Sprintf("%x", os.Getpid()))
	path := filepath.Join(dir, "capi-vip-allocator")
	args, cgo := []string{"build", "-o", path}, "CGO_ENABLED=0"
	if race {
		path += "-race"
		args, cgo = []string{"build", "-race", "-o", path}, "CGO_ENABLED=1"
	}
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/capi-vip-allocator")...)
	build.Dir = root
	build.Env = append(os.Environ(), cgo)
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the operator: %w\n%s", err, output)
	}
	if builds.done == nil {
		builds.done = map[bool]string{}
	}
	builds.done[race] = path
	return path, nil
}

// CleanBuilds removes what BuildOperator has built.
func CleanBuilds() error {
	builds.Lock()
	defer builds.Unlock()
	var failures []error
	for _, path := range builds.done {
		failures = append(failures, os.RemoveAll(filepath.Dir(path)))
	}
	builds.done = nil
	return errors.Join(failures...)
}

// moduleRoot is the directory of the module that the working directory is in.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/gorizond/capi-vip-allocator").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("find the sources of the operator: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}
