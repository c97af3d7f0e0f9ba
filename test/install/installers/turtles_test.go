package installers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

const (
	turtlesNamespace = "capi-vip-allocator-system"
	coreNamespace    = "turtles-core-stand-in"
	operatorGroup    = "operator.cluster.x-k8s.io/v1alpha2"
)

// everyFlag is a manager section that makes the Cluster API operator add every flag it can.
const everyFlag = `
cacheNamespace: turtles-one
maxConcurrentReconciles: 3
verbosity: 4
profilerAddress: 127.0.0.1:16060
syncPeriod: 5m
featureGates: {SomethingNew: true}
controller: {groupKindConcurrency: {Cluster: 5, Machine: 2}}
health: {healthProbeBindAddress: ":9440", livenessEndpointName: livez, readinessEndpointName: readyz}
metrics: {bindAddress: "127.0.0.1:18080", diagnosticsAddress: "127.0.0.1:18443", insecureDiagnostics: true}
webhook: {host: 127.0.0.1, port: 19443, certDir: /tmp/certificates}
leaderElection:
  {leaderElect: true, leaseDuration: 20s, renewDeadline: 15s, retryPeriod: 3s, resourceLock: leases,
   resourceName: turtles-lease, resourceNamespace: capi-vip-allocator-system}
additionalArgs: {--reconcile-period: 20s, --watch-filter: ""}
`

// injected returns the flags that the operator makes of everyFlag.
func injected() []string {
	return []string{
		"--config=/etc/capi-vip-allocator/config.yaml", "--leader-elect=true", "--health-addr=:9440",
		"--diagnostics-address=127.0.0.1:18443",
		"--namespace=turtles-one", "--max-concurrent-reconciles=3", "--v=4", "--profiler-address=127.0.0.1:16060",
		"--sync-period=300s",
		"--feature-gates=SomethingNew=true", "--cluster-concurrency=5", "--machine-concurrency=2",
		"--metrics-bind-addr=127.0.0.1:18080",
		"--insecure-diagnostics=true", "--webhook-host=127.0.0.1", "--webhook-port=19443",
		"--webhook-cert-dir=/tmp/certificates",
		"--leader-elect-lease-duration=20s", "--leader-elect-renew-deadline=15s", "--leader-elect-retry-period=3s",
		"--leader-election-id=capi-vip-allocator-system/turtles-lease", "--reconcile-period=20s", "--watch-filter=",
	}
}

// TestTurtles installs the air-gapped example of Turtles with the Cluster API operator, as Turtles does: Turtles
// turns the CAPIProvider into an AddonProvider with the same spec.
func TestTurtles(t *testing.T) {
	startCAPIOperator(t)
	installStandInCore(t)
	require.NoError(t, suite.world.CreateNamespace(t.Context(), turtlesNamespace))
	createRelease(t, first)
	createRelease(t, second)
	provider := exampleProvider(t, "air-gapped.yaml")
	manager, err := helm.Parse(everyFlag)
	require.NoError(t, err)
	require.NoError(t, unstructured.SetNestedField(provider.Object, manager[0].Object, "spec", "manager"))

	t.Run("if the provider is created, should install it with every flag, and it works", func(t *testing.T) {
		_, err := providers(t).Create(t.Context(), provider, metav1.CreateOptions{})
		require.NoError(t, err)
		waitInstalled(t, first)
		container := deployed(t, turtlesNamespace).Spec.Template.Spec.Containers[0]
		require.ElementsMatch(t, injected(), container.Args)
		require.Equal(t, "registry.example.com/gorizond/capi-vip-allocator:v1.0.0", container.Image)
		require.Equal(t, "/livez", container.LivenessProbe.HTTPGet.Path)
		pod := runPod(t, first, turtlesNamespace)
		works(t, "turtles-one", 71)
		require.Contains(t, left(t, turtlesNamespace), "Lease/turtles-lease")
		endPod(t, pod)
	})
	t.Run("if upgraded, should be the second release, with its roles, "+
		"and as little of the first as can be", func(t *testing.T) {
		patch := fmt.Sprintf(`{"spec":{"version":"%[1]s",
			"fetchConfig":{"selector":{"matchLabels":{"provider.cluster.x-k8s.io/version":"%[1]s"}}},
			"deployment":{"containers":[{"name":"manager",
				"imageUrl":"registry.example.com/gorizond/capi-vip-allocator:%[1]s"}]}}}`, second)
		_, err := providers(t).Patch(t.Context(), "capi-vip-allocator", types.MergePatchType, []byte(patch),
			metav1.PatchOptions{})
		require.NoError(t, err)
		waitInstalled(t, second)
		isUpgraded(t, turtlesNamespace, append(keptByOperator(), "Lease/turtles-lease",
			"ConfigMap/capi-vip-allocator-"+first, "ConfigMap/capi-vip-allocator-"+second)...)
		pod := runPod(t, second, turtlesNamespace)
		o := newTeamAgain(t, "turtles-one")
		o.served("two")
		o.gone("two")
		endPod(t, pod)
	})
	t.Run("if deleted, should leave the Lease and what was there before", func(t *testing.T) {
		deleteProvider(t, "ConfigMap/capi-vip-allocator-"+first, "ConfigMap/capi-vip-allocator-"+second,
			"Lease/turtles-lease", "Namespace/capi-vip-allocator-system")
	})
}

// newTeamAgain returns the team of a namespace that exists already.
func newTeamAgain(t *testing.T, name string) *team {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return &team{World: suite.world, t: t, name: name, ctx: ctx}
}

func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, check))
}

