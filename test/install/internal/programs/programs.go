// Package programs builds the installers, each from its pinned module, and keeps them in the user's cache.
package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// Program is an installer, or a tool that checks what is installed.
type Program string

// The programs; each is the name of a module below test/install/programs.
const (
	Helm        Program = "helm"
	Clusterctl  Program = "clusterctl"
	CAPIOperate Program = "cluster-api-operator"
	Kubeconform Program = "kubeconform"
)

// All lists the programs, smallest first.
func All() []Program { return []Program{Kubeconform, Clusterctl, Helm, CAPIOperate} }

// building allows one build at a time: each uses the whole machine.
var building sync.Mutex

// prebuiltVariable names a directory of programs to use instead of building.
const prebuiltVariable = "INSTALL_PROGRAMS"

// Path builds a program if needed, and returns its path.
func Path(ctx context.Context, program Program) (string, error) {
	if dir := os.Getenv(prebuiltVariable); dir != "" {
		return filepath.Join(dir, string(program)), nil
	}
	building.Lock()
	defer building.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	dir := filepath.Join(helm.Root(), "test", "install", "programs", string(program))
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.ImportPath}}", "tool")
	list.Dir, list.Env = dir, environment()
	main, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the main package of %s: %w", program, err)
	}
	path := filepath.Join(cache, "capi-vip-allocator", "install", string(program))
	// go build leaves an up-to-date program alone.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path,
		string(main[:len(main)-1]))
	build.Dir, build.Env = dir, environment()
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", program, err, output)
	}
	return path, nil
}

func environment() []string { return append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=") }
