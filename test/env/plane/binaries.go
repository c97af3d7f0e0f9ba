package plane

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
)

// assetsVariable names the directory of prebuilt Kubernetes programs, as in controller-runtime's envtest.
const assetsVariable = "KUBEBUILDER_ASSETS"

// binaries are the programs and manifests of one stack.
type binaries struct {
	programs map[Component]string
	// versions are for people: what each program was built from.
	versions      map[Component]string
	capiManifests string
	ipamManifests string
	// released are the manifests of real providers.
	released map[Component]string
}

// Build builds what is missing for the given stacks (Ends if none is given), kubectl, and the providers that the
// options ask for, and reports progress to log. Start does the same for its own stack, without kubectl.
func Build(ctx context.Context, options Options, stacks ...Stack) error {
	options, err := options.complete()
	if err != nil {
		return err
	}
	if len(stacks) == 0 {
		stacks = Ends()
	}
	for _, stack := range stacks {
		options.Stack = stack
		if _, err := ensureBinaries(ctx, options); err != nil {
			return err
		}
	}
	_, err = Kubectl(ctx, options)
	return err
}

// Missing returns the names of the programs that Start would build before it starts a plane.
func Missing(ctx context.Context, options Options) ([]string, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	builder, err := build.New("", options.CacheDir, options.Log)
	if err != nil {
		return nil, err
	}
	capi, ipam := options.Stack.sources()
	prebuilt := &binaries{programs: map[Component]string{}, versions: map[Component]string{}}
	released := prebuilt.takePrebuilt(options.AssetsDir, io.Discard)
	return missing(ctx, builder, append(options.Kubernetes.sources(released), capi, ipam))
}

// Kubectl returns the path of kubectl, and builds it if needed. Of the options it uses only those that say where to
// look and where to build.
func Kubectl(ctx context.Context, options Options) (string, error) {
	options, err := options.complete()
	if err != nil {
		return "", err
	}
	if path := filepath.Join(options.AssetsDir, build.CommandLine); options.AssetsDir != "" && isFile(path) {
		return path, nil
	}
	builder, err := build.New("", options.CacheDir, options.Log)
	if err != nil {
		return "", err
	}
	artifacts, err := builder.Ensure(ctx, build.Kubectl(), build.CommandLine)
	if err != nil {
		return "", err
	}
	return artifacts.Binaries[build.CommandLine], nil
}

// source is one group of programs that a plane needs.
type source struct {
	group build.Group
	names []string
	// label is for people, before the version of what is built.
	label     string
	artifacts *build.Artifacts
}

// kubernetes maps the names of programs to their components.
func kubernetes() map[string]Component {
	return map[string]Component{
		build.Etcd:              Etcd,
		build.APIServer:         APIServer,
		build.ControllerManager: ControllerManager,
	}
}

func ensureBinaries(ctx context.Context, options Options) (*binaries, error) {
	builder, err := build.New("", options.CacheDir, options.Log)
	if err != nil {
		return nil, err
	}
	result := &binaries{
		programs: map[Component]string{}, versions: map[Component]string{}, released: map[Component]string{},
	}
	capi, ipam := options.Stack.sources()
	sources := append(options.Kubernetes.sources(result.takePrebuilt(options.AssetsDir, options.Log)), capi, ipam)
	if err := buildAll(ctx, builder, sources); err != nil {
		return nil, err
	}
	components := kubernetes()
	components[build.CAPI], components[build.IPAM] = CAPI, IPAM
	for _, s := range sources {
		for name, path := range s.artifacts.Binaries {
			result.programs[components[name]] = path
			result.versions[components[name]] = s.label + s.artifacts.Version
		}
	}
	result.capiManifests, result.ipamManifests = capi.artifacts.Manifests, ipam.artifacts.Manifests
	if err := result.providers(ctx, builder, options); err != nil {
		return nil, err
	}
	return result, nil
}

// buildAll builds what is missing, two groups at a time: while one links, which takes one core, the other compiles.
func buildAll(ctx context.Context, builder *build.Builder, sources []*source) error {
	names, err := missing(ctx, builder, sources)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		builder.Say("building %s from source, once; this takes some minutes", strings.Join(names, ", "))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, s := range sources {
		group.Go(func() (err error) {
			s.artifacts, err = builder.Ensure(ctx, s.group, s.names...)
			return err
		})
	}
	return group.Wait()
}

// missing returns the names of the programs that are not built yet.
func missing(ctx context.Context, builder *build.Builder, sources []*source) ([]string, error) {
	var all []string
	for _, s := range sources {
		names, err := builder.Missing(ctx, s.group, s.names...)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// takePrebuilt takes the Kubernetes programs in the assets directory, and returns the names of those that are missing
// there.
func (b *binaries) takePrebuilt(assets string, log io.Writer) (missing []string) {
	components := kubernetes()
	for _, name := range slices.Sorted(maps.Keys(components)) {
		path := filepath.Join(assets, name)
		switch {
		case assets != "" && isFile(path):
			_, _ = fmt.Fprintf(log, "plane: using %s of %s\n", name, assetsVariable)
			b.programs[components[name]], b.versions[components[name]] = path, assetsVariable
			continue
		case assets != "":
			_, _ = fmt.Fprintf(log, "plane: no %s in %s: it is built from source\n", name, assetsVariable)
		}
		missing = append(missing, name)
	}
	return missing
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
