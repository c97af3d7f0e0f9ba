package capi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Only the reference to the Cluster is renewed, wherever it is in the list, and only if needed.
func TestPatchOwner(t *testing.T) {
	older, newer := testAPI("v1beta1"), testAPI("v1beta2")
	claim := &capi.Claim{ObjectMeta: metav1.ObjectMeta{UID: "uid-of-claim", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "cluster.x-k8s.io/v1beta1", Kind: "Machine", Name: "m", UID: "uid-of-machine"},
		{
			APIVersion: "cluster.x-k8s.io/v1beta1", Kind: capi.KindCluster, Name: "prod", UID: "uid-of-cluster",
			Controller: ptr.To(true),
		},
	}}}
	patch, err := claim.PatchOwner(newer, "uid-of-cluster")
	require.NoError(t, err)
	assert.JSONEq(t, `[
		{"op": "test", "path": "/metadata/uid", "value": "uid-of-claim"},
		{"op": "test", "path": "/metadata/ownerReferences/1/uid", "value": "uid-of-cluster"},
		{"op": "test", "path": "/metadata/ownerReferences/1/apiVersion", "value": "cluster.x-k8s.io/v1beta1"},
		{"op": "add", "path": "/metadata/ownerReferences/1/apiVersion", "value": "cluster.x-k8s.io/v1beta2"}
	]`, string(patch))
	for name, patchOf := range map[string]func() ([]byte, error){
		"if it says so already": func() ([]byte, error) {
			return claim.PatchOwner(older, "uid-of-cluster")
		},
		"if the Cluster does not own it": func() ([]byte, error) {
			return claim.PatchOwner(newer, "uid-of-another")
		},
		"if nobody owns it": func() ([]byte, error) {
			return (&capi.Claim{}).PatchOwner(newer, "uid-of-cluster")
		},
		"if the Cluster's UID is not known": func() ([]byte, error) { return claim.PatchOwner(newer, "") },
		"if only the owner beside it differs": func() ([]byte, error) {
			return renewed(claim).PatchOwner(newer, "uid-of-cluster")
		},
	} {
		t.Run(name+", should return no patch", func(t *testing.T) {
			patch, err := patchOf()
			require.NoError(t, err)
			assert.Nil(t, patch)
		})
	}
}

func renewed(claim *capi.Claim) *capi.Claim {
	claim = claim.DeepCopy()
	claim.OwnerReferences[1].APIVersion = "cluster.x-k8s.io/v1beta2"
	return claim
}

// The decision learns the version at which a claim and the DNS records name the Cluster, even from a trimmed view.
func TestOwnerVersion(t *testing.T) {
	cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "prod", UID: "uid-1"}}
	claim := cluster.NewClaim(testAPI("v1beta1"), vip.CreateClaim{Role: names.RoleIngress, Name: "vip-ingress-prod"})
	_, err := capi.Trim(claim)
	require.NoError(t, err)
	assert.Equal(t, &vip.Owner{Kind: capi.KindCluster, Name: "prod", UID: "uid-1", Version: "cluster.x-k8s.io/v1beta1"},
		claim.Snapshot().Owner)

	records := &capi.DNSEndpoint{ObjectMeta: metav1.ObjectMeta{OwnerReferences: append([]metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", UID: "another"},
	}, claim.OwnerReferences...)}}
	_, err = capi.Trim(records)
	require.NoError(t, err)
	dns := records.Snapshot(cluster)
	assert.Equal(t, "cluster.x-k8s.io/v1beta1", dns.OwnerVersion)
	assert.False(t, dns.Foreign)
	records.OwnerReferences = records.OwnerReferences[:1]
	dns = records.Snapshot(cluster)
	assert.Empty(t, dns.OwnerVersion)
	assert.True(t, dns.Foreign)
}
