package answer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestBeforeClusterCreate(t *testing.T) {
	serving := func(t *testing.T) []any { return []any{pool(t, "vips", names.RoleControlPlane, false)} }
	asking := func(t *testing.T) []any {
		view := pool(t, "vips", names.RoleControlPlane, false)
		view.Annotations = map[string]string{names.Variables: "network=vlan-7"}
		return []any{view}
	}
	annotation := names.Annotation(names.RoleControlPlane)
	tests := map[string]struct {
		cluster *capi.Cluster
		objects func(*testing.T) []any
		change  func(*answer.Config)
		seconds int32
		message string
	}{
		"if a pool serves the class and the VIP is not there, should hold for a second": {
			cluster: cluster(), objects: serving, seconds: 1,
			message: "claim vip-cp-one waits for an address from GlobalInClusterIPPool/vips",
		},
		"if the Cluster has waited for a while, should hold for a quarter of that": {
			cluster: cluster(aged(12 * time.Second)), objects: serving, seconds: 3, message: "waits for an address",
		},
		"if the Cluster has waited for long, should hold for five seconds": {
			cluster: cluster(aged(time.Hour)), objects: serving, seconds: 5, message: "waits for an address",
		},
		"if the pool is full, should hold for five seconds and say so": {
			cluster: cluster(), objects: func(t *testing.T) []any {
				return []any{pool(t, "vips", names.RoleControlPlane, true)}
			}, seconds: 5,
			message: "GlobalInClusterIPPool/vips",
		},
		"if the clock of the API server is ahead, should hold for a second": {
			cluster: cluster(aged(-time.Minute)), objects: serving, seconds: 1, message: "waits for an address",
		},
		"if the annotation is there, should release": {
			cluster: cluster(annotated(annotation, "10.0.0.10")), objects: serving,
		},
		"if the address is bound and not written, should hold and name it": {
			cluster: cluster(), seconds: 1, message: "10.0.0.10 is allocated",
			objects: func(t *testing.T) []any {
				owner := []metav1.OwnerReference{{
					APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Cluster", Name: "one", UID: "uid-one",
					Controller: new(bool),
				}}
				*owner[0].Controller = true
				meta := metav1.ObjectMeta{
					Namespace: namespace, Name: claimOfCluster, CreationTimestamp: metav1.NewTime(now),
				}
				claim := &capi.Claim{
					ObjectMeta: meta, Spec: capi.ClaimSpec{ClusterName: "one"},
					Status: capi.ClaimStatus{AddressRef: capi.NameReference{Name: claimOfCluster}},
				}
				claim.OwnerReferences = owner
				claim.Labels = map[string]string{names.Role: names.RoleControlPlane}
				claim.Spec.PoolRef = capi.PoolReference{
					APIGroup: capi.IPAMGroup, Kind: "GlobalInClusterIPPool", Name: "vips",
				}
				address := &capi.Address{ObjectMeta: meta, Spec: capi.AddressSpec{
					Address: "10.0.0.10", ClaimRef: capi.NameReference{Name: claimOfCluster},
					PoolRef: claim.Spec.PoolRef,
				}}
				return append(serving(t), claim, address)
			},
		},
		"if the class does nothing with the VIP, should release": {
			cluster: cluster(), objects: func(t *testing.T) []any {
				return append(serving(t), &capi.ClusterClass{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: class},
				})
			},
		},
		"if no pool serves the class, should release": {cluster: cluster()},
		"if a pool asks for values that the Cluster has, should hold": {
			cluster: cluster(variable("network", `"vlan-7"`)), objects: asking, seconds: 1,
			message: "waits for an address",
		},
		"if a pool asks for other values, should release": {
			cluster: cluster(variable("network", `"vlan-8"`)), objects: asking,
		},
		"if the operator does not read the values, should release as it will not serve the Cluster": {
			cluster: cluster(variable("network", `"vlan-7"`),
				variable("site", `{"name":"`+strings.Repeat("x", 100)+`"`+manyFields(2000)+`}`)),
			objects: func(t *testing.T) []any {
				view := pool(t, "vips", names.RoleControlPlane, false)
				view.Annotations = map[string]string{
					names.Variables: "network=vlan-7,site.name=" + strings.Repeat("x", 100),
				}
				return []any{view}
			},
		},
		"if a pool serves another role only, should release": {
			cluster: cluster(), objects: func(t *testing.T) []any {
				return []any{pool(t, "vips", names.RoleIngress, false)}
			},
		},
		"if someone else provides the endpoint, should release": {
			cluster: cluster(func(c *capi.Cluster) {
				c.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: "192.0.2.1", Port: 6443}
			}),
			objects: serving,
		},
		"if the Cluster is paused, should release": {
			cluster: cluster(func(c *capi.Cluster) { c.Spec.Paused = ptr.To(true) }), objects: serving,
		},
		"if the Cluster is being deleted, should release": {
			cluster: cluster(func(c *capi.Cluster) { c.DeletionTimestamp = &metav1.Time{Time: now} }), objects: serving,
		},
		"if the Cluster is another operator's by its filter, should release": {
			cluster: cluster(), objects: serving, change: func(c *answer.Config) { c.Settings.WatchFilter = "other" },
		},
		"if the Cluster is in a namespace that is not watched, should release": {
			cluster: cluster(), objects: serving, change: func(c *answer.Config) { c.Namespace = "other" },
		},
		"if the caches are not filled and the Cluster is new, should hold": {
			cluster: cluster(), change: func(c *answer.Config) { c.Store = config(nil).Store }, seconds: 1,
			message: "has just started",
		},
		"if the caches are not filled and the Cluster is not new, should release": {
			cluster: cluster(aged(time.Minute)), change: func(c *answer.Config) { c.Store = config(nil).Store },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if test.objects != nil {
				w.add(t, test.objects(t)...)
			}
			cfg := config(w.Store)
			if test.change != nil {
				test.change(&cfg)
			}
			response := reply[hooks.BeforeClusterCreateResponse](t, answer.Handler(cfg), createPath,
				map[string]any{"cluster": test.cluster})
			require.Equal(t, hooks.ResponseStatusSuccess, response.Status)
			require.Equal(t, test.seconds, response.RetryAfterSeconds, response.Message)
			require.Contains(t, response.Message, test.message)
			require.Equal(t, test.seconds == 0, response.Message == "")
			require.Equal(t, "BeforeClusterCreateResponse", response.Kind)
			require.Equal(t, hooks.GroupVersion.String(), response.APIVersion)
		})
	}
}

