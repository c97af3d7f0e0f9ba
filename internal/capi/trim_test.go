package capi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func trimmed[T any](t *testing.T, view *T) *T {
	t.Helper()
	got, err := capi.Trim(view)
	require.NoError(t, err)
	require.Same(t, view, got, "in place")
	once, err := json.Marshal(view)
	require.NoError(t, err)
	_, err = capi.Trim(view)
	require.NoError(t, err)
	twice, err := json.Marshal(view)
	require.NoError(t, err)
	require.Equal(t, string(once), string(twice), "a cache may trim what it has trimmed")
	return view
}

func typesOf(conditions []metav1.Condition) []string {
	var found []string
	for _, condition := range conditions {
		found = append(found, condition.Type)
	}
	return found
}

func TestTrim(t *testing.T) {
	ours := []string{"ControlPlaneVIPReady", "IngressVIPReady", names.TopologyReconciled}
	t.Run("if it is a v1beta2 Cluster, should keep what is ours", func(t *testing.T) {
		got := trimmed(t, decode[capi.Cluster](t, realV1Beta2()))
		assert.Equal(t, ours, typesOf(got.Status.Conditions))
		assert.Nil(t, got.ManagedFields)
		assert.Equal(t, map[string]string{names.WatchFilter: "blue"}, got.Labels)
		assert.Equal(t, map[string]string{
			names.Annotation(names.RoleIngress): "10.0.0.20", names.Annotation("storage"): "10.0.0.30",
			names.TopologyGate: "3:9345", names.Priority: "9",
		}, got.Annotations)
		assert.Equal(t, []string{names.ClusterFinalizer, names.ReleaseFinalizer}, got.Finalizers,
			"their order is part of a patch")
	})
	t.Run("if it is a v1beta1 Cluster, should keep the conditions in status.v1beta2 alone", func(t *testing.T) {
		got := trimmed(t, decode[capi.Cluster](t, realV1Beta1()))
		assert.Equal(t, ours, typesOf(got.Status.V1Beta2.Conditions))
		assert.Nil(t, got.Status.Conditions)
	})
	t.Run("if a variable is large, should keep of an object what may be a host or a port, "+
		"and of anything else nothing", func(t *testing.T) {
		large := strings.Repeat("x", 600)
		var many strings.Builder
		for i := range 20 {
			fmt.Fprintf(&many, `"%s%d":1,`, large, i)
		}
		view := &capi.Cluster{}
		require.NoError(t, json.Unmarshal([]byte(`{"spec":{"topology":{"variables":[
			{"name":"net","value":{"vip":"10.0.0.10","port":6443,"deep":{"host":""},
				"list":["`+large+`"],"text":"`+large+`"}},
			{"name":"text","value":"`+large+`"},
			{"name":"many","value":{`+many.String()+`"vip":"10.0.0.10"}},
			{"name":"small","value":["10.0.0.10"]}]}}}`), view))
		var got []string
		for _, variable := range trimmed(t, view).Spec.Topology.Variables {
			got = append(got, variable.Name+" "+string(variable.Value))
		}
		assert.Equal(t, []string{
			`net {"deep":{"host":""},"list":"something large","port":6443,"text":"something large","vip":"10.0.0.10"}`,
			"text ", "many ", `small ["10.0.0.10"]`,
		}, got)
	})
	t.Run("if it is paused and moved, should keep that", func(t *testing.T) {
		view := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) {
			c.Annotations = map[string]string{names.Paused: "", names.DeleteForMove: "", "a/b": "c"}
		}))
		assert.Equal(t, map[string]string{names.Paused: "", names.DeleteForMove: ""}, trimmed(t, view).Annotations)
	})
	t.Run("if there are no annotations, should leave nil", func(t *testing.T) {
		view := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Annotations = nil }))
		assert.Nil(t, trimmed(t, view).Annotations)
	})
	t.Run("if all annotations are foreign, should leave an empty map", func(t *testing.T) {
		view := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) {
			c.Annotations = map[string]string{"a/b": "c"}
		}))
		assert.NotNil(t, trimmed(t, view).Annotations)
		assert.Empty(t, view.Annotations)
	})
	t.Run("if it is a claim, should keep its labels and owners", func(t *testing.T) {
		got := trimmed(t, &capi.Claim{ObjectMeta: claimMeta()})
		assert.Equal(t, claimMeta().Labels, got.Labels)
		assert.Equal(t, claimMeta().OwnerReferences, got.OwnerReferences)
	})
	t.Run("if it is an address, should drop its owners", func(t *testing.T) {
		got := trimmed(t, &capi.Address{ObjectMeta: claimMeta(), Spec: capi.AddressSpec{Address: "10.0.0.10"}})
		assert.Nil(t, got.OwnerReferences)
		assert.Equal(t, "10.0.0.10", got.Spec.Address)
	})
	t.Run("if it is a pool, should drop what others noted on it", func(t *testing.T) {
		got := trimmed(t, pool(map[string]string{names.Role: "ingress", "a": "b"}, map[string]string{
			names.Priority: "1", "c/d": "e",
		}))
		assert.Equal(t, map[string]string{names.Role: "ingress"}, got.Labels)
		assert.Equal(t, map[string]string{names.Priority: "1"}, got.Annotations)
	})
	t.Run("if it is the tombstone of an object, should leave it", func(t *testing.T) {
		tombstone := cache.DeletedFinalStateUnknown{Key: "tenant/prod"}
		got, err := capi.Trim(tombstone)
		require.NoError(t, err)
		assert.Equal(t, tombstone, got)
	})
	t.Run("if it was trimmed before, should change nothing", func(t *testing.T) {
		view := trimmed(t, decode[capi.Cluster](t, realV1Beta1()))
		assert.Equal(t, view.DeepCopy(), trimmed(t, view))
	})
}

// With ten thousand Clusters, the spare room that decoding leaves took more memory than the data itself.
func TestTrimKeepsNoRoom(t *testing.T) {
	cluster := trimmed(t, decode[capi.Cluster](t, realV1Beta2()))
	assert.Equal(t, len(cluster.Status.Conditions), cap(cluster.Status.Conditions))
	assert.Equal(t, len(cluster.Finalizers), cap(cluster.Finalizers))
	owners := append(make([]metav1.OwnerReference, 0, 8), claimMeta().OwnerReferences...)
	claim := trimmed(t, &capi.Claim{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owners}})
	assert.Equal(t, len(owners), cap(claim.OwnerReferences))
}

func BenchmarkTrim(b *testing.B) {
	text, err := json.Marshal(realV1Beta2())
	require.NoError(b, err)
	clusters := make([]capi.Cluster, b.N)
	for i := range clusters {
		require.NoError(b, json.Unmarshal(text, &clusters[i]))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range clusters {
		_, _ = capi.Trim(&clusters[i]) // it never fails
	}
}
