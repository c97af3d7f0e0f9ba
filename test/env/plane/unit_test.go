package plane

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/build"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/manifest"
)

func TestParseStack(t *testing.T) {
	stack, err := ParseStack("")
	require.NoError(t, err)
	require.Equal(t, StackCurrent, stack)
	for _, known := range Stacks() {
		stack, err = ParseStack(string(known))
		require.NoError(t, err)
		require.Equal(t, known, stack)
	}
	_, err = ParseStack("capi-v0.1")
	require.ErrorContains(t, err, "choose one of capi-v1.14, capi-v1.10")

	t.Setenv(StackVariable, string(StackOldest))
	stack, err = StackFromEnv()
	require.NoError(t, err)
	require.Equal(t, "v1beta1", stack.ClusterVersion())
}

func TestParseKubernetes(t *testing.T) {
	for _, known := range KubernetesVersions() {
		version, err := ParseKubernetes(string(known))
		require.NoError(t, err)
		require.Equal(t, known, version)
	}
	_, err := ParseKubernetes("v1.1")
	require.ErrorContains(t, err, "choose one of [v1.37 ")

	t.Setenv(KubernetesVariable, string(KubernetesV134))
	t.Setenv(assetsVariable, t.TempDir())
	options, err := Options{}.complete()
	require.NoError(t, err)
	require.Equal(t, KubernetesV134, options.Kubernetes)
	require.Empty(t, options.AssetsDir, "prebuilt programs are of a version that nobody knows")
	require.Equal(t, "kubernetes-v1.34", options.Kubernetes.group(build.APIServer).Name)
	require.Equal(t, "kubernetes", options.Kubernetes.group(build.Etcd).Name)

	options, err = Options{Kubernetes: KubernetesCurrent}.complete()
	require.NoError(t, err)
	require.Equal(t, KubernetesCurrent, options.Kubernetes, "the option counts before the environment")
	require.NotEmpty(t, options.AssetsDir)
}

// Every stack and every version of Kubernetes is tested, on both ends with every change.
func TestMatrix(t *testing.T) {
	stacks, versions := map[Stack]bool{}, map[Kubernetes]bool{}
	for i, c := range Matrix() {
		stacks[c.Stack], versions[c.Kubernetes] = true, true
		if i < len(Ends()) {
			require.Equal(t, Combination{Ends()[i], KubernetesCurrent}, c)
		}
	}
	for _, stack := range Stacks() {
		require.True(t, stacks[stack], stack)
	}
	for _, version := range KubernetesVersions() {
		require.True(t, versions[version], version)
	}
}

func TestOptions(t *testing.T) {
	options, err := Options{Without: []Component{CAPI}}.complete()
	require.NoError(t, err)
	require.False(t, options.starts(CAPI))
	require.False(t, options.starts(IPAM), "the IPAM provider cannot run without Cluster API's kinds")
	require.True(t, options.starts(FakeProvider))

	_, err = Options{Stopped: []Component{"nonsense"}}.complete()
	require.ErrorContains(t, err, "unknown component")
	_, err = Options{Without: []Component{Etcd}}.complete()
	require.ErrorContains(t, err, "cannot start without etcd")

	options, err = Options{Providers: []Provider{VSphere}}.complete()
	require.NoError(t, err)
	require.Len(t, options.wanted(), 2, "the provider and the vCenter")
	_, err = Options{Providers: []Provider{Kubeadm}, Stack: StackOldest}.complete()
	require.ErrorContains(t, err, "need capi-v1.14")
	_, err = Options{Providers: []Provider{Kubeadm}, Without: []Component{CAPI}}.complete()
	require.ErrorContains(t, err, "with Cluster API")
	_, err = Options{Providers: []Provider{"nonsense"}}.complete()
	require.ErrorContains(t, err, "unknown provider")

	used := t.TempDir()
	dir, err := Options{Dir: used}.makeDir()
	require.NoError(t, err)
	require.Equal(t, used, dir)
	require.NoError(t, writeTestFile(used))
	_, err = Options{Dir: used}.makeDir()
	require.ErrorContains(t, err, "not empty")
}

func TestParseProviders(t *testing.T) {
	providers, err := ParseProviders(" kubeadm,rke2, ")
	require.NoError(t, err)
	require.Equal(t, []Provider{Kubeadm, RKE2}, providers)
	providers, err = ParseProviders("")
	require.NoError(t, err)
	require.Empty(t, providers)
	_, err = ParseProviders("kubeadm,docker")
	require.ErrorContains(t, err, "choose from [kubeadm vsphere rke2]")
}

func TestUserData(t *testing.T) {
	vm := VirtualMachine{
		Name: "vm", Guest: map[string]string{"guestinfo.userdata": "aGk=", "guestinfo.userdata.encoding": "base64"},
	}
	data, err := vm.UserData()
	require.NoError(t, err)
	require.Equal(t, "hi", data)
	vm.Guest["guestinfo.userdata"] = "?"
	_, err = vm.UserData()
	require.ErrorContains(t, err, "decode")
	vm.Guest["guestinfo.userdata.encoding"] = "gzip"
	_, err = vm.UserData()
	require.ErrorContains(t, err, "encoded as")
	vm.Guest = nil
	_, err = vm.UserData()
	require.ErrorContains(t, err, "has no user data")
}

