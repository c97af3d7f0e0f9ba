package acceptance

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// TestClocksOfOthers: others write timestamps that are years in the past or future. The operator still takes over the
// Lease of a leader that is gone, and conditions neither stop nor drive it.
func TestClocksOfOthers(t *testing.T) {
	const mostWrites = 20
	e := onPlane(t)
	years := func(n int) time.Time { return time.Now().AddDate(n, 0, 0).Truncate(time.Second).UTC() }
	for name, at := range map[string]time.Time{
		"if they lie years ahead, should serve as ever": years(30),
		"if they lie years back, should serve as ever":  years(-30),
	} {
		t.Run(name, func(t *testing.T) {
			lease := "lease-" + at.Format("2006")
			_, err := e.Core.CoordinationV1().Leases(harness.Namespace).Create(t.Context(), &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: lease},
				Spec: coordinationv1.LeaseSpec{
					HolderIdentity: ptr.To("gone"), LeaseDurationSeconds: ptr.To[int32](4),
					AcquireTime: ptr.To(metav1.NewMicroTime(at)), RenewTime: ptr.To(metav1.NewMicroTime(at)),
				},
			}, metav1.CreateOptions{})
			require.NoError(t, err)
			operator := runOperator(t, e, "--leader-elect", "--leader-election-id="+lease,
				"--leader-elect-lease-duration=4s",
				"--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms")
			s := newScope(t, e, operator)
			s.bothPools()
			s.cluster("one")
			before := s.served("one")
			s.dateConditions("one", at)
			for _, role := range []string{controlPlane, ingress} {
				s.annotate("one", names.Annotation(role), nil)
			}
			after := s.served("one")
			require.Equal(t, before.Endpoint(), after.Endpoint())
			require.Equal(t, before.VIP(ingress), after.VIP(ingress))
			s.handled()
			require.Equal(t, after.Endpoint(), s.get("one").Endpoint())
			require.Less(t, len(s.writes(0)), mostWrites)
			s.delete("one")
			s.gone("one")
		})
	}
}

// dateConditions sets the time of all conditions of a Cluster.
func (s *scope) dateConditions(name string, at time.Time) {
	s.t.Helper()
	conditions := s.get(name).Conditions()
	for i := range conditions {
		conditions[i].LastTransitionTime = metav1.NewTime(at)
	}
	status := map[string]any{"conditions": conditions}
	if s.Version == "v1beta1" {
		status = map[string]any{"v1beta2": status}
	}
	body, err := json.Marshal(map[string]any{"status": status})
	require.NoError(s.t, err)
	_, err = s.Clusters(s.name).Patch(s.t.Context(), name, types.MergePatchType, body, metav1.PatchOptions{}, "status")
	require.NoError(s.t, err)
}