func resource(t *testing.T, plural, namespace string) dynamic.ResourceInterface {
	t.Helper()
	made, err := dynamic.NewForConfig(suite.plane.Config())
	require.NoError(t, err)
	version, err := schema.ParseGroupVersion(operatorGroup)
	require.NoError(t, err)
	return made.Resource(version.WithResource(plural)).Namespace(namespace)
}

func providers(t *testing.T) dynamic.ResourceInterface {
	t.Helper()
	return resource(t, "addonproviders", turtlesNamespace)
}

// startCAPIOperator installs the kinds of the Cluster API operator and runs it as a process.
func startCAPIOperator(t *testing.T) {
	t.Helper()
	program := newInstaller(t, programs.CAPIOperate)
	files, err := filepath.Glob(filepath.Join(operatorKinds(t), "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t, file))
		require.NoError(t, err)
	}
	log, err := os.Create(filepath.Join(suite.dist, "cluster-api-operator.log"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program.path, "--health-addr=127.0.0.1:0", "--diagnostics-address=0",
		"--profiler-address=",
		"--webhook-cert-dir="+servingCertificate(t), "--webhook-port=19543", "--leader-elect=false", "--v=2",
		"--watch-configsecret") // as within Turtles
	command.Env, command.Stdout, command.Stderr = program.env, log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
		_ = log.Close()
		if t.Failed() {
			content := read(t, log.Name())
			t.Logf("the log of the Cluster API operator ends with:\n%s", content[max(0, len(content)-8000):])
		}
	})
}

// operatorKinds returns the directory of the Cluster API operator's CRDs.
func operatorKinds(t *testing.T) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/cluster-api-operator")
	list.Dir = filepath.Join(helm.Root(), "test", "install", "programs", "cluster-api-operator")
	dir, err := list.Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", "bases")
}

// installStandInCore has the operator install a CoreProvider of one ConfigMap, unless another test did. The operator
// installs no other provider before, and Cluster API core itself runs as a process of the plane.
func installStandInCore(t *testing.T) {
	t.Helper()
	cores := resource(t, "coreproviders", coreNamespace)
	if _, err := cores.Get(t.Context(), "cluster-api", metav1.GetOptions{}); err == nil {
		return
	}
	require.NoError(t, suite.world.CreateNamespace(t.Context(), coreNamespace))
	putRelease(t, coreNamespace, "cluster-api", "v1.14.2", coreComponents, coreMetadata)
	core := newProvider("CoreProvider", coreNamespace, "cluster-api", map[string]any{
		"version": "v1.14.2",
		"fetchConfig": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{"provider.cluster.x-k8s.io/name": "cluster-api"}},
		},
	})
	_, err := cores.Create(t.Context(), core, metav1.CreateOptions{})
	require.NoError(t, err)
}

func newProvider(kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": operatorGroup, "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": spec,
	}}
}

// createRelease puts a release into a ConfigMap, as the example describes.
func createRelease(t *testing.T, version string) {
	t.Helper()
	putRelease(t, turtlesNamespace, "capi-vip-allocator", version, read(t, dist(version, "capi-vip-allocator.yaml")),
		read(t, dist(version, "metadata.yaml")))
}

func putRelease(t *testing.T, namespace, name, version, components, metadata string) {
	t.Helper()
	release := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + version, Namespace: namespace, Labels: map[string]string{
			"provider.cluster.x-k8s.io/name": name, "provider.cluster.x-k8s.io/version": version,
		}},
		Data: map[string]string{"components": components, "metadata": metadata},
	}
	_, err := client(t).CoreV1().ConfigMaps(namespace).Create(t.Context(), release, metav1.CreateOptions{})
	require.NoError(t, err)
}

// exampleProvider returns an example as the AddonProvider that Turtles makes of it.
func exampleProvider(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	objects, err := helm.Parse(read(t, filepath.Join(helm.Root(), "examples", "turtles", file)))
	require.NoError(t, err)
	example := objects.Find("CAPIProvider", "capi-vip-allocator")
	require.NotNil(t, example)
	require.Equal(t, turtlesNamespace, example.GetNamespace())
	spec, _, err := unstructured.NestedMap(example.Object, "spec")
	require.NoError(t, err)
	require.Equal(t, "addon", spec["type"])
	delete(spec, "type")
	delete(spec, "name")
	return newProvider("AddonProvider", turtlesNamespace, "capi-vip-allocator", spec)
}

// waitInstalled waits until the provider reports a version as installed and ready.
func waitInstalled(t *testing.T, version string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		provider, err := providers(t).Get(ctx, "capi-vip-allocator", metav1.GetOptions{})
		if err != nil {
			return err
		}
		status, _, _ := unstructured.NestedMap(provider.Object, "status") // it may have none yet
		if status["installedVersion"] != version || !meta.IsStatusConditionTrue(conditionsOf(provider), "Ready") {
			return fmt.Errorf("the provider is not installed yet: %v", status)
		}
		return nil
	})
}

// conditionsOf returns the conditions of a provider; it may have none yet.
func conditionsOf(provider *unstructured.Unstructured) []metav1.Condition {
	var conditions []metav1.Condition
	list, _, _ := unstructured.NestedSlice(provider.Object, "status", "conditions")
	for _, item := range list {
		condition, _ := item.(map[string]any)
		conditions = append(conditions, metav1.Condition{
			Type: fmt.Sprint(condition["type"]), Status: metav1.ConditionStatus(fmt.Sprint(condition["status"])),
			Reason: fmt.Sprint(condition["reason"]), Message: fmt.Sprint(condition["message"]),
		})
	}
	return conditions
}
