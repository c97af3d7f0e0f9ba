package capi_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestPoolTrimmer(t *testing.T) {
	labels := map[string]string{names.ClusterClass: "metal", names.Role: "ingress", "team": "red"}
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}

	listed, err := capi.PoolTrimmer(api.GlobalPools())(&capi.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: labels},
	})
	require.NoError(t, err)
	pool, ok := listed.(*capi.Pool)
	require.True(t, ok)
	assert.Equal(t, vip.PoolRef{Group: capi.IPAMGroup, Kind: "GlobalInClusterIPPool", Name: "web"}, pool.Ref(),
		"lists leave the kind out")
	assert.NotContains(t, pool.Labels, "team")

	other := capi.Resource{
		GroupVersionKind: schema.GroupVersionKind{Group: "ipam.example.com", Version: "v1", Kind: "ExamplePool"},
		Plural:           "examplepools", Namespaced: true,
	}
	metadata := &metav1.PartialObjectMetadata{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", Labels: labels},
	}
	made, err := capi.PoolTrimmer(other)(metadata)
	require.NoError(t, err)
	pool, ok = made.(*capi.Pool)
	require.True(t, ok, "what comes as metadata becomes a view")
	assert.Equal(t, vip.PoolRef{Group: "ipam.example.com", Kind: "ExamplePool", Name: "web"}, pool.Ref())
	assert.Equal(t, []string{"metal"}, pool.ClassKeys())
}

func TestRanges(t *testing.T) {
	for name, test := range map[string]struct {
		spec capi.PoolSpec
		in   []string
		out  []string
	}{
		"if the pool has a range, should offer it with both ends": {
			capi.PoolSpec{Addresses: []string{"10.0.0.10-10.0.0.20"}},
			[]string{"10.0.0.10", "10.0.0.15", "10.0.0.20"},
			[]string{"10.0.0.9", "10.0.0.21", "fd00::1"},
		},
		"if the pool has a prefix and an address, should offer both": {
			capi.PoolSpec{Addresses: []string{"10.0.0.0/30", "10.0.1.7"}},
			[]string{"10.0.0.0", "10.0.0.3", "10.0.1.7"},
			[]string{"10.0.0.4", "10.0.1.8"},
		},
		"if addresses are excluded, should not offer them, nor the gateway": {
			capi.PoolSpec{
				Addresses: []string{"10.0.0.1-10.0.0.20"}, ExcludedAddresses: []string{"10.0.0.5", "10.0.0.8-10.0.0.9"},
				Gateway: "10.0.0.1",
			},
			[]string{"10.0.0.2", "10.0.0.7", "10.0.0.10"},
			[]string{"10.0.0.1", "10.0.0.5", "10.0.0.8", "10.0.0.9"},
		},
		"if the pool is of IPv6, should offer that": {
			capi.PoolSpec{Addresses: []string{"fd00::10-fd00::20"}}, []string{"fd00::10", "fd00::20"},
			[]string{"fd00::21", "10.0.0.1"},
		},
		"if an entry makes no sense, should go by the others": {
			capi.PoolSpec{Addresses: []string{"nonsense", "10.0.0.20-10.0.0.10", "10.0.0.1"}}, []string{"10.0.0.1"},
			[]string{"10.0.0.15"},
		},
		"if the prefix is known, should not offer what the provider reserves": {
			capi.PoolSpec{Addresses: []string{"10.0.0.0/24"}, Prefix: 24}, []string{"10.0.0.1", "10.0.0.254"},
			[]string{"10.0.0.0", "10.0.0.255"},
		},
		"if the pool gives away what is reserved, should offer it": {
			capi.PoolSpec{Addresses: []string{"10.0.0.0/24"}, Prefix: 24, AllocateReservedIPAddresses: true},
			[]string{"10.0.0.0", "10.0.0.255"}, nil,
		},
		"if the prefix is known for IPv6, should not offer the anycast address": {
			capi.PoolSpec{Addresses: []string{"fd00::/120"}, Prefix: 120}, []string{"fd00::1", "fd00::ff"},
			[]string{"fd00::"},
		},
		"if nothing is known, should offer nothing": {capi.PoolSpec{}, nil, []string{"10.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			ranges := (&capi.Pool{Spec: test.spec}).Ranges()
			for _, addr := range test.in {
				assert.True(t, vip.Contain(ranges, netip.MustParseAddr(addr)), addr)
			}
			for _, addr := range test.out {
				assert.False(t, vip.Contain(ranges, netip.MustParseAddr(addr)), addr)
			}
		})
	}
}
