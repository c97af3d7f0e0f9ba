package capi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ipamv1beta1 "sigs.k8s.io/cluster-api/api/ipam/v1beta1"
	ipamv1beta2 "sigs.k8s.io/cluster-api/api/ipam/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

var (
	born  = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	since = born.Add(time.Minute)
)

// decode returns the view of a real object as it comes over the wire.
func decode[T any](t testing.TB, object any) *T {
	t.Helper()
	data, err := json.Marshal(object)
	require.NoError(t, err)
	view := new(T)
	require.NoError(t, json.Unmarshal(data, view))
	return view
}

func clusterMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "tenant", Name: "prod", UID: "uid-1", ResourceVersion: "42", Generation: 3,
		CreationTimestamp: metav1.NewTime(born),
		Labels:            map[string]string{names.WatchFilter: "blue", "team": "x"},
		Annotations: map[string]string{
			names.Annotation(names.RoleIngress): "10.0.0.20", names.Annotation("storage"): "10.0.0.30",
			names.TopologyGate: "3:9345", names.Priority: "9", "example.com/note": "x",
		},
		Finalizers:    []string{names.ClusterFinalizer, names.ReleaseFinalizer},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
}

func conditions() []metav1.Condition {
	return []metav1.Condition{
		{
			Type: "Available", Status: metav1.ConditionTrue, Reason: "Available",
			LastTransitionTime: metav1.NewTime(since),
		},
		{
			Type: "ControlPlaneVIPReady", Status: metav1.ConditionTrue, Reason: names.ReasonIPAddressAssigned,
			Message: "m", LastTransitionTime: metav1.NewTime(since),
		},
		{
			Type: "IngressVIPReady", Status: metav1.ConditionUnknown, Reason: names.ReasonPoolNotFound,
			LastTransitionTime: metav1.NewTime(since),
		},
		{
			Type: names.TopologyReconciled, Status: metav1.ConditionFalse, Reason: "ReconcileFailed",
			ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(since),
		},
		{
			Type: "KubeVIPReady", Status: metav1.ConditionTrue, Reason: "Elected",
			LastTransitionTime: metav1.NewTime(since),
		},
	}
}

func realV1Beta1() *corev1beta1.Cluster {
	return &corev1beta1.Cluster{
		TypeMeta: metav1.TypeMeta{APIVersion: "cluster.x-k8s.io/v1beta1", Kind: "Cluster"}, ObjectMeta: clusterMeta(),
		Spec: corev1beta1.ClusterSpec{
			ClusterNetwork: &corev1beta1.ClusterNetwork{
				APIServerPort: ptr.To[int32](9345), ServiceDomain: "cluster.local",
				Pods: &corev1beta1.NetworkRanges{CIDRBlocks: []string{"10.244.0.0/16"}},
			},
			ControlPlaneEndpoint: corev1beta1.APIEndpoint{Host: "10.0.0.10", Port: 6443},
			InfrastructureRef:    &corev1.ObjectReference{Kind: "VSphereCluster", Name: "prod"},
			Topology: &corev1beta1.Topology{
				Class: "bare-metal", ClassNamespace: "classes", Version: "v1.33.0",
				Variables: []corev1beta1.ClusterVariable{
					{Name: "vip", Value: apiextensionsv1.JSON{Raw: []byte(`"10.0.0.10"`)}},
				},
			},
		},
		Status: corev1beta1.ClusterStatus{
			Phase: "Provisioned",
			Conditions: corev1beta1.Conditions{{
				Type: "Ready", Status: corev1.ConditionTrue, Severity: "Info",
				LastTransitionTime: metav1.NewTime(since),
			}},
			V1Beta2: &corev1beta1.ClusterV1Beta2Status{Conditions: conditions()},
		},
	}
}

