package capi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	corev1beta2 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Whatever managedFields say, those of our conditions that are not to stay are removed, and nothing else.
func TestPatchConditionsAway(t *testing.T) {
	at := metav1.NewTime(time.Unix(1e9, 0))
	condition := func(kind, reason string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: "m", LastTransitionTime: at,
		}
	}
	cp, web, storage := condition("ControlPlaneVIPReady", names.ReasonPoolNotFound),
		condition("IngressVIPReady", names.ReasonPoolNotFound), condition("StorageVIPReady", names.ReasonReleasing)
	available, others, rendered := condition("Available", "NotAvailable"), condition("DatabaseVIPReady", "NotOurs"),
		condition(names.TopologyReconciled, "ClusterCreating")
	all := []metav1.Condition{available, cp, rendered, web, others, storage}
	type list = []metav1.Condition
	tests := map[string]struct {
		seen, since list
		stay        []string
		want        list
		none        bool
		refused     bool
	}{
		"if none is to stay, should remove all of ours": {
			seen: all, since: all, want: list{available, rendered, others},
		},
		"if some are to stay, should remove the others": {
			seen: all, since: all, stay: []string{"IngressVIPReady"}, want: list{available, rendered, web, others},
		},
		"if all are to stay, should be no patch": {
			seen: all, stay: []string{"ControlPlaneVIPReady", "IngressVIPReady", "StorageVIPReady"}, none: true,
		},
		"if there are only others', should be no patch": {seen: list{available, others}, none: true},
		"if another came behind since, should leave that": {
			seen: list{cp}, since: list{cp, available}, want: list{available},
		},
		"if what is to stay changed since, should remove the other": {
			seen: list{cp, web}, since: list{condition(cp.Type, names.ReasonPoolExhausted), web},
			stay: []string{cp.Type}, want: list{condition(cp.Type, names.ReasonPoolExhausted)},
		},
		"if they were sorted anew since, should refuse": {
			seen: list{cp, available}, since: list{available, cp}, refused: true,
		},
		"if it is gone since, should refuse": {seen: list{cp}, since: list{}, refused: true},
		"if someone else says something by it since, should refuse": {
			seen: list{cp}, since: list{condition(cp.Type, "NotOurs")}, refused: true,
		},
	}
	for name, tt := range tests {
		var stay []vip.Condition
		for _, kind := range tt.stay {
			stay = append(stay, vip.Condition{Type: kind})
		}
		check := func(t *testing.T, view *capi.Cluster, apply func(patch []byte) (list, error)) {
			// As decoded, from a cache, and from a list that comes as a watch.
			for _, trim := range []bool{false, true, true} {
				if trim {
					_, err := capi.Trim(view)
					require.NoError(t, err)
				}
				patch, err := view.PatchConditionsAway(stay)
				require.NoError(t, err)
				assert.Equal(t, tt.none, patch == nil)
				if patch == nil {
					continue
				}
				got, err := apply(patch)
				assert.Equal(t, tt.refused, err != nil, "%v", err)
				assert.Equal(t, typesOf(tt.want), typesOf(got))
			}
		}
		t.Run(name, func(t *testing.T) {
			conditions := func(c list) func(*corev1beta2.Cluster) {
				return func(cluster *corev1beta2.Cluster) { cluster.Status.Conditions = c }
			}
			check(t, decode[capi.Cluster](t, with(realV1Beta2(), conditions(tt.seen))),
				func(patch []byte) (list, error) {
					got, err := applied(t, with(realV1Beta2(), conditions(tt.since)), patch)
					if err != nil {
						return nil, err
					}
					return got.Status.Conditions, nil
				})
		})
		t.Run(name+", at v1beta1", func(t *testing.T) {
			conditions := func(c list) *corev1beta1.Cluster {
				cluster := realV1Beta1()
				cluster.Status.V1Beta2 = &corev1beta1.ClusterV1Beta2Status{Conditions: c}
				return cluster
			}
			check(t, decode[capi.Cluster](t, conditions(tt.seen)), func(patch []byte) (list, error) {
				got, err := applied(t, conditions(tt.since), patch)
				if err != nil {
					return nil, err
				}
				return got.Status.V1Beta2.Conditions, nil
			})
		})
	}
	t.Run("if it is a namesake, should refuse", func(t *testing.T) {
		live := with(realV1Beta2(), func(c *corev1beta2.Cluster) { c.Status.Conditions = list{cp} })
		patch, err := decode[capi.Cluster](t, live).PatchConditionsAway(nil)
		require.NoError(t, err)
		live.UID = "another"
		_, err = applied(t, live, patch)
		require.Error(t, err)
	})
}
