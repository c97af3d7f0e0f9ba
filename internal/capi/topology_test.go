package capi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestClusterClass(t *testing.T) {
	tests := map[string]struct {
		class string
		want  vip.ClusterClass
	}{
		"if it has neither patches nor variables, should use no VIP": {`{}`, vip.ClusterClass{}},
		"if a patch reads the annotation, should say so": {
			`{"spec":{"patches":[{"name":"a"},{"name":"vip","enabledIf":` +
				`"{{ index .builtin.cluster.metadata.annotations \"vip.capi.gorizond.io/control-plane\" }}"}]}}`,
			vip.ClusterClass{ReadsVIP: true},
		},
		"if a patch calls our extension by the field of v1beta2, should say so": {
			`{"spec":{"patches":[{"name":"vip",` +
				`"external":{"generatePatchesExtension":"generate-patches.capi-vip-allocator"}}]}}`,
			vip.ClusterClass{ReadsVIP: true},
		},
		"if a patch calls our extension by the field of v1beta1, should say so": {
			`{"spec":{"patches":[{"name":"vip",` +
				`"external":{"generateExtension":"generate-patches.capi-vip-allocator"}}]}}`,
			vip.ClusterClass{ReadsVIP: true},
		},
		"if a patch calls another extension of a similar name, should not mind": {
			`{"spec":{"patches":[{"name":"vip",` +
				`"external":{"generateExtension":"generate-patches.capi-vip-allocator-2"}}]}}`,
			vip.ClusterClass{},
		},
		"if it declares variables, should know their types by path": {
			`{"spec":{"variables":[
				{"name":"vip","schema":{"openAPIV3Schema":{"type":"string"}}},
				{"name":"endpoint","schema":{"openAPIV3Schema":{"type":"object",
					"properties":{"host":{"type":"string"},"port":{"type":"integer"}}}}}]}}`,
			vip.ClusterClass{Variables: map[string]string{
				"vip": "string", "endpoint": "object", "endpoint.host": "string", "endpoint.port": "integer",
			}},
		},
		"if an extension declares variables, should find them in the status": {
			`{"status":{"variables":[{"name":"vip","definitions":[{"from":"x",` +
				`"schema":{"openAPIV3Schema":{"type":"string"}}}]}]}}`,
			vip.ClusterClass{Variables: map[string]string{"vip": "string"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			class := &capi.ClusterClass{}
			require.NoError(t, json.Unmarshal([]byte(tt.class), class))
			assert.Equal(t, &tt.want, class.Snapshot(), "before it is trimmed")
			for range 2 { // a cache may trim what it has trimmed
				_, err := capi.Trim(class)
				require.NoError(t, err)
				assert.Equal(t, &tt.want, class.Snapshot())
			}
			assert.Empty(t, class.Spec.Patches, "what is not needed does not stay in the cache")
			assert.Empty(t, class.Spec.Variables)
		})
	}
}

func TestTopologyReconciled(t *testing.T) {
	tests := map[string]struct {
		status   metav1.ConditionStatus
		reason   string
		rendered bool
	}{
		"if it succeeded, should be rendered": {
			metav1.ConditionTrue, "ReconcileSucceeded", true,
		},
		"if it failed, should not be rendered": {
			metav1.ConditionFalse, "ReconcileFailed", false,
		},
		"if a hook blocks the creation, should not be rendered": {
			metav1.ConditionFalse, "LifecycleHookBlocking", false,
		},
		"if creation waits for a hook, should not be rendered": {
			metav1.ConditionFalse, "ClusterCreating", false,
		},
		"if the class is not reconciled, should not be rendered": {
			metav1.ConditionFalse, "ClusterClassNotReconciled", false,
		},
		"if workers are created later, should be rendered (1.10)": {
			metav1.ConditionFalse, "MachineDeploymentsCreatePending", true,
		},
		"if workers are created or upgraded later, should be (1.14)": {
			metav1.ConditionFalse, "ClusterUpgrading", true,
		},
		"if the reason is one of a version to come, should not count": {metav1.ConditionFalse, "SomethingNew", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			view := decode[capi.Cluster](t, with(realV1Beta2(), func(c *corev1beta2.Cluster) {
				c.Status.Conditions = []metav1.Condition{{
					Type: names.TopologyReconciled, Status: tt.status, Reason: tt.reason, ObservedGeneration: 7,
					Message: strings.Repeat("long ", 100),
				}}
			}))
			_, err := capi.Trim(view)
			require.NoError(t, err)
			assert.Equal(t, vip.Topology{Observed: 7, Rendered: tt.rendered, Reason: tt.reason},
				view.Snapshot().Topology)
			assert.Empty(t, view.Status.Conditions[0].Message, "messages do not stay in the cache")
		})
	}
}

func TestVariables(t *testing.T) {
	view := &capi.Cluster{}
	require.NoError(t, json.Unmarshal([]byte(`{"spec":{"topology":{"variables":[
		{"name":"vip","value":"10.0.0.1"},{"name":"large","value":"`+strings.Repeat("x", 600)+`"}]}}}`), view))
	_, err := capi.Trim(view)
	require.NoError(t, err)
	assert.Equal(t, map[string][]byte{"vip": []byte(`"10.0.0.1"`), "large": nil}, view.Snapshot().Variables)
}
