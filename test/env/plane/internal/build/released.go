package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Released returns the file with the manifest that a program of the group is released with. If it is not cached yet,
// kubectl renders it from the kustomization in the module. It is safe to call from several processes at once.
func (b *Builder) Released(ctx context.Context, group Group, name, kubectl string) (string, error) {
	i := slices.IndexFunc(group.Binaries, func(binary Binary) bool { return binary.Name == name })
	if i < 0 || group.Binaries[i].Kustomization == "" {
		return "", fmt.Errorf("group %s has no kustomization for %s", group.Name, name)
	}
	key, err := b.key(ctx, group)
	if err != nil {
		return "", err
	}
	target := filepath.Join(b.cache, group.Name+"-"+key.hash, "released", name+".yaml")
	if exists(target) {
		return target, nil
	}
	module, err := b.moduleDir(ctx, group)
	if err != nil {
		return "", err
	}
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, kubectl, "kustomize",
		filepath.Join(module, filepath.FromSlash(group.Binaries[i].Kustomization)))
	cmd.Stderr = &complaint
	rendered, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("render the manifest of %s: %w\n%s", name, err, complaint.String())
	}
	return target, writeWhole(target, rendered)
}

// writeWhole writes a file so that nobody ever sees half of it.
func writeWhole(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("create a directory in the build cache: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("create a file in the build cache: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s into the build cache: %w", filepath.Base(path), err)
	}
	return nil
}
