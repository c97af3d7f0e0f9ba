package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// sourcePath is where the nested modules are below the root of the project.
const sourcePath = "test/env/plane/binaries"

// FindSource searches for the nested modules upwards from the working directory: a test runs in the directory of its
// package, a command wherever its user is.
func FindSource() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		candidate := filepath.Join(dir, filepath.FromSlash(sourcePath))
		if exists(candidate) {
			return candidate, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s at or above %s: run inside a checkout of the project", sourcePath, start)
		}
	}
}

// copyManifests keeps the CRDs, webhooks and roles of a module beside its programs, so that later
// starts need neither the go command nor the module cache.
func (b *Builder) copyManifests(ctx context.Context, group Group, target string) error {
	module, err := b.moduleDir(ctx, group)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(target), ".manifests-*")
	if err != nil {
		return fmt.Errorf("create a directory in the build cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	root := filepath.Join(module, filepath.FromSlash(group.ManifestRoot))
	for _, dir := range []string{"crd/bases", "crd/patches", "rbac", "webhook"} {
		if err := copyTree(filepath.Join(root, dir), filepath.Join(temp, dir)); err != nil {
			return fmt.Errorf("copy the manifests of %s: %w", group.Module, err)
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("open up the manifests of %s: %w", group.Module, err)
	}
	if err := os.Rename(temp, target); err != nil {
		return fmt.Errorf("move the manifests of %s into the build cache: %w", group.Module, err)
	}
	return nil
}

func (b *Builder) moduleDir(ctx context.Context, group Group) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", group.Module)
	cmd.Dir = filepath.Join(b.source, group.Name)
	cmd.Env = buildEnv()
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr == nil && module.Error != "" {
		err = errors.New(module.Error)
	}
	if err != nil || module.Dir == "" {
		return "", fmt.Errorf("download %s for its manifests: %w", group.Module, err)
	}
	return module.Dir, nil
}

// copyTree copies regular files only, writable for the owner: files of the module cache are read-only.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}
