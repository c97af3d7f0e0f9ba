package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// versionPackage holds the variables that are set at link time.
const versionPackage = "github.com/gorizond/capi-vip-allocator/internal/version"

// artefact is a program for a platform such as linux/amd64.
type artefact struct{ program, platform string }

// build compiles a program, unless it has already done so, and returns its path.
func (r *release) build(ctx context.Context, program, platform string) (string, error) {
	key := artefact{program, platform}
	if path, found := r.built[key]; found {
		return path, nil
	}
	path, err := r.compile(ctx, program, platform)
	if err != nil {
		return "", err
	}
	r.built[key] = path
	return path, nil
}

// compile compiles a program, statically and reproducibly, and returns its path.
func (r *release) compile(ctx context.Context, program, platform string) (string, error) {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", fmt.Errorf("platform %q is not as in linux/amd64", platform)
	}
	target := filepath.Join(r.root, "bin", system+"_"+arch, program)
	if system == windows {
		target += ".exe"
	}
	stamp := fmt.Sprintf("-s -w -buildid= -X %[1]s.buildVersion=%[2]s "+
		"-X %[1]s.buildCommit=%[3]s -X %[1]s.buildDate=%[4]s",
		versionPackage, r.version, r.commit, r.date.Format(time.RFC3339))
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", stamp, "-o", target, "./cmd/"+program)
	command.Dir = r.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=", "GOWORK=off",
		"GOAMD64=v1", "GOARM64=v8.0")
	begin := time.Now()
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w\n%s", program, platform, err, output)
	}
	say("built %s for %s in %s", program, platform, time.Since(begin).Round(100*time.Millisecond))
	return target, nil
}