func realV1Beta2() *corev1beta2.Cluster {
	return &corev1beta2.Cluster{
		TypeMeta: metav1.TypeMeta{APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Cluster"}, ObjectMeta: clusterMeta(),
		Spec: corev1beta2.ClusterSpec{
			Paused:               ptr.To(false),
			ClusterNetwork:       corev1beta2.ClusterNetwork{APIServerPort: 9345, ServiceDomain: "cluster.local"},
			ControlPlaneEndpoint: corev1beta2.APIEndpoint{Host: "10.0.0.10", Port: 6443},
			InfrastructureRef:    corev1beta2.ContractVersionedObjectReference{Kind: "VSphereCluster", Name: "prod"},
			Topology: corev1beta2.Topology{
				ClassRef: corev1beta2.ClusterClassRef{Name: "bare-metal", Namespace: "classes"}, Version: "v1.33.0",
				Variables: []corev1beta2.ClusterVariable{
					{Name: "vip", Value: apiextensionsv1.JSON{Raw: []byte(`"10.0.0.10"`)}},
				},
			},
		},
		Status: corev1beta2.ClusterStatus{
			Phase: "Provisioned", Conditions: conditions(),
			Deprecated: &corev1beta2.ClusterDeprecatedStatus{V1Beta1: &corev1beta2.ClusterV1Beta1DeprecatedStatus{
				Conditions: corev1beta2.Conditions{{Type: "Ready", Status: corev1.ConditionTrue}},
			}},
		},
	}
}

func fullSnapshot() vip.Cluster {
	return vip.Cluster{
		Namespace: "tenant", Name: "prod", UID: "uid-1", Created: born,
		Class:      vip.Class{Namespace: "classes", Name: "bare-metal"},
		Generation: 3,
		Endpoint:   vip.Endpoint{Host: "10.0.0.10", Port: 6443},
		Port:       9345,
		Gate:       vip.Gate{Generation: 3, Port: 9345},
		Topology:   vip.Topology{Observed: 2, Reason: "ReconcileFailed"},
		Variables:  map[string][]byte{"vip": []byte(`"10.0.0.10"`)},
		VIPs:       map[string]string{"ingress": "10.0.0.20", "storage": "10.0.0.30"},
		Conditions: []vip.Condition{
			{
				Type: "ControlPlaneVIPReady", True: true, Reason: names.ReasonIPAddressAssigned,
				Message: "m", Since: since,
			},
			{Type: "IngressVIPReady", Reason: names.ReasonPoolNotFound, Since: since},
		},
		WatchFilter: "blue", InUse: true, HasFinalizer: true,
	}
}

func utc(c vip.Cluster) vip.Cluster {
	c.Created = c.Created.UTC()
	for i := range c.Conditions {
		c.Conditions[i].Since = c.Conditions[i].Since.UTC()
	}
	return c
}

func TestClusterSnapshot(t *testing.T) {
	deleted := metav1.NewTime(since)
	tests := map[string]struct {
		object any
		want   func(*vip.Cluster)
	}{
		"if a v1beta1 Cluster is full, should read all of it": {object: realV1Beta1(), want: func(*vip.Cluster) {}},
		"if a v1beta2 Cluster is full, should read all of it": {object: realV1Beta2(), want: func(*vip.Cluster) {}},
		"if a v1beta1 class has no namespace, should take the Cluster's": {
			object: with(realV1Beta1(), func(c *corev1beta1.Cluster) { c.Spec.Topology.ClassNamespace = "" }),
			want:   func(c *vip.Cluster) { c.Class.Namespace = "tenant" },
		},
		"if a v1beta2 class has no namespace, should take the Cluster's": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Spec.Topology.ClassRef.Namespace = "" }),
			want:   func(c *vip.Cluster) { c.Class.Namespace = "tenant" },
		},
		"if a v1beta1 Cluster has no topology, should have no class": {
			object: with(realV1Beta1(), func(c *corev1beta1.Cluster) { c.Spec.Topology = nil }),
			want:   func(c *vip.Cluster) { c.Class, c.Variables = vip.Class{Namespace: "tenant"}, nil },
		},
		"if a v1beta2 Cluster has no topology, should have no class": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Spec.Topology = corev1beta2.Topology{} }),
			want:   func(c *vip.Cluster) { c.Class, c.Variables = vip.Class{Namespace: "tenant"}, nil },
		},
		"if a v1beta1 Cluster has only conditions of the older form, should have none of ours": {
			object: with(realV1Beta1(), func(c *corev1beta1.Cluster) { c.Status.V1Beta2 = nil }),
			want:   func(c *vip.Cluster) { c.Conditions, c.Topology = nil, vip.Topology{} },
		},
		"if a v1beta1 Cluster is paused, should say so": {
			object: with(realV1Beta1(), func(c *corev1beta1.Cluster) { c.Spec.Paused = true }),
			want:   func(c *vip.Cluster) { c.Paused = true },
		},
		"if a v1beta2 Cluster is paused, should say so": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Spec.Paused = ptr.To(true) }),
			want:   func(c *vip.Cluster) { c.Paused = true },
		},
		"if the annotation is there, whatever its value, should be paused": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Annotations[names.Paused] = "" }),
			want:   func(c *vip.Cluster) { c.Paused = true },
		},
		"if clusterctl moved the Cluster, should say so": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Annotations[names.DeleteForMove] = "" }),
			want:   func(c *vip.Cluster) { c.Moving = true },
		},
		"if deletion is requested, should say so": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.DeletionTimestamp = &deleted }),
			want:   func(c *vip.Cluster) { c.Deleting = true },
		},
		"if the finalizers are others, should be neither in use nor held": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Finalizers = []string{"example.com/x"} }),
			want:   func(c *vip.Cluster) { c.InUse, c.HasFinalizer, c.Lingers = false, false, true },
		},
		"if there are no annotations, should carry no VIPs": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Annotations = nil }),
			want:   func(c *vip.Cluster) { c.VIPs, c.Gate = nil, vip.Gate{} },
		},
		"if a port alone is preset, should see it": {
			object: with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Spec.ControlPlaneEndpoint.Host = "" }),
			want:   func(c *vip.Cluster) { c.Endpoint = vip.Endpoint{Port: 6443} },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := fullSnapshot()
			tt.want(&want)
			view := decode[capi.Cluster](t, tt.object)
			assert.Equal(t, want, utc(view.Snapshot()))
			_, err := capi.Trim(view)
			require.NoError(t, err)
			assert.Equal(t, want, utc(view.Snapshot()), "what Trim drops is never read")
		})
	}
}

