package plane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const namespace = "tests"

// harness is a running plane and what a test needs to inspect it.
type harness struct {
	*plane.Plane
	client  dynamic.Interface
	version string
}

// start starts a plane that ends with the test, and shows the ends of its logs when the test fails.
func start(t *testing.T, options plane.Options) *harness {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real control plane")
	}
	stack, err := plane.StackFromEnv()
	require.NoError(t, err)
	options.Stack = stack
	options.Log = t.Output()
	p, err := plane.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	client, err := dynamic.NewForConfig(p.Config())
	require.NoError(t, err)
	return &harness{Plane: p, client: client, version: stack.ClusterVersion()}
}

// apply applies files of testdata, with ${NAME} and ${VERSION} replaced.
func (h *harness) apply(t *testing.T, name string, files ...string) {
	t.Helper()
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(t, err)
		content := strings.NewReplacer("${NAME}", name, "${VERSION}", h.version).Replace(string(data))
		_, err = plane.ApplyYAML(t.Context(), h.Config(), content)
		require.NoError(t, err)
	}
}

func (h *harness) clusters() dynamic.ResourceInterface {
	return h.client.Resource(schema.GroupVersionResource{
		Group: "cluster.x-k8s.io", Version: h.version, Resource: "clusters",
	}).Namespace(namespace)
}

func (h *harness) ipam(resource string) dynamic.ResourceInterface {
	return h.client.Resource(schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: h.version, Resource: resource,
	}).Namespace(namespace)
}

func (h *harness) infra() dynamic.ResourceInterface {
	return h.client.Resource(plane.InfraClusterResource()).Namespace(namespace)
}

func (h *harness) controlPlanes() dynamic.ResourceInterface {
	return h.client.Resource(plane.ControlPlaneResource()).Namespace(namespace)
}

func (h *harness) createClass(t *testing.T) {
	t.Helper()
	h.apply(t, "", "pool.yaml", "templates.yaml", "class-"+h.version+".yaml")
}

func (h *harness) createCluster(t *testing.T, name string) {
	t.Helper()
	h.apply(t, name, "cluster-"+h.version+".yaml")
}

func (h *harness) deleteCluster(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, h.clusters().Delete(t.Context(), name, metav1.DeleteOptions{}))
}

// address waits until the named claim is bound, and returns the address.
func (h *harness) address(t *testing.T, claim string) string {
	t.Helper()
	var address string
	eventually(t, func(ctx context.Context) error {
		object, err := h.ipam("ipaddressclaims").Get(ctx, claim, metav1.GetOptions{})
		if err != nil {
			return err
		}
		name, _, _ := unstructured.NestedString(object.Object, "status", "addressRef", "name")
		if name == "" {
			return errors.New("the claim is not bound")
		}
		bound, err := h.ipam("ipaddresses").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		address, _, err = unstructured.NestedString(bound.Object, "spec", "address")
		return err
	})
	return address
}

// provisioned waits until the topology exists and the fake providers have reported it ready.
func (h *harness) provisioned(t *testing.T, cluster string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		object, err := h.clusters().Get(ctx, cluster, metav1.GetOptions{})
		if err != nil {
			return err
		}
		fields := [][]string{{"status", "infrastructureReady"}, {"status", "controlPlaneReady"}}
		if h.version != "v1beta1" {
			fields = [][]string{
				{"status", "initialization", "infrastructureProvisioned"},
				{"status", "initialization", "controlPlaneInitialized"},
			}
		}
		for _, field := range fields {
			if done, _, _ := unstructured.NestedBool(object.Object, field...); !done {
				return fmt.Errorf("%s of %s is not true: %v", field, cluster, object.Object["status"])
			}
		}
		return nil
	})
}

// gone waits until the object no longer exists.
func gone(t *testing.T, target dynamic.ResourceInterface, name string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		_, err := target.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("%s still exists", name)
	})
}

func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, plane.Eventually(ctx, check))
}

func list(t *testing.T, target dynamic.ResourceInterface) []unstructured.Unstructured {
	t.Helper()
	all, err := target.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return all.Items
}
