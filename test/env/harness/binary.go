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

// builds remembers what this process has built, with and without the race detector.
var builds struct {
	sync.Mutex
	done map[bool]string
}

// BuildOperator builds the operator of this repository and returns the path of the program. It builds once per
// process; Go's own cache makes the first build quick if nothing has changed.
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
	// A directory of its own: other processes may build from other sources at the same time.
	dir := filepath.Join(cache, "capi-vip-allocator", "operator", fmt.Sprintf("%x", os.Getpid()))
	path := filepath.Join(dir, "capi-vip-allocator")
	if race {
		path += "-race"
	}
	if err := buildOperator(ctx, root, path, race); err != nil {
		return "", err
	}
	if builds.done == nil {
		builds.done = map[bool]string{}
	}
	builds.done[race] = path
	return path, nil
}

func buildOperator(ctx context.Context, root, path string, race bool) error {
	args, cgo := []string{"build", "-o", path}, "CGO_ENABLED=0"
	if race {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	return command(ctx, root, append(os.Environ(), cgo), "go", append(args, "./cmd/capi-vip-allocator")...)
}

// BuildOperatorOf builds the operator from another commit of this repository, with that commit's modules, below an
// existing directory, and returns the path of the program.
func BuildOperatorOf(ctx context.Context, commit, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	archive, sources, path := filepath.Join(dir, "sources.tar"), filepath.Join(dir, "sources"),
		filepath.Join(dir, "capi-vip-allocator")
	if err := command(ctx, root, nil, "git", "archive", "--output="+archive, commit); err != nil {
		return "", fmt.Errorf("get the sources of %s, which a shallow clone does not have: %w", commit, err)
	}
	if err := os.Mkdir(sources, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for the sources of %s: %w", commit, err)
	}
	if err := command(ctx, sources, nil, "tar", "--extract", "--file="+archive); err != nil {
		return "", err
	}
	return path, buildOperator(ctx, sources, path, false)
}

// command runs a program. If it fails, the error contains what it printed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	run := exec.CommandContext(ctx, name, args...)
	run.Dir, run.Env = dir, env
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, output)
	}
	return nil
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

// moduleRoot returns the directory of the module that contains the working directory.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/gorizond/capi-vip-allocator").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("find the sources of the operator: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}