// with changes an object and returns it.
func with[T any](object *T, change func(*T)) *T {
	change(object)
	return object
}

func claimMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "tenant", Name: "vip-ingress-prod", UID: "uid-2", ResourceVersion: "7",
		CreationTimestamp: metav1.NewTime(born),
		Labels:            map[string]string{names.Role: "ingress", names.ClusterName: "prod"},
		Finalizers:        []string{"ipam.cluster.x-k8s.io/ReleaseAddress"},
		OwnerReferences: []metav1.OwnerReference{
			{Kind: "Other", Name: "o", UID: "uid-o"},
			{
				APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Cluster", Name: "prod", UID: "uid-1",
				Controller: ptr.To(true),
			},
		},
	}
}

func TestClaimSnapshot(t *testing.T) {
	group := ptr.To("ipam.cluster.x-k8s.io")
	older := &ipamv1beta1.IPAddressClaim{
		ObjectMeta: claimMeta(),
		Spec: ipamv1beta1.IPAddressClaimSpec{ClusterName: "prod", PoolRef: corev1.TypedLocalObjectReference{
			APIGroup: group, Kind: "GlobalInClusterIPPool", Name: "web",
		}},
		Status: ipamv1beta1.IPAddressClaimStatus{AddressRef: corev1.LocalObjectReference{Name: "vip-ingress-prod"}},
	}
	newer := &ipamv1beta2.IPAddressClaim{
		ObjectMeta: claimMeta(),
		Spec: ipamv1beta2.IPAddressClaimSpec{ClusterName: "prod", PoolRef: ipamv1beta2.IPPoolReference{
			APIGroup: *group, Kind: "GlobalInClusterIPPool", Name: "web",
		}},
		Status: ipamv1beta2.IPAddressClaimStatus{
			AddressRef: ipamv1beta2.IPAddressReference{Name: "vip-ingress-prod"},
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue}},
		},
	}
	want := vip.Claim{
		Namespace: "tenant", Name: "vip-ingress-prod", UID: "uid-2", ResourceVersion: "7", Created: born,
		Role:    "ingress",
		Pool:    vip.PoolRef{Group: *group, Kind: "GlobalInClusterIPPool", Name: "web"},
		Owner:   &vip.Owner{Kind: "Cluster", Name: "prod", UID: "uid-1", Version: "cluster.x-k8s.io/v1beta2"},
		Address: "vip-ingress-prod",
	}
	for version, object := range map[string]any{"v1beta1": older, "v1beta2": newer} {
		t.Run(version, func(t *testing.T) {
			view := decode[capi.Claim](t, object)
			for _, state := range []string{"as it came", "trimmed"} {
				got := view.Snapshot()
				got.Created = got.Created.UTC()
				assert.Equal(t, want, got, state)
				assert.Equal(t, types.UID("uid-1"), view.OwnerUID(), state)
				_, err := capi.Trim(view)
				require.NoError(t, err)
			}
		})
	}
	t.Run("if nothing is there yet, should say nothing", func(t *testing.T) {
		view := decode[capi.Claim](t, &ipamv1beta2.IPAddressClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "x"},
		})
		got := view.Snapshot()
		assert.Equal(t, vip.Claim{Namespace: "tenant", Name: "x"}, got)
		assert.Empty(t, view.OwnerUID())
	})
	t.Run("if no owner controls, should take the first", func(t *testing.T) {
		view := decode[capi.Claim](t, with(newer, func(c *ipamv1beta2.IPAddressClaim) {
			c.OwnerReferences[1].Controller = nil
		}))
		assert.Equal(t, types.UID("uid-o"), view.OwnerUID())
	})
	t.Run("if it is in deletion, should say since when", func(t *testing.T) {
		deleted := metav1.NewTime(since)
		got := decode[capi.Claim](t,
			with(newer, func(c *ipamv1beta2.IPAddressClaim) { c.DeletionTimestamp = &deleted })).Snapshot()
		assert.True(t, got.Deleting)
		assert.Equal(t, since, got.DeletedAt.UTC())
	})
}

