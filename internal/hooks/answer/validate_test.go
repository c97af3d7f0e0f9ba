package answer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/ptr"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

func TestValidateTopology(t *testing.T) {
	const (
		noControlPlane = "no pool serves role control-plane for ClusterClass team/bare-metal in namespace team"
		noIngress      = "no pool serves role ingress for ClusterClass team/bare-metal in namespace team"
	)
	provided := func(c *capi.Cluster) { c.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: "192.0.2.1", Port: 6443} }
	both := map[string]string{"requiredRoles": "control-plane, ingress"}
	tests := map[string]struct {
		cluster  *capi.Cluster
		pools    []string
		settings map[string]string
		refused  []string
		change   func(*answer.Config)
	}{
		"if no pool serves the class, should refuse and name class and role": {
			cluster: cluster(), refused: []string{noControlPlane, "put the labels"},
		},
		"if a pool serves the control plane, should accept": {
			cluster: cluster(), pools: []string{names.RoleControlPlane},
		},
		"if ingress has no pool and nobody requires one, should accept": {
			cluster: cluster(), pools: []string{names.RoleControlPlane},
			settings: map[string]string{"kubeVIP": "false"},
		},
		"if ingress has no pool and the class requires one, should refuse and name it": {
			cluster: cluster(), pools: []string{names.RoleControlPlane}, settings: both, refused: []string{noIngress},
		},
		"if neither has a pool and the class requires both, should name both": {
			cluster: cluster(), settings: both, refused: []string{noControlPlane, noIngress},
		},
		"if both have pools and the class requires both, should accept": {
			cluster: cluster(), pools: []string{names.RoleControlPlane, names.RoleIngress}, settings: both,
		},
		"if the pool has gone and the Cluster has its VIP, should accept": {
			cluster: cluster(annotated(names.Annotation(names.RoleControlPlane), "10.0.0.10")),
		},
		"if someone else provides the endpoint, should accept": {cluster: cluster(provided)},
		"if the Cluster is not known, should accept":           {},
		"if the Cluster is paused, should accept": {
			cluster: cluster(func(c *capi.Cluster) { c.Spec.Paused = ptr.To(true) }),
		},
		"if the Cluster is another operator's, should accept": {
			cluster: cluster(), change: func(c *answer.Config) { c.Settings.WatchFilter = "other" },
		},
		"if the caches are not filled, should accept": {
			cluster: cluster(), change: func(c *answer.Config) { c.Store = func() *state.Store { return nil } },
		},
		"if a setting is wrong, should refuse and say which": {
			settings: map[string]string{"requiredRoles": ""},
			refused:  []string{"requiredRoles", "control-plane,ingress"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if test.cluster != nil {
				w.add(t, test.cluster)
			}
			for _, role := range test.pools {
				w.add(t, pool(t, role, role, false))
			}
			cfg := config(w.Store)
			if test.change != nil {
				test.change(&cfg)
			}
			request := map[string]any{
				"settings": test.settings,
				"variables": []any{map[string]any{"name": "builtin", "value": map[string]any{
					"cluster": map[string]any{"namespace": namespace, "name": "one"},
				}}},
				"items": []any{},
			}
			response := reply[hooks.ValidateTopologyResponse](t, answer.Handler(cfg), validatePath, request)
			if test.refused == nil {
				require.Equal(t, hooks.ResponseStatusSuccess, response.Status, response.Message)
				return
			}
			require.Equal(t, hooks.ResponseStatusFailure, response.Status)
			for _, text := range test.refused {
				require.Contains(t, response.Message, text)
			}
		})
	}
}