func TestPrebuiltProgramsAreTaken(t *testing.T) {
	assets := t.TempDir()
	for _, name := range []string{"etcd", "kube-apiserver"} {
		require.NoError(t, os.WriteFile(filepath.Join(assets, name), nil, 0o600))
	}
	for name, test := range map[string]struct {
		assets  string
		missing []string
		said    string
	}{
		"if there is no directory, should build everything and be silent": {
			"", []string{"etcd", "kube-apiserver", "kube-controller-manager"}, "",
		},
		"if there is what envtest has, should build the controller manager and say so": {
			assets, []string{"kube-controller-manager"}, "no kube-controller-manager in KUBEBUILDER_ASSETS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := &binaries{programs: map[Component]string{}, versions: map[Component]string{}}
			require.Equal(t, test.missing, b.takePrebuilt(test.assets, &log))
			require.Len(t, b.programs, 3-len(test.missing))
			if test.said == "" {
				require.Empty(t, log.String())
			}
			require.Contains(t, log.String(), test.said)
		})
	}
}

func TestFeatureGates(t *testing.T) {
	require.Equal(t, "ClusterTopology=true", featureGates(nil))
	require.Equal(t, "ClusterTopology=false,MachinePool=true,RuntimeSDK=true",
		featureGates(map[string]bool{"RuntimeSDK": true, "MachinePool": true, "ClusterTopology": false}))
}

func TestEventually(t *testing.T) {
	calls := 0
	require.NoError(t, Eventually(t.Context(), func(context.Context) error {
		calls++
		if calls < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	require.Equal(t, 3, calls)

	hopeless := errors.New("hopeless")
	require.Equal(t, hopeless, Eventually(t.Context(), func(context.Context) error { return Final(hopeless) }))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := Eventually(ctx, func(context.Context) error { return hopeless })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, hopeless)
}

func TestFakeKinds(t *testing.T) {
	objects, err := manifest.Parse(fakeCRDs)
	require.NoError(t, err)
	require.Len(t, objects, 6)
	for _, object := range objects {
		group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(object.Object, "spec", "names", "plural")
		require.Equal(t, plural+"."+group, object.GetName())
		for _, contract := range []string{"v1beta1", "v1beta2"} {
			require.Equal(t, "v1alpha1", object.GetLabels()["cluster.x-k8s.io/"+contract])
		}
	}
}

func TestFakePatches(t *testing.T) {
	object := func(content map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: content}
	}
	t.Run("if an object is new, should report it ready once", func(t *testing.T) {
		patch := statusPatch(InfraClusterResource(), object(map[string]any{}))
		require.NotNil(t, patch)
		require.Nil(t, statusPatch(InfraClusterResource(), object(patch)))
	})
	t.Run("if a control plane changes its version, should follow", func(t *testing.T) {
		spec := map[string]any{"version": "v1.33.0", "replicas": int64(3)}
		patch := statusPatch(ControlPlaneResource(), object(map[string]any{"spec": spec}))
		reported := object(map[string]any{"spec": spec, "status": patch["status"]})
		require.Nil(t, statusPatch(ControlPlaneResource(), reported))
		spec["version"] = "v1.34.0"
		require.NotNil(t, statusPatch(ControlPlaneResource(), reported))
	})
	t.Run("if an endpoint is to be provided, should provide it unless there is one", func(t *testing.T) {
		spec := map[string]any{"provideEndpoint": map[string]any{"host": "10.0.0.1", "port": int64(6443)}}
		require.Equal(t, map[string]any{"spec": map[string]any{"controlPlaneEndpoint": spec["provideEndpoint"]}},
			endpointPatch(object(map[string]any{"spec": spec})))
		spec["controlPlaneEndpoint"] = map[string]any{"host": "10.0.0.2"}
		require.Nil(t, endpointPatch(object(map[string]any{"spec": spec})))
		require.Nil(t, endpointPatch(object(map[string]any{})))
	})
	t.Run("if a hold is asked for, should add and remove only its own finalizer", func(t *testing.T) {
		held := object(map[string]any{})
		held.SetFinalizers([]string{"other"})
		require.Nil(t, holdPatch(held))
		held.SetAnnotations(map[string]string{HoldAnnotation: "true"})
		metadata, _ := holdPatch(held)["metadata"].(map[string]any)
		require.Equal(t, []string{"other", holdFinalizer}, metadata["finalizers"])

		now := metav1.Now()
		held.SetDeletionTimestamp(&now)
		require.Nil(t, holdPatch(held), "nothing may be added in deletion")
		held.SetFinalizers([]string{"other", holdFinalizer})
		held.SetAnnotations(nil)
		metadata, _ = holdPatch(held)["metadata"].(map[string]any)
		require.Equal(t, []string{"other"}, metadata["finalizers"])
	})
}
