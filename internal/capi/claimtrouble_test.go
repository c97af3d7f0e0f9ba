package capi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	ipamv1beta1 "sigs.k8s.io/cluster-api/api/ipam/v1beta1"
	ipamv1beta2 "sigs.k8s.io/cluster-api/api/ipam/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// TestClaimTrouble: a provider may be written against either version of the API, and use either form of conditions.
func TestClaimTrouble(t *testing.T) {
	const older = `{"type":"Ready","status":"%s","severity":"Error","reason":"AllocationFailed","message":"older"}`
	const newer = `{"type":"Ready","status":"%s","reason":"PoolExhausted","message":"newer"}`
	const foreign = `{"type":"Other","status":"False","reason":"No","message":"no"}`
	olderTrouble := &vip.Trouble{Reason: "AllocationFailed", Message: "older"}
	newerTrouble := &vip.Trouble{Reason: "PoolExhausted", Message: "newer"}
	not := func(form string) string { return fmt.Sprintf(form, "False") }
	tests := map[string]struct {
		status string
		want   *vip.Trouble
	}{
		"if a v1beta2 claim has it, should tell it": {
			`"conditions":[` + foreign + `,` + not(newer) + `]`, newerTrouble,
		},
		"if a v1beta2 claim has it in the older form, should tell it": {
			`"deprecated":{"v1beta1":{"conditions":[` + foreign + `,` + not(older) + `]}}`, olderTrouble,
		},
		"if a v1beta1 claim has it, should tell it": {
			`"conditions":[` + foreign + `,` + not(older) + `]`, olderTrouble,
		},
		"if a v1beta1 claim has it in the newer form, should tell it": {
			`"v1beta2":{"conditions":[` + foreign + `,` + not(newer) + `]}`, newerTrouble,
		},
		"if a v1beta1 claim has it in both forms, should tell the newer": {
			`"conditions":[` + not(older) + `],"v1beta2":{"conditions":[` + not(newer) + `]}`, newerTrouble,
		},
		"if a v1beta2 claim has it in both forms, should tell the newer": {`"conditions":[` + not(newer) +
			`],"deprecated":{"v1beta1":{"conditions":[` + not(older) + `]}}`, newerTrouble},
		"if it is ready, should have no trouble": {
			`"conditions":[` + fmt.Sprintf(newer, "True") + `]`, nil,
		},
		"if it is unknown, should have no trouble": {
			`"conditions":[` + fmt.Sprintf(newer, "Unknown") + `]`, nil,
		},
		"if only others are there, should have no trouble": {
			`"conditions":[` + foreign + `],"v1beta2":{},"deprecated":{}`, nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			view := decode[capi.Claim](t,
				json.RawMessage(`{"metadata":{"name":"c"},"spec":{"poolRef":{}},"status":{`+test.status+`}}`))
			assert.Equal(t, test.want, view.Snapshot().Trouble)
			_, err := capi.Trim(view)
			require.NoError(t, err)
			assert.Equal(t, test.want, view.Snapshot().Trouble, "trimmed")
			assert.LessOrEqual(t, len(view.Status.Conditions), 1, "only the one that is read is kept")
			assert.NotContains(t, typesOf(view.Status.Conditions), "Other")
			assert.Nil(t, view.Status.V1Beta2)
			assert.Nil(t, view.Status.Deprecated)
		})
	}
}

// TestClaimTroubleConverted has Cluster API convert what a provider of the other version wrote.
func TestClaimTroubleConverted(t *testing.T) {
	want := &vip.Trouble{Reason: "AllocationFailed", Message: "the appliance is down"}
	t.Run("if a v1beta1 provider wrote it, should be found in the v1beta2 claim", func(t *testing.T) {
		var converted ipamv1beta2.IPAddressClaim
		conditions := corev1beta1.Conditions{{
			Type: "Ready", Status: corev1.ConditionFalse, Severity: corev1beta1.ConditionSeverityError,
			Reason: want.Reason, Message: want.Message,
		}}
		written := &ipamv1beta1.IPAddressClaim{Status: ipamv1beta1.IPAddressClaimStatus{Conditions: conditions}}
		require.NoError(t,
			ipamv1beta1.Convert_v1beta1_IPAddressClaim_To_v1beta2_IPAddressClaim(written, &converted, nil))
		assert.Equal(t, want, decode[capi.Claim](t, &converted).Snapshot().Trouble)
	})
	t.Run("if a v1beta2 provider wrote it, should be found in the v1beta1 claim", func(t *testing.T) {
		var converted ipamv1beta1.IPAddressClaim
		written := &ipamv1beta2.IPAddressClaim{Status: ipamv1beta2.IPAddressClaimStatus{Conditions: []metav1.Condition{
			{Type: "Ready", Status: metav1.ConditionFalse, Reason: want.Reason, Message: want.Message},
		}}}
		require.NoError(t,
			ipamv1beta1.Convert_v1beta2_IPAddressClaim_To_v1beta1_IPAddressClaim(written, &converted, nil))
		assert.Equal(t, want, decode[capi.Claim](t, &converted).Snapshot().Trouble)
	})
}
