package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestOrphanedClaims(t *testing.T) {
	store := storeOf(t)
	require.NoError(t, store.Clusters.GetStore().Add(&capi.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lives", UID: "1"},
	}))
	ownedBy := func(kind, name string, uid types.UID) func(*capi.Claim) {
		return func(c *capi.Claim) { c.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid}} }
	}
	for name, test := range map[string]struct {
		change func(*capi.Claim)
		want   int
	}{
		"if its Cluster lives, should not count":           {ownedBy(capi.KindCluster, "lives", "1"), 0},
		"if its Cluster is gone, should count":             {ownedBy(capi.KindCluster, "gone", "2"), 1},
		"if another Cluster has the name, should count":    {ownedBy(capi.KindCluster, "lives", "2"), 1},
		"if nobody owns it, should count":                  {func(*capi.Claim) {}, 1},
		"if something else owns it, should not count":      {ownedBy("Machine", "m", "3"), 0},
		"if it is none of the allocator, should not count": {func(c *capi.Claim) { c.Labels = nil }, 0},
		"if it is being deleted, should not count": {
			func(c *capi.Claim) { c.DeletionTimestamp = &metav1.Time{} }, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			claim := &capi.Claim{ObjectMeta: metav1.ObjectMeta{
				Namespace: "ns", Name: "vip-cp-lives", Labels: map[string]string{names.Role: names.RoleControlPlane},
			}}
			test.change(claim)
			require.NoError(t, store.Claims.GetStore().Replace([]any{claim}, ""))
			require.Equal(t, test.want, (&source{store}).OrphanedClaims())
		})
	}
}
