package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pluginName is the kubectl plugin that explains what the operator does and would do.
const pluginName = "kubectl-vip"

// windows is the system with different names for programs and archives.
const windows = "windows"

// pluginPlatforms returns the platforms of users' own machines.
func pluginPlatforms() []string {
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}
}

// pluginArchive returns the name of the plugin's archive for a platform.
func (r *release) pluginArchive(platform string) string {
	suffix := ".tar.gz"
	if strings.HasPrefix(platform, windows+"/") {
		suffix = ".zip"
	}
	return fmt.Sprintf("%s_%s_%s%s", pluginName, r.version, strings.ReplaceAll(platform, "/", "_"), suffix)
}

// plugin packs the kubectl plugin for all pluginPlatforms. If the sources have no plugin, neither has the release.
func (r *release) plugin(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(r.root, "cmd", pluginName)); errors.Is(err, fs.ErrNotExist) {
		say("there is no cmd/%s, so the release has none", pluginName)
		return nil
	}
	for _, platform := range pluginPlatforms() {
		if err := r.packPlugin(ctx, platform); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) packPlugin(ctx context.Context, platform string) error {
	program, err := r.build(ctx, pluginName, platform)
	if err != nil {
		return err
	}
	var entries []entry
	for _, path := range []string{filepath.Join(r.root, "LICENSE"), program} {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("pack %s: %w", pluginName, err)
		}
		entries = append(entries, entry{name: filepath.Base(path), content: content, program: path == program})
	}
	if strings.HasPrefix(platform, windows+"/") {
		packed, err := zipped(entries, r.date)
		if err != nil {
			return err
		}
		return r.write(r.pluginArchive(platform), packed)
	}
	packed, err := tarballOf(entries, r.date)
	if err != nil {
		return err
	}
	if packed, err = gzipped(packed); err != nil {
		return err
	}
	return r.write(r.pluginArchive(platform), packed)
}
