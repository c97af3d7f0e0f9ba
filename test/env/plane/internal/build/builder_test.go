package build

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// hello is a group that builds in a moment and needs no network.
func hello(t *testing.T) (source string, group Group) {
	t.Helper()
	source = t.TempDir()
	dir := filepath.Join(source, "hello")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "module"), 0o755))
	// The required module is never imported; it only carries the version of the stamp.
	for name, content := range map[string]string{
		"go.mod": "module example.org/hello\n\ngo 1.24\n\nrequire example.org/module v1.2.3\n\n" +
			"replace example.org/module => ./module\n",
		"go.sum":        "",
		"main.go":       "package main\n\nvar gitVersion string\n\nfunc main() { print(gitVersion) }\n",
		"module/go.mod": "module example.org/module\n\ngo 1.24\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return source, Group{
		Name:           "hello",
		Module:         "example.org/module",
		VersionPackage: "main",
		Binaries:       []Binary{{Name: "hello", Package: "."}},
	}
}

func TestEnsure(t *testing.T) {
	source, group := hello(t)
	cache := t.TempDir()
	var log bytes.Buffer
	builder, err := New(source, cache, &log)
	require.NoError(t, err)

	missing, err := builder.Missing(t.Context(), group, "hello")
	require.NoError(t, err)
	require.Equal(t, []string{"hello"}, missing)
	artifacts, err := builder.Ensure(t.Context(), group, "hello")
	require.NoError(t, err)
	require.Equal(t, "v1.2.3", artifacts.Version)
	missing, err = builder.Missing(t.Context(), group, "hello")
	require.NoError(t, err)
	require.Empty(t, missing)
	require.Contains(t, log.String(), "built hello")
	output, err := exec.CommandContext(t.Context(), artifacts.Binaries["hello"]).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "v1.2.3", string(output))

	log.Reset()
	again, err := builder.Ensure(t.Context(), group, "hello")
	require.NoError(t, err)
	require.Equal(t, artifacts, again)
	require.Empty(t, log.String(), "a second run builds nothing")

	require.NoError(t, os.WriteFile(filepath.Join(source, "hello", "go.sum"), []byte("\n"), 0o600))
	changed, err := builder.Ensure(t.Context(), group, "hello")
	require.NoError(t, err)
	require.NotEqual(t, artifacts.Binaries, changed.Binaries, "other pins, other programs")
}

func TestEnsureOwnSources(t *testing.T) {
	source, group := hello(t)
	builder, err := New(source, t.TempDir(), io.Discard)
	require.NoError(t, err)
	before, err := builder.Ensure(t.Context(), group, "hello")
	require.NoError(t, err)
	main := "package main\n\nvar gitVersion string\n\nfunc main() { print(gitVersion, 1) }\n"
	require.NoError(t, os.WriteFile(filepath.Join(source, "hello", "main.go"), []byte(main), 0o600))
	after, err := builder.Ensure(t.Context(), group, "hello")
	require.NoError(t, err)
	require.NotEqual(t, before.Binaries, after.Binaries, "other sources, other programs")
}

func TestReleased(t *testing.T) {
	source, group := hello(t)
	builder, err := New(source, t.TempDir(), io.Discard)
	require.NoError(t, err)
	_, err = builder.Released(t.Context(), group, "hello", "kubectl")
	require.ErrorContains(t, err, "has no kustomization for hello")
}

func TestEnsureAtOnce(t *testing.T) {
	source, group := hello(t)
	cache := t.TempDir()
	var built [4]bytes.Buffer
	var failures [4]error
	var workers sync.WaitGroup
	for i := range built {
		workers.Go(func() {
			builder, err := New(source, cache, &built[i])
			if err == nil {
				_, err = builder.Ensure(t.Context(), group, "hello")
			}
			failures[i] = err
		})
	}
	workers.Wait()
	builders := 0
	for i := range built {
		require.NoError(t, failures[i])
		builders += bytes.Count(built[i].Bytes(), []byte("built hello"))
	}
	require.Equal(t, 1, builders, "only one builds, the others wait")
}

func TestEnsureFails(t *testing.T) {
	source, group := hello(t)
	var log bytes.Buffer
	builder, err := New(source, t.TempDir(), &log)
	require.NoError(t, err)

	_, err = builder.Ensure(t.Context(), group, "other")
	require.ErrorContains(t, err, "does not offer")

	require.NoError(t, os.WriteFile(filepath.Join(source, "hello", "main.go"),
		[]byte("package main\n\nfunc main() { nonsense }\n"), 0o600))
	_, err = builder.Ensure(t.Context(), group, "hello")
	require.ErrorContains(t, err, "nonsense", "the compiler's words are passed on")
	left, err := filepath.Glob(filepath.Join(builder.cache, "hello-*", "bin", "*"))
	require.NoError(t, err)
	require.Empty(t, left)

	group.Name = "missing"
	_, err = builder.Ensure(t.Context(), group, "hello")
	require.ErrorContains(t, err, "inside a checkout")
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() { t.Error("nobody holds the lock") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = lock(ctx, path, cancel)
	require.ErrorIs(t, err, context.Canceled)

	unlock()
	unlock, err = lock(t.Context(), path, func() { t.Error("the lock was given back") })
	require.NoError(t, err)
	unlock()
}

func TestFindSource(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	_, err := FindSource()
	require.ErrorContains(t, err, "inside a checkout")

	source := filepath.Join(root, filepath.FromSlash(sourcePath))
	deep := filepath.Join(root, "a", "b")
	require.NoError(t, os.MkdirAll(source, 0o755))
	require.NoError(t, os.MkdirAll(deep, 0o755))
	t.Chdir(deep)
	found, err := FindSource()
	require.NoError(t, err)
	require.Equal(t, source, found)
}

func TestGroupsArePinned(t *testing.T) {
	var log bytes.Buffer
	builder, err := New("", t.TempDir(), &log)
	require.NoError(t, err)
	for _, group := range []Group{
		Kubernetes(), OtherKubernetes("kubernetes-v1.36"), OtherKubernetes("kubernetes-v1.34"),
		Kubectl(),
		ClusterAPI("capi-v1.14", "", ""), ClusterAPI("capi-v1.13", "", ""), ClusterAPI("capi-v1.12", "", ""),
		ClusterAPI("capi-v1.10", "", ""),
		InClusterIPAM("ipam-v1.1"), InClusterIPAM("ipam-v1.0"),
		KubeadmProviders(), VSphereProvider(), VCenterSimulator(), RKE2Providers(),
	} {
		key, err := builder.key(t.Context(), group)
		require.NoError(t, err)
		require.NotEmpty(t, key.version)
	}
}
