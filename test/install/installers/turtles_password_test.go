package installers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/registry"
)

// The Secrets of the example with a password-protected registry.
const (
	registrySecret = "capi-vip-allocator-registry"
	pullSecret     = "capi-vip-allocator-pull"
)

// TestTurtlesOCIPassword installs the example with a password-protected registry, using the commands in it: first
// with a wrong password, which the provider reports, then with the right one.
func TestTurtlesOCIPassword(t *testing.T) {
	locked := registry.StartLocked(t)
	locked.Login(t, registry.User, registry.Password)
	require.NoError(t,
		runTool(t.Context(), suite.sources[first], first, "-repository", locked.Repository(), "push-manifests"))
	startCAPIOperator(t)
	installStandInCore(t)
	const example = "oci-password.yaml"
	provider := exampleProvider(t, example)
	spec := func(value string, path ...string) {
		require.NoError(t, unstructured.SetNestedField(provider.Object, value, append([]string{"spec"}, path...)...))
	}
	spec("http://"+locked.Repository()+"-manifests", "fetchConfig", "oci")
	spec(turtlesNamespace, "configSecret", "namespace") // which Turtles adds

	t.Run("if the password is wrong, should name the registry and that it is not let in", func(t *testing.T) {
		runCommandsOf(t, example, locked.Host, "hunter2")
		_, err := providers(t).Create(t.Context(), provider, metav1.CreateOptions{})
		require.NoError(t, err)
		eventually(t, func(ctx context.Context) error {
			found, err := providers(t).Get(ctx, "capi-vip-allocator", metav1.GetOptions{})
			if err != nil {
				return err
			}
			condition := meta.FindStatusCondition(conditionsOf(found), "ProviderInstalled")
			if condition == nil || condition.Status != metav1.ConditionFalse ||
				condition.Reason != "ComponentsFetchError" ||
				!strings.Contains(condition.Message, locked.Host) || !strings.Contains(condition.Message, "401") {
				return fmt.Errorf("the provider does not tell of it: %v", condition)
			}
			require.NotContains(t, condition.Message, "hunter2")
			return nil
		})
	})
	t.Run("if it is corrected, should install the release, "+
		"which pulls its image with a password too", func(t *testing.T) {
		for _, secret := range []string{registrySecret, pullSecret} {
			require.NoError(t,
				client(t).CoreV1().Secrets(turtlesNamespace).Delete(t.Context(), secret, metav1.DeleteOptions{}))
		}
		runCommandsOf(t, example, locked.Host, registry.Password)
		waitInstalled(t, first)
		pod := deployed(t, turtlesNamespace).Spec.Template.Spec
		require.Equal(t, []corev1.LocalObjectReference{{Name: pullSecret}}, pod.ImagePullSecrets)
		require.Equal(t, locked.Repository()+":"+first, pod.Containers[0].Image)
		secret, err := client(t).CoreV1().Secrets(turtlesNamespace).Get(t.Context(), pullSecret, metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, corev1.SecretTypeDockerConfigJson, secret.Type)
		require.Contains(t, string(secret.Data[corev1.DockerConfigJsonKey]), locked.Host)
	})
	t.Run("if deleted, should leave the Secrets and the namespace", func(t *testing.T) {
		deleteProvider(t, "Secret/"+registrySecret, "Secret/"+pullSecret, "Namespace/"+turtlesNamespace)
	})
}

// runCommandsOf runs the kubectl commands in the comment of an example, with another registry and password. The
// namespace may exist already.
func runCommandsOf(t *testing.T, example, host, password string) {
	t.Helper()
	var script []string
	for line := range strings.Lines(read(t, filepath.Join(helm.Root(), "examples", "turtles", example))) {
		if command, found := strings.CutPrefix(line, "#   "); found {
			script = append(script, command)
		}
	}
	commands := strings.Join(script, "")
	require.Equal(t, 3, strings.Count(commands, "kubectl "))
	require.Contains(t, commands, "registry.example.com")
	create := "kubectl create namespace " + turtlesNamespace
	require.Contains(t, commands, create)
	commands = strings.ReplaceAll(commands, "registry.example.com", host)
	commands = strings.Replace(commands, create, create+" --dry-run=client -o yaml | kubectl apply -f -", 1)

	path, err := plane.Kubectl(t.Context(), plane.Options{Log: t.Output()})
	require.NoError(t, err)
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	shell.Env = slices.Concat(newInstallerAt(t, path).env, []string{
		"PATH=" + filepath.Dir(path) + ":/usr/bin:/bin",
		"REGISTRY_USER=" + registry.User, "REGISTRY_PASSWORD=" + password,
	})
	output, err := shell.CombinedOutput()
	require.NoError(t, err, string(output))
}
