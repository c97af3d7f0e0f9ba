package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/template"
)

// homepage is the address of the project and its releases.
const homepage = "https://github.com/gorizond/" + project

//go:embed krew.yaml.tmpl
var krewTemplate string

// archive is the plugin for one platform.
type archive struct{ OS, Arch, File, SHA256, Program string }

// krew writes the plugin's krew manifest, with the checksums of its archives.
func (r *release) krew(context.Context) error {
	var archives []archive
	for _, platform := range pluginPlatforms() {
		file := r.pluginArchive(platform)
		content, err := os.ReadFile(r.path(file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a release without the plugin
		}
		if err != nil {
			return fmt.Errorf("read the archive of the plugin: %w", err)
		}
		system, arch, _ := strings.Cut(platform, "/")
		sum := sha256.Sum256(content)
		entry := archive{OS: system, Arch: arch, File: file, SHA256: hex.EncodeToString(sum[:]), Program: pluginName}
		if system == windows {
			entry.Program += ".exe"
		}
		archives = append(archives, entry)
	}
	manifest, err := template.New("krew").Option("missingkey=error").Parse(krewTemplate)
	if err != nil {
		return fmt.Errorf("read krew's template: %w", err)
	}
	var out bytes.Buffer
	values := map[string]any{"Version": r.version, "Homepage": homepage, "Archives": archives}
	if err := manifest.Execute(&out, values); err != nil {
		return fmt.Errorf("fill krew's template: %w", err)
	}
	return r.write("krew-vip.yaml", out.Bytes())
}
