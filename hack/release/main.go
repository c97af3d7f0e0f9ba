// Command release makes the parts of a release: manifests, chart, programs, image, SBOM and checksums. Everything it
// writes depends only on the sources, the version and the commit's date, so that anyone can reproduce and compare it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// project is the name of the project, its image, chart and manifests, and the stem of its namespace.
const project = "capi-vip-allocator"

// release is the state that all steps share.
type release struct {
	// root is the source directory, out the output directory.
	root, out string
	// version is a version such as v1.2.3; commit and date are those of the sources.
	version, commit string
	date            time.Time
	// platforms of the image, such as linux/amd64.
	platforms []string
	// repository of the image, without a tag.
	repository string
	// built has the paths of the compiled programs; made is the image for all platforms. Several steps need them, so
	// they are made once.
	built map[artefact]string
	made  v1.ImageIndex
}

// chartVersion returns the version without its v, as charts need it.
func (r *release) chartVersion() string { return strings.TrimPrefix(r.version, "v") }

// path returns a path in the output directory.
func (r *release) path(parts ...string) string {
	return filepath.Join(append([]string{r.out}, parts...)...)
}

var errUsage = errors.New(
	"usage: release [flags] all|image|chart|manifests|plugin|push|push-manifests|values; see --help",
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	r := &release{built: map[artefact]string{}}
	var date, platforms string
	flags.StringVar(&r.root, "root", "../..", "directory of the sources")
	flags.StringVar(&r.out, "out", "dist", "directory of the results, below the sources unless absolute")
	flags.StringVar(&r.version, "version", "", "version, as in v1.2.3")
	flags.StringVar(&r.commit, "commit", "", "commit of the sources")
	flags.StringVar(&date, "date", "", "date of the commit, RFC 3339")
	flags.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "platforms of the image")
	flags.StringVar(&r.repository, "repository", "ghcr.io/gorizond/"+project, "repository of the image")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage
	}
	root, err := filepath.Abs(r.root)
	if err != nil {
		return fmt.Errorf("find the sources: %w", err)
	}
	r.root, r.platforms = root, strings.Split(platforms, ",")
	if !filepath.IsAbs(r.out) {
		r.out = filepath.Join(root, r.out)
	}
	if flags.Arg(0) == "values" {
		return r.valuesReference()
	}
	if err := r.check(date); err != nil {
		return err
	}
	return r.do(ctx, flags.Arg(0))
}

// check rejects input that would make a release that cannot be installed.
func (r *release) check(date string) error {
	if !versionPattern.MatchString(r.version) {
		return fmt.Errorf("--version=%q is not a version such as v1.2.3 or v1.2.3-rc.1", r.version)
	}
	var err error
	if r.date, err = time.Parse(time.RFC3339, date); err != nil {
		return fmt.Errorf("--date is not a date in RFC 3339: %w", err)
	}
	r.date = r.date.UTC()
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return fmt.Errorf("make the directory of results: %w", err)
	}
	return nil
}

func (r *release) do(ctx context.Context, what string) error {
	steps := map[string][]func(context.Context) error{
		"manifests":      {r.manifests, r.metadata},
		"chart":          {r.chart},
		"image":          {r.image},
		"push":           {r.mayPush, r.image, r.push},
		"push-manifests": {r.pushManifests},
		"plugin":         {r.plugin, r.krew},
		"all":            {r.clean, r.manifests, r.metadata, r.chart, r.image, r.plugin, r.krew, r.sbom, r.sums},
	}
	for _, step := range steps[what] {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if steps[what] == nil {
		return errUsage
	}
	return nil
}

// clean removes the output of earlier runs, so that the checksums cover only this one.
func (r *release) clean(context.Context) error {
	if err := os.RemoveAll(r.out); err != nil {
		return fmt.Errorf("remove the results of an earlier run: %w", err)
	}
	return os.MkdirAll(r.out, 0o755)
}

// say reports progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "release: "+format+"\n", args...) }

// write writes a file to the output directory and reports it.
func (r *release) write(file string, content []byte) error {
	if err := os.WriteFile(r.path(file), content, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	say("%s, %d KiB", file, (len(content)+1023)>>10)
	return nil
}
