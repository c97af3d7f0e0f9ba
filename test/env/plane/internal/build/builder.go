// Package build builds the programs of the plane from their pinned Go modules and keeps them in a cache.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// heartbeat is how often a long build reports that it is alive: the Kubernetes programs take minutes.
const heartbeat = 15 * time.Second

// Builder builds groups into a cache. The zero value is not usable, see New.
type Builder struct {
	source string
	cache  string
	log    io.Writer
	// logMu guards log: groups are built concurrently.
	logMu sync.Mutex
}

// Artifacts says where the parts of a group are.
type Artifacts struct {
	// Version of the group's main module, such as v1.37.2.
	Version string
	// Binaries maps the name of each program that was asked for to its path.
	Binaries map[string]string
	// Manifests is the directory with crd, rbac and webhook; empty when the group has none.
	Manifests string
}

// New returns a builder that reads the nested modules below source and reports progress to log. If source is empty,
// New searches for it upwards from the working directory; if cache is empty, it is the user's.
func New(source, cache string, log io.Writer) (*Builder, error) {
	var err error
	if source == "" {
		if source, err = FindSource(); err != nil {
			return nil, err
		}
	}
	if cache == "" {
		if cache, err = DefaultCache(); err != nil {
			return nil, err
		}
	}
	return &Builder{source: source, cache: cache, log: log}, nil
}

// DefaultCache is the directory of built programs in the user's cache directory.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(dir, "capi-vip-allocator", "plane"), nil
}

// Missing returns the named programs that Ensure would build.
func (b *Builder) Missing(ctx context.Context, group Group, names ...string) ([]string, error) {
	key, err := b.key(ctx, group)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		if !exists(filepath.Join(b.dir(group, key), "bin", name)) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

func (b *Builder) dir(group Group, key key) string {
	return filepath.Join(b.cache, group.Name+"-"+key.hash)
}

// Ensure returns the artifacts of the group with at least the named programs, and builds what is missing.
// It is safe to call from several goroutines and processes at once.
func (b *Builder) Ensure(ctx context.Context, group Group, names ...string) (*Artifacts, error) {
	key, err := b.key(ctx, group)
	if err != nil {
		return nil, err
	}
	dir := b.dir(group, key)
	artifacts := &Artifacts{Version: key.version, Binaries: map[string]string{}}
	if group.ManifestRoot != "" {
		artifacts.Manifests = filepath.Join(dir, "manifests")
	}
	for _, name := range names {
		artifacts.Binaries[name] = filepath.Join(dir, "bin", name)
	}
	if artifacts.complete() {
		return artifacts, nil
	}

	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return nil, fmt.Errorf("create the build cache: %w", err)
	}
	unlock, err := lock(ctx, dir+".lock", func() {
		b.Say("waiting for another process that builds %s", group.Name)
	})
	if err != nil {
		return nil, err
	}
	defer unlock()

	for _, binary := range group.Binaries {
		target, wanted := artifacts.Binaries[binary.Name]
		if !wanted || exists(target) {
			continue
		}
		if err := b.build(ctx, group, binary, key, target); err != nil {
			return nil, err
		}
	}
	if artifacts.Manifests != "" && !exists(artifacts.Manifests) {
		if err := b.copyManifests(ctx, group, artifacts.Manifests); err != nil {
			return nil, err
		}
	}
	if !artifacts.complete() {
		return nil, fmt.Errorf("group %s does not offer all of %s", group.Name, strings.Join(names, ", "))
	}
	return artifacts, nil
}

func (a *Artifacts) complete() bool {
	for _, path := range a.Binaries {
		if !exists(path) {
			return false
		}
	}
	return a.Manifests == "" || exists(a.Manifests)
}

// build compiles one program next to its target and renames it, so that nobody sees half a file.
func (b *Builder) build(ctx context.Context, group Group, binary Binary, key key, target string) error {
	temp, err := os.CreateTemp(filepath.Dir(target), "."+binary.Name+"-*")
	if err != nil {
		return fmt.Errorf("create a file in the build cache: %w", err)
	}
	_ = temp.Close()
	defer func() { _ = os.Remove(temp.Name()) }()

	label := fmt.Sprintf("%s of %s %s", binary.Name, group.Module, key.version)
	b.Say("building %s", label)
	begin := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", key.ldflags, "-o", temp.Name(), binary.Package)
	cmd.Dir = filepath.Join(b.source, group.Name)
	cmd.Env = buildEnv()
	output, err := b.withHeartbeat(ctx, label, cmd)
	if err != nil {
		return fmt.Errorf("build %s in %s (run the same go build by hand to look into it): %w\n%s",
			binary.Package, cmd.Dir, err, output)
	}
	if err := os.Chmod(temp.Name(), 0o755); err != nil {
		return fmt.Errorf("make %s executable: %w", binary.Name, err)
	}
	if err := os.Rename(temp.Name(), target); err != nil {
		return fmt.Errorf("move %s into the build cache: %w", binary.Name, err)
	}
	b.Say("built %s in %s", label, time.Since(begin).Round(100*time.Millisecond))
	return nil
}

func (b *Builder) withHeartbeat(ctx context.Context, label string, cmd *exec.Cmd) (string, error) {
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		begin := time.Now()
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				b.Say("still building %s (%s)", label, time.Since(begin).Round(time.Second))
			}
		}
	}()
	output, err := cmd.CombinedOutput()
	close(done)
	<-stopped
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return strings.TrimSpace(string(output)), err
}

// Say reports progress in one line.
func (b *Builder) Say(format string, args ...any) {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	_, _ = fmt.Fprintf(b.log, "plane: "+format+"\n", args...)
}

// buildEnv makes the result depend on the pinned module alone: no workspace, no C compiler, no cross build.
func buildEnv() []string {
	return append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
