package capi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// crowded returns a Cluster with as many short annotations of ours as an API server accepts.
func crowded(value func(int) string) *capi.Cluster {
	c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{}}}
	for i := range 8000 {
		c.Annotations[names.Annotation(fmt.Sprintf("a%d", i))] = value(i)
	}
	return c
}

func address(i int) string { return fmt.Sprintf("10.0.%d.%d", i/250, i%250) }

func TestTrimBoundsACluster(t *testing.T) {
	t.Run("if there are too many annotations, should keep those that are served, "+
		"else the first by name", func(t *testing.T) {
		c := crowded(address)
		kept := []string{
			names.TopologyGate, names.Annotation(names.RoleControlPlane), names.Annotation(names.RoleIngress),
			names.Annotation("zone"),
		}
		for _, key := range kept {
			c.Annotations[key] = "10.1.0.1"
		}
		c.Annotations[names.Paused] = ""
		c.Status.Conditions = []metav1.Condition{
			{Type: names.ConditionType("zone"), Reason: names.ReasonIPAddressAssigned},
		}
		rest := slices.DeleteFunc(slices.Sorted(maps.Keys(c.Annotations)), func(key string) bool {
			return key == names.Paused || slices.Contains(kept, key)
		})
		want := append(append(kept, names.Paused), rest[:vip.MostRoles-len(kept)]...)
		assert.ElementsMatch(t, want, slices.Collect(maps.Keys(trimmed(t, c).Annotations)))
		assert.True(t, c.Cut)
		assert.True(t, trimmed(t, c.DeepCopy()).Cut, "still known after another trim")
	})
	t.Run("if a value is long, should cut it, so that it is still seen", func(t *testing.T) {
		key := names.Annotation(names.RoleIngress)
		c := &capi.Cluster{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{key: strings.Repeat("1", 1<<18)}},
		}
		assert.Len(t, trimmed(t, c).Annotations[key], 640, "more than any annotation of ours has")
		assert.True(t, c.Cut)
	})
	t.Run("if annotations list too many addresses, "+
		"should leave the first of each that matters less", func(t *testing.T) {
		list := strings.Repeat("10.0.0.1,", names.MostAddresses-1) + "10.0.0.2"
		c := &capi.Cluster{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{names.Annotation(names.RoleIngress): list}},
		}
		for i := range vip.MostSlots/names.MostAddresses - 1 {
			c.Annotations[names.Annotation(fmt.Sprintf("r%d", i))] = list
		}
		want := maps.Clone(c.Annotations)
		assert.False(t, trimmed(t, c.DeepCopy()).Cut, "it may have as many as that")
		for i := range 10 {
			key := names.Annotation(fmt.Sprintf("z%d", i))
			c.Annotations[key], want[key] = list, "10.0.0.1"
		}
		assert.Equal(t, want, trimmed(t, c).Annotations)
		assert.True(t, c.Cut)
	})
	t.Run("if there are too many conditions, "+
		"should keep those of the standard roles and the first by type", func(t *testing.T) {
		c := &capi.Cluster{}
		for i := range 1000 {
			c.Status.Conditions = append(c.Status.Conditions,
				metav1.Condition{Type: names.ConditionType(fmt.Sprintf("a%d", i)), Reason: names.ReasonPoolNotFound})
		}
		last := []string{
			names.ConditionType(names.RoleIngress), names.ConditionType(names.RoleControlPlane),
			names.TopologyReconciled,
		}
		for _, conditionType := range last {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
				Type: conditionType, Reason: names.ReasonPoolNotFound,
			})
		}
		types := typesOf(trimmed(t, c).Status.Conditions)
		assert.Len(t, types, vip.MostRoles)
		assert.Subset(t, types, last)
		assert.True(t, c.Cut)
	})
	t.Run("if the values of variables are long together, should keep the shortest, and all names", func(t *testing.T) {
		c := &capi.Cluster{}
		for i := range 1000 {
			value, err := json.Marshal(strings.Repeat("x", 400))
			require.NoError(t, err)
			c.Spec.Topology.Variables = append(c.Spec.Topology.Variables, capi.Variable{
				Name: strconv.Itoa(i), Value: value,
			})
		}
		c.Spec.Topology.Variables = append(c.Spec.Topology.Variables, capi.Variable{
			Name: "host", Value: []byte(`"10.0.0.1"`),
		})
		variables, size := trimmed(t, c).Spec.Topology.Variables, 0
		for _, variable := range variables {
			size += len(variable.Value)
		}
		assert.Len(t, variables, 1001)
		assert.LessOrEqual(t, size, 64<<10)
		assert.JSONEq(t, `"10.0.0.1"`, string(variables[1000].Value))
		assert.True(t, c.Cut)
	})
	t.Run("if nothing is cut, should not say so", func(t *testing.T) {
		assert.False(t, trimmed(t, decode[capi.Cluster](t, realV1Beta2())).Cut)
	})
}

// Whatever a Cluster looks like, little of it stays in a cache.
func TestTrimBoundsTheSize(t *testing.T) {
	text, err := json.Marshal(trimmed(t, crowded(func(int) string { return strings.Repeat("1", 1000) })))
	require.NoError(t, err)
	assert.Less(t, len(text), 48<<10)
}

func BenchmarkTrimCrowded(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c := crowded(address)
		b.StartTimer()
		_, _ = capi.Trim(c) // it never fails
	}
}
