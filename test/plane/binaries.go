package plane

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gorizond/capi-vip-allocator/test/plane/internal/build"
)

// assetsVariable names the directory of prebuilt Kubernetes programs, as in controller-runtime's envtest.
const assetsVariable = "KUBEBUILDER_ASSETS"

// binaries are the programs and manifests of one stack.
type binaries struct {
	programs map[Component]string
	// versions are for people: what a program was built from.
	versions      map[Component]string
	capiManifests string
	ipamManifests string
	// released are the manifests of real providers.
	released map[Component]string
}

// Build builds what is missing for the given stacks, all of them when none is given, kubectl, and the providers that the
// options ask for, and reports progress to log. Start does the same for its own stack, without kubectl.
func Build(ctx context.Context, options Options, stacks ...Stack) error {
	options, err := options.complete()
	if err != nil {
		return err
	}
	if len(stacks) == 0 {
		stacks = Stacks()
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

// Kubectl returns the path of kubectl, and builds it if that is needed. Of the options those count that say from where and
// to where.
func Kubectl(ctx context.Context, options Options) (string, error) {
	options, err := options.complete()
	if err != nil {
		return "", err
	}
	if path := filepath.Join(options.AssetsDir, build.CommandLine); options.AssetsDir != "" && isFile(path) {
		return path, nil
	}
	builder, err := build.New(options.SourceDir, options.CacheDir, options.Log)
	if err != nil {
		return "", err
	}
	artifacts, err := builder.Ensure(ctx, build.Kubectl(), build.CommandLine)
	if err != nil {
		return "", err
	}
	return artifacts.Binaries[build.CommandLine], nil
}

func ensureBinaries(ctx context.Context, options Options) (*binaries, error) {
	builder, err := build.New(options.SourceDir, options.CacheDir, options.Log)
	if err != nil {
		return nil, err
	}
	result := &binaries{programs: map[Component]string{}, versions: map[Component]string{}, released: map[Component]string{}}
	if err := result.kubernetes(ctx, builder, options.AssetsDir, options.Log); err != nil {
		return nil, err
	}
	capiGroup, ipamGroup := options.Stack.groups()
	capi, err := builder.Ensure(ctx, capiGroup, build.CAPI)
	if err != nil {
		return nil, err
	}
	ipam, err := builder.Ensure(ctx, ipamGroup, build.IPAM)
	if err != nil {
		return nil, err
	}
	result.programs[CAPI], result.versions[CAPI] = capi.Binaries[build.CAPI], "Cluster API "+capi.Version
	result.programs[IPAM], result.versions[IPAM] = ipam.Binaries[build.IPAM], "the IPAM provider "+ipam.Version
	result.capiManifests, result.ipamManifests = capi.Manifests, ipam.Manifests
	if err := result.providers(ctx, builder, options); err != nil {
		return nil, err
	}
	return result, nil
}

// kubernetes takes prebuilt programs where there are some, and builds the rest.
func (b *binaries) kubernetes(ctx context.Context, builder *build.Builder, assets string, log io.Writer) error {
	components := map[string]Component{
		build.Etcd:              Etcd,
		build.APIServer:         APIServer,
		build.ControllerManager: ControllerManager,
	}
	var missing []string
	for name, component := range components {
		path := filepath.Join(assets, name)
		if assets == "" || !isFile(path) {
			missing = append(missing, name)
			continue
		}
		_, _ = fmt.Fprintf(log, "plane: using %s of %s\n", name, assetsVariable)
		b.programs[component], b.versions[component] = path, assetsVariable
	}
	if len(missing) == 0 {
		return nil
	}
	artifacts, err := builder.Ensure(ctx, build.Kubernetes(), missing...)
	if err != nil {
		return err
	}
	for _, name := range missing {
		component := components[name]
		b.programs[component], b.versions[component] = artifacts.Binaries[name], "Kubernetes "+artifacts.Version
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
