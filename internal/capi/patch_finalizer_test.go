package capi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// The finalizer lands in the same write as the endpoint, or neither does.
func TestPatchResultsWithFinalizer(t *testing.T) {
	finalizers := func(list ...string) func(*corev1beta2.Cluster) {
		return func(c *corev1beta2.Cluster) { c.Finalizers = list }
	}
	for name, test := range map[string]struct {
		seen, since func(*corev1beta2.Cluster)
		want        []string
	}{
		"if there are others, should stand beside them": {
			finalizers(names.ClusterFinalizer, "a/b"), func(*corev1beta2.Cluster) {},
			[]string{names.ClusterFinalizer, "a/b", names.ReleaseFinalizer},
		},
		"if there are none, should be the first": {
			finalizers(), func(*corev1beta2.Cluster) {}, []string{names.ReleaseFinalizer},
		},
		"if another came since, should refuse the write":    {finalizers(), finalizers(names.ClusterFinalizer), nil},
		"if another was taken off, should refuse the write": {finalizers(names.ClusterFinalizer), finalizers(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			live := with(realV1Beta2(), test.seen)
			patch, err := decode[capi.Cluster](t, live).PatchResults(capi.Results{
				Finalizer: true, Endpoint: setEndpoint,
			})
			require.NoError(t, err)
			test.since(live)
			got, err := applied(t, live, patch)
			if test.want == nil {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got.Finalizers)
			assert.Equal(t, "10.0.0.11", got.Spec.ControlPlaneEndpoint.Host)
		})
	}
}
