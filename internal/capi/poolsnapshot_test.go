package capi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// pools as the in-cluster IPAM provider serves them at v1alpha2.
const (
	globalPool = `{"apiVersion":"ipam.cluster.x-k8s.io/v1alpha2","kind":"GlobalInClusterIPPool",
		"metadata":{"name":"web",
			"labels":{"vip.capi.gorizond.io/cluster-class":"bare-metal","vip.capi.gorizond.io/role":"ingress"},
			"finalizers":["ipam.cluster.x-k8s.io/ProtectPool"]},
		"spec":{"addresses":["10.0.0.10-10.0.0.20"],"prefix":24,"gateway":"10.0.0.1",
			"addressReuseGracePeriodSeconds":300},
		"status":{"ipAddresses":{"total":11,"free":3,"used":8,"outOfRange":1}}}`
	localPool = `{"apiVersion":"ipam.cluster.x-k8s.io/v1alpha2","kind":"InClusterIPPool",
		"metadata":{"name":"web","namespace":"tenant","deletionTimestamp":"2026-03-01T12:00:00Z"},
		"spec":{"addresses":["fd00::/64"],"prefix":64,"addressReuseGracePeriodSeconds":0},
		"status":{"ipAddresses":{"total":9223372036854775807,"free":9223372036854775807,"used":0,"outOfRange":0}}}`
)

func TestPoolSnapshot(t *testing.T) {
	served := since
	tests := map[string]struct {
		json string
		want vip.Pool
	}{
		"if the pool is global, should read all of it": {globalPool, vip.Pool{
			Ref:           vip.PoolRef{Group: capi.IPAMGroup, Kind: "GlobalInClusterIPPool", Name: "web"},
			Classes:       []vip.Class{{Name: "bare-metal"}},
			Roles:         []string{"ingress"},
			Capacity:      vip.Capacity{Known: true, Total: 11, Free: 4, Used: 8, OutOfRange: 1},
			KeepsReleased: true, LastServed: served,
		}},
		"if the pool is namespaced and large, should read all of it": {localPool, vip.Pool{
			Ref:       vip.PoolRef{Group: capi.IPAMGroup, Kind: "InClusterIPPool", Name: "web"},
			Namespace: "tenant",
			Capacity:  vip.Capacity{Known: true, Total: 1<<63 - 1, Free: 1<<63 - 1},
			Deleting:  true, LastServed: served,
		}},
		"if the provider has not looked at the pool, " +
			"should not know its capacity": {`{"apiVersion":"ipam.cluster.x-k8s.io/v1alpha2",` +
			`"kind":"GlobalInClusterIPPool","metadata":{"name":"web"}}`, vip.Pool{
			Ref: vip.PoolRef{Group: capi.IPAMGroup, Kind: "GlobalInClusterIPPool", Name: "web"}, LastServed: served,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			view := decode[capi.Pool](t, json.RawMessage(tt.json))
			assert.Equal(t, tt.want, view.Snapshot(served))
			_, err := capi.Trim(view)
			require.NoError(t, err)
			assert.Equal(t, tt.want, view.Snapshot(served), "what Trim drops is never read")
		})
	}
}
