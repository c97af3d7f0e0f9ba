package plane_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestPlane walks through the life of claims and Clusters on one plane.
func TestPlane(t *testing.T) {
	h := start(t, plane.Options{})
	h.createClass(t)

	t.Run("if a pool has addresses, should bind a claim to the first", func(t *testing.T) {
		h.apply(t, "first", "claim.yaml")
		require.Equal(t, "10.1.0.10", h.address(t, "first"))
	})
	t.Run("if a pool is invalid, should be rejected by the provider's webhook", func(t *testing.T) {
		_, err := plane.ApplyYAML(t.Context(), h.Config(), `
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: GlobalInClusterIPPool
metadata: {name: invalid}
spec: {addresses: [nonsense], prefix: 24}
`)
		require.ErrorContains(t, err, "denied the request")
	})
	t.Run("if a Cluster is created, should create its topology and report it ready", func(t *testing.T) {
		h.createCluster(t, "one")
		h.provisioned(t, "one")
		require.Len(t, list(t, h.infra()), 1)
		require.Len(t, list(t, h.controlPlanes()), 1)
	})
	t.Run("if a deletion is held, should keep the Cluster until it is released", func(t *testing.T) {
		testHeldDeletion(t, h)
	})
	t.Run("if clients differ, should tell their requests apart in the audit log", func(t *testing.T) {
		testAudit(t, h)
	})
	t.Run("if a client has no roles, should be refused", func(t *testing.T) { testAuthorization(t, h) })
	t.Run("if components are restarted, should go on where they were", func(t *testing.T) { testRestarts(t, h) })
}

func testHeldDeletion(t *testing.T, h *harness) {
	cluster, err := h.clusters().Get(t.Context(), "one", metav1.GetOptions{})
	require.NoError(t, err)
	h.apply(t, string(cluster.GetUID()), "owned-claim.yaml")
	h.address(t, "owned")

	require.NoError(t, h.HoldDeletion(t.Context(), namespace, "one"))
	h.deleteCluster(t, "one")
	eventually(t, func(ctx context.Context) error {
		infra, err := h.infra().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(infra.Items) != 1 || infra.Items[0].GetDeletionTimestamp() == nil {
			return errors.New("the infrastructure is not in deletion")
		}
		return nil
	})
	cluster, err = h.clusters().Get(t.Context(), "one", metav1.GetOptions{})
	require.NoError(t, err)
	require.Contains(t, cluster.GetFinalizers(), "cluster.cluster.x-k8s.io")

	require.NoError(t, h.ReleaseDeletion(t.Context(), namespace, "one"))
	gone(t, h.clusters(), "one")
	require.Empty(t, list(t, h.infra()))
	require.Empty(t, list(t, h.controlPlanes()))
	// The garbage collector deletes what the Cluster owned.
	gone(t, h.ipam("ipaddressclaims"), "owned")
	gone(t, h.ipam("ipaddresses"), "owned")
}

func testAudit(t *testing.T, h *harness) {
	config := h.Config()
	config.UserAgent = "audit-test"
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	claims := client.Resource(schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: h.version, Resource: "ipaddressclaims",
	}).Namespace(namespace)

	mark, err := h.Audit().Mark(t.Context())
	require.NoError(t, err)
	for range 20 {
		_, err := claims.Get(t.Context(), "first", metav1.GetOptions{})
		require.NoError(t, err)
	}
	_, err = claims.Get(t.Context(), "missing", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	for range 3 {
		_, err := claims.Patch(t.Context(), "first", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`),
			metav1.PatchOptions{})
		require.NoError(t, err)
	}
	_, err = claims.Patch(t.Context(), "first", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	watch, err := claims.Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	watch.Stop()

	entries, err := h.Audit().Since(t.Context(), mark)
	require.NoError(t, err)
	ours := entries.ByUserAgent("audit-test")
	require.Equal(t, map[string]int{
		"get ipaddressclaims.ipam.cluster.x-k8s.io":          21,
		"patch ipaddressclaims.ipam.cluster.x-k8s.io":        3,
		"patch ipaddressclaims.ipam.cluster.x-k8s.io/status": 1,
		"watch ipaddressclaims.ipam.cluster.x-k8s.io":        1,
	}, ours.CountBy(plane.Entry.Request))
	require.Len(t, ours.Writes(), 4)
	require.Len(t, ours.ByUser(plane.Admin().User), 26)
	missing := ours.Filter(func(e plane.Entry) bool { return e.Code == http.StatusNotFound })
	require.Len(t, missing, 1)
	require.Equal(t, "missing", missing[0].Name)
	require.Equal(t, namespace, missing[0].Namespace)

	next, err := h.Audit().Mark(t.Context())
	require.NoError(t, err)
	entries, err = h.Audit().Since(t.Context(), next)
	require.NoError(t, err)
	require.Empty(t, entries.ByUserAgent("audit-test"))
}

func testAuthorization(t *testing.T, h *harness) {
	_, err := plane.ApplyYAML(t.Context(), h.Config(), `
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: tests}
`)
	require.NoError(t, err)
	byToken, err := h.ServiceAccountConfig(t.Context(), namespace, "nobody")
	require.NoError(t, err)
	byCertificate, err := h.ConfigFor(plane.ServiceAccountIdentity(namespace, "nobody"))
	require.NoError(t, err)
	clusters := schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: h.version, Resource: "clusters"}
	for range 2 {
		client, err := dynamic.NewForConfig(byToken)
		require.NoError(t, err)
		_, err = client.Resource(clusters).List(t.Context(), metav1.ListOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, "system:serviceaccount:tests:nobody")
		byToken = byCertificate
	}
}

func testRestarts(t *testing.T, h *harness) {
	require.NoError(t, h.PauseComponent(plane.IPAM))
	h.apply(t, "second", "claim.yaml")
	require.NoError(t, h.ResumeComponent(t.Context(), plane.IPAM))
	require.Equal(t, "10.1.0.11", h.address(t, "second"))

	require.NoError(t, h.KillComponent(plane.APIServer))
	_, err := h.clusters().List(t.Context(), metav1.ListOptions{})
	require.Error(t, err)
	require.NoError(t, h.StartComponent(t.Context(), plane.APIServer))
	for _, name := range []plane.Component{
		plane.Etcd, plane.ControllerManager, plane.CAPI, plane.IPAM, plane.FakeProvider,
	} {
		require.NoError(t, h.RestartComponent(t.Context(), name))
	}
	require.ErrorContains(t, h.StartComponent(t.Context(), plane.CAPI), "already running")
	for _, status := range h.Status() {
		require.True(t, status.Running, "%s", status.Name)
	}
	_, err = h.Audit().Mark(t.Context())
	require.NoError(t, err)
	h.createCluster(t, "two")
	h.provisioned(t, "two")
	h.deleteCluster(t, "two")
	gone(t, h.clusters(), "two")
}