func TestClaimCluster(t *testing.T) {
	claim := func(change func(*capi.Claim)) *capi.Claim {
		return with(&capi.Claim{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant"}}, change)
	}
	owned := metav1.OwnerReference{Kind: "Cluster", Name: "owner"}
	tests := map[string]struct {
		claim *capi.Claim
		want  string
	}{
		"if the spec names it, should take that": {claim(func(c *capi.Claim) {
			c.Spec.ClusterName, c.Labels = "spec", map[string]string{names.ClusterName: "label"}
			c.OwnerReferences = []metav1.OwnerReference{owned}
		}), "spec"},
		"if the owner is a Cluster and the label a hash, should take the owner": {claim(func(c *capi.Claim) {
			c.Labels, c.OwnerReferences = map[string]string{names.ClusterName: "hash_AbC_z"},
				[]metav1.OwnerReference{owned}
		}), "owner"},
		"if only the label is there, should take that": {claim(func(c *capi.Claim) {
			c.Labels = map[string]string{names.ClusterName: "label"}
		}), "label"},
		"if the owner is no Cluster, should not take its name": {claim(func(c *capi.Claim) {
			c.OwnerReferences = []metav1.OwnerReference{{Kind: "Machine", Name: "m"}}
		}), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, types.NamespacedName{Namespace: "tenant", Name: tt.want}, tt.claim.Cluster())
		})
	}
}

func TestAddressSnapshot(t *testing.T) {
	meta := metav1.ObjectMeta{
		Namespace: "tenant", Name: "vip-cp-prod", ResourceVersion: "99", CreationTimestamp: metav1.NewTime(born),
	}
	meta.OwnerReferences = []metav1.OwnerReference{
		{Kind: "InClusterIPPool", UID: "pool"}, {Kind: "IPAddressClaim", UID: "uid-of-claim"},
	}
	group := ptr.To("ipam.cluster.x-k8s.io")
	older := &ipamv1beta1.IPAddress{ObjectMeta: meta, Spec: ipamv1beta1.IPAddressSpec{
		ClaimRef: corev1.LocalObjectReference{Name: "claim"}, Address: "10.0.0.10", Prefix: 24, Gateway: "10.0.0.1",
		PoolRef: corev1.TypedLocalObjectReference{APIGroup: group, Kind: "InClusterIPPool", Name: "cp"},
	}}
	newer := &ipamv1beta2.IPAddress{ObjectMeta: meta, Spec: ipamv1beta2.IPAddressSpec{
		ClaimRef: ipamv1beta2.IPAddressClaimReference{Name: "claim"}, Address: "10.0.0.10", Prefix: ptr.To(int32(24)),
		PoolRef: ipamv1beta2.IPPoolReference{APIGroup: *group, Kind: "InClusterIPPool", Name: "cp"},
	}}
	for version, object := range map[string]any{"v1beta1": older, "v1beta2": newer} {
		t.Run(version, func(t *testing.T) {
			view := decode[capi.Address](t, object)
			got := view.Snapshot()
			got.Born.At = got.Born.At.UTC()
			assert.Equal(t, vip.Address{
				Namespace: "tenant", Name: "vip-cp-prod", Value: "10.0.0.10", Claim: "claim", ClaimUID: "uid-of-claim",
				Born: vip.Born{At: born, Serial: 99},
			}, got)
			for range 2 { // a list that comes as a watch is transformed twice
				_, err := capi.Trim(view)
				require.NoError(t, err)
				assert.Equal(t, types.UID("uid-of-claim"), view.Snapshot().ClaimUID)
			}
			assert.Empty(t, view.OwnerReferences)
			assert.Equal(t, vip.PoolRef{Group: *group, Kind: "InClusterIPPool", Name: "cp"},
				view.Spec.PoolRef.Snapshot())
		})
	}
	t.Run("if the resourceVersion is no number, should go by the second", func(t *testing.T) {
		older.ResourceVersion = "opaque"
		assert.Zero(t, decode[capi.Address](t, older).Born().Serial)
	})
}

func TestScheme(t *testing.T) {
	api := testAPI("v1beta1")
	scheme := api.Scheme()
	for _, resource := range api.Views() {
		object, err := scheme.New(resource.GroupVersionKind)
		require.NoError(t, err)
		list, err := scheme.New(resource.GroupVersion().WithKind(resource.Kind + "List"))
		require.NoError(t, err)
		assert.NotNil(t, object.DeepCopyObject())
		assert.NotNil(t, list.DeepCopyObject())
	}
}

func testAPI(version string) capi.API {
	return capi.API{
		Cluster: schema.GroupVersion{Group: capi.ClusterGroup, Version: version},
		IPAM:    schema.GroupVersion{Group: capi.IPAMGroup, Version: version},
		Pools:   schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"},
	}
}
