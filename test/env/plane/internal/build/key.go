package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// key identifies one build of a group: the same key gives the same programs.
type key struct {
	version string
	ldflags string
	hash    string
}

func (b *Builder) key(ctx context.Context, group Group) (key, error) {
	dir := filepath.Join(b.source, group.Name)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return key{}, fmt.Errorf("read the pinned module of group %s (run inside a checkout of the project): %w",
			group.Name, err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return key{}, fmt.Errorf("read the checksums of group %s (go mod tidy writes them): %w", group.Name, err)
	}
	version, err := requiredVersion(string(mod), group.Module)
	if err != nil {
		return key{}, fmt.Errorf("group %s: %w", group.Name, err)
	}
	flags, err := ldflags(group.VersionPackage, version)
	if err != nil {
		return key{}, fmt.Errorf("group %s: %w", group.Name, err)
	}
	goVersion, err := goVersion(ctx, dir)
	if err != nil {
		return key{}, err
	}
	sources, err := ownSources(dir)
	if err != nil {
		return key{}, err
	}
	parts := append([]string{string(mod), string(sum), flags, goVersion, runtime.GOOS, runtime.GOARCH}, sources...)
	return key{version: version, ldflags: flags, hash: digest(parts...)}, nil
}

// ownSources reads the Go files of a nested module; most have none.
func ownSources(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("list the sources in %s: %w", dir, err)
	}
	var sources []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a source: %w", err)
		}
		sources = append(sources, filepath.Base(file), string(source))
	}
	return sources, nil
}

// goVersion asks the go command, not runtime.Version: the command compiles, and another one may have compiled this
// program.
func goVersion(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = dir
	cmd.Env = buildEnv()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask the go command for its version (Go must be on the PATH): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// requiredVersion finds the version at which a go.mod requires a module.
func requiredVersion(mod, module string) (string, error) {
	pattern := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + `\s+(v\S+)`)
	match := pattern.FindStringSubmatch(mod)
	if match == nil {
		return "", fmt.Errorf("go.mod does not require %s", module)
	}
	return match[1], nil
}

// ldflags stamps the version: Cluster API and clusterctl refuse an API server that has none.
func ldflags(versionPackage, version string) (string, error) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("version %q is not of the form vX.Y.Z", version)
	}
	flags := []string{"-s", "-w"}
	for _, pair := range [][2]string{{"gitVersion", version}, {"gitMajor", parts[0]}, {"gitMinor", parts[1]}} {
		flags = append(flags, "-X", versionPackage+"."+pair[0]+"="+pair[1])
	}
	return strings.Join(flags, " "), nil
}

// digest hashes its parts with their lengths, so that no two lists of parts collide.
func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}
