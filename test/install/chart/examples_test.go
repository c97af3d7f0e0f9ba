package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// The recipe of docs/pools.md hands all addresses of a Cluster's annotation to its load balancer, and nothing else.
func TestLoadBalancerRecipe(t *testing.T) {
	const addresses = "addresses: 10.94.0.100,2001:db8::1"
	for name, test := range map[string]struct {
		values string
		kinds  []string
		path   []string
		want   []any
	}{
		"if MetalLB announces them, should be a pool of these addresses": {
			addresses + "\nloadBalancer: metallb",
			[]string{"IPAddressPool", "L2Advertisement"},
			[]string{"spec", "addresses"},
			[]any{"10.94.0.100/32", "2001:db8::1/128"},
		},
		"if Cilium announces them, should be a pool with a block for each": {
			addresses + "\nloadBalancer: cilium",
			[]string{"CiliumLoadBalancerIPPool"},
			[]string{"spec", "blocks"},
			[]any{map[string]any{"cidr": "10.94.0.100/32"}, map[string]any{"cidr": "2001:db8::1/128"}},
		},
		"if they are not there yet, should be nothing": {`addresses: ""`, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := helm.RenderExample("fleet/load-balancers", test.values)
			require.NoError(t, err)
			var kinds []string
			for _, object := range objects {
				kinds = append(kinds, object.GetKind())
			}
			assert.Equal(t, test.kinds, kinds)
			if len(objects) > 0 {
				got, _, err := unstructured.NestedSlice(objects[0].Object, test.path...)
				require.NoError(t, err)
				assert.Equal(t, test.want, got)
			}
		})
	}
}
