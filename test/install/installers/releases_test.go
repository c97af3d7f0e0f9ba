package installers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// The two releases: one from the sources, and the next one, which has other roles and lacks an object.
const (
	first  = "v1.0.0"
	second = "v1.1.0"
)

// series is what a new minor release adds to hack/release/metadata.yaml.
const series = "  - major: 1\n    minor: 1\n    contract: v1beta1\n"

// source is what makes a release: the release tool, and the sources of manifests and chart.
type source struct{ tool, root string }

// makeReleases makes both.
func makeReleases(ctx context.Context) error {
	tool, err := buildTool(ctx, "release", "")
	if err != nil {
		return err
	}
	overlay, err := withSeries()
	if err != nil {
		return err
	}
	next, err := buildTool(ctx, "next-release", "-overlay="+overlay)
	if err != nil {
		return err
	}
	sources, err := nextSources()
	if err != nil {
		return err
	}
	suite.sources = map[string]source{first: {tool, helm.Root()}, second: {next, sources}}
	for version, made := range suite.sources {
		// The image, which is for this machine only, comes from the same sources.
		for part, from := range map[string]source{"manifests": made, "chart": made, "image": {made.tool, helm.Root()}} {
			if err := runTool(ctx, from, version, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildTool builds the release tool.
func buildTool(ctx context.Context, name, flag string) (string, error) {
	tool := filepath.Join(suite.dist, name)
	args := []string{"build", "-o", tool}
	if flag != "" {
		args = append(args, flag)
	}
	build := exec.CommandContext(ctx, "go", append(args, ".")...)
	build.Dir = filepath.Join(helm.Root(), "hack", "release")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the release tool: %w\n%s", err, output)
	}
	return tool, nil
}

// runTool runs the release tool for a version.
func runTool(ctx context.Context, from source, version string, args ...string) error {
	args = append([]string{
		"-root", from.root, "-out", filepath.Join(suite.dist, version), "-version", version, "-commit",
		strings.Repeat("0", 40),
		"-date", "2026-01-02T03:04:05Z", "-platforms", hostPlatform(),
	}, args...)
	if output, err := exec.CommandContext(ctx, from.tool, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("make %s of %s: %w\n%s", args[len(args)-1], version, err, output)
	}
	return nil
}

// withSeries writes an overlay for go build in which metadata.yaml lists the series of the second release.
func withSeries() (string, error) {
	path := filepath.Join(helm.Root(), "hack", "release", "metadata.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	replacement, overlay := filepath.Join(suite.dist, "metadata.yaml"), filepath.Join(suite.dist, "overlay.json")
	if err := os.WriteFile(replacement, append(content, series...), 0o600); err != nil {
		return "", err
	}
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replacement}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, replaced, 0o600)
}

// nextSources copies the sources of manifests and chart and changes them as a later release may: the operator has one
// more permission, a ClusterRole has another name, and the PodDisruptionBudget is gone.
func nextSources() (string, error) {
	root := filepath.Join(suite.dist, "sources")
	for _, dir := range []string{"charts/capi-vip-allocator", "examples/turtles"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join(helm.Root(), dir))); err != nil {
			return "", err
		}
	}
	chart := filepath.Join(root, "charts", "capi-vip-allocator")
	return root, errors.Join(
		os.Remove(filepath.Join(chart, "templates", "poddisruptionbudget.yaml")),
		change(filepath.Join(chart, "templates", "rbac.yaml"), "-metrics-reader", "-scraper"),
		change(filepath.Join(chart, "files", "rbac.yaml"), "\ncluster:\n",
			"\ncluster:\n  - {apiGroups: [\"\"], resources: [namespaces], verbs: [list]}\n"),
	)
}

func change(path, from, to string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.Count(content, []byte(from)) != 1 {
		return fmt.Errorf("%s has not one %q", path, from)
	}
	return os.WriteFile(path, bytes.Replace(content, []byte(from), []byte(to), 1), 0o600)
}

// released returns the objects of a release.
func released(t *testing.T, version string) helm.Objects {
	t.Helper()
	objects, err := helm.Parse(read(t, dist(version, "capi-vip-allocator.yaml")))
	require.NoError(t, err)
	return objects
}

// isUpgraded checks that the second release is installed, with its image and its roles, and that nothing is left of
// the first except for what the installer itself keeps, which includes no CRD.
func isUpgraded(t *testing.T, namespace string, kept ...string) {
	t.Helper()
	want := kept
	for _, object := range released(t, second) {
		want = append(want, object.GetKind()+"/"+object.GetName())
		if rules, found := rulesOf(t, object); found {
			require.Equal(t, rules, installedRules(t, object.GetKind(), namespace, object.GetName()), "%s %s",
				object.GetKind(), object.GetName())
		}
	}
	require.ElementsMatch(t, want, left(t, namespace))
	container := deployed(t, namespace).Spec.Template.Spec.Containers[0]
	require.Contains(t, container.Image, ":"+second)
	require.Equal(t, second, deployed(t, namespace).Labels["app.kubernetes.io/version"])
}

// rulesOf returns the rules of a role of a release.
func rulesOf(t *testing.T, object *unstructured.Unstructured) ([]rbacv1.PolicyRule, bool) {
	t.Helper()
	if object.GetKind() != "ClusterRole" && object.GetKind() != "Role" {
		return nil, false
	}
	role := rbacv1.Role{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role))
	return role.Rules, true
}

func installedRules(t *testing.T, kind, namespace, name string) []rbacv1.PolicyRule {
	t.Helper()
	if kind == "Role" {
		role, err := client(t).RbacV1().Roles(namespace).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return role.Rules
	}
	role, err := client(t).RbacV1().ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return role.Rules
}