// The Cluster in a request is v1beta1 up to Cluster API 1.12, and v1beta2 since. Fields of one version that do not
// fit the other's types must not matter.
func TestBeforeClusterCreateOfBothVersions(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "one", UID: "uid-one", CreationTimestamp: metav1.NewTime(now)}
	clusters := map[string]any{
		"v1beta1": &corev1beta1.Cluster{
			ObjectMeta: meta,
			Spec:       corev1beta1.ClusterSpec{Topology: &corev1beta1.Topology{Class: class, Version: "v1.33.0"}},
			Status: corev1beta1.ClusterStatus{
				FailureDomains: corev1beta1.FailureDomains{"a": corev1beta1.FailureDomainSpec{ControlPlane: true}},
				Conditions:     corev1beta1.Conditions{{Type: "Ready", Status: "True", Severity: "Info"}},
			},
		},
		"v1beta2": &corev1beta2.Cluster{
			ObjectMeta: meta,
			Spec: corev1beta2.ClusterSpec{
				Topology: corev1beta2.Topology{ClassRef: corev1beta2.ClusterClassRef{Name: class}, Version: "v1.33.0"},
			},
			Status: corev1beta2.ClusterStatus{FailureDomains: []corev1beta2.FailureDomain{{Name: "a"}}},
		},
	}
	for version, object := range clusters {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t).add(t, pool(t, "vips", names.RoleControlPlane, false))
			response := reply[hooks.BeforeClusterCreateResponse](t, answer.Handler(config(w.Store)), createPath,
				map[string]any{"cluster": object, "settings": map[string]string{"x": "y"}})
			require.Equal(t, int32(1), response.RetryAfterSeconds)
		})
	}
}

func TestDiscovery(t *testing.T) {
	response := reply[hooks.DiscoveryResponse](t, answer.Handler(config(nil)), discoveryPath, hooks.DiscoveryRequest{})
	require.Equal(t, hooks.ResponseStatusSuccess, response.Status)
	found := map[string]string{}
	for _, handler := range response.Handlers {
		require.Equal(t, hooks.GroupVersion.String(), handler.RequestHook.APIVersion)
		found[handler.Name] = handler.RequestHook.Hook + " " + string(*handler.FailurePolicy)
	}
	require.Equal(t, map[string]string{
		"before-cluster-create": "BeforeClusterCreate Ignore", "generate-patches": "GeneratePatches Fail",
		"validate-topology": "ValidateTopology Fail",
	}, found)
}

// Benchmarks BeforeClusterCreate in a management cluster with a thousand Clusters.
func BenchmarkBeforeClusterCreate(b *testing.B) {
	w := newWorld(b).add(b, pool(b, "vips", names.RoleControlPlane, false),
		pool(b, "ingress", names.RoleIngress, false))
	for i := range 1000 {
		w.add(b, cluster(func(c *capi.Cluster) {
			c.Name, c.UID = fmt.Sprintf("other-%d", i), types.UID(fmt.Sprintf("uid-%d", i))
			c.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: fmt.Sprintf("10.1.%d.%d", i/250, i%250), Port: 6443}
		}))
	}
	handler := answer.Handler(config(w.Store))
	body, err := json.Marshal(map[string]any{"cluster": cluster()})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		ask(b, handler, createPath, body)
	}
}

// Benchmarks GeneratePatches for a class with kubeadm, kube-vip and names in the certificate.
func BenchmarkGeneratePatches(b *testing.B) {
	handler, body := answer.Handler(config(newWorld(b).Store)), requests(b)["kubeadm"]
	b.ReportAllocs()
	for b.Loop() {
		ask(b, handler, generatePath, body)
	}
}

// variable gives a Cluster a variable.
func variable(name, value string) func(*capi.Cluster) {
	return func(c *capi.Cluster) {
		c.Spec.Topology.Variables = append(c.Spec.Topology.Variables, capi.Variable{
			Name: name, Value: json.RawMessage(value),
		})
	}
}

// manyFields returns n fields of a JSON object, each after a comma.
func manyFields(n int) string {
	var fields strings.Builder
	for i := range n {
		fmt.Fprintf(&fields, `,"field%d":0`, i)
	}
	return fields.String()
}
