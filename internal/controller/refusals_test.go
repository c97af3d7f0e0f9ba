package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestRefusals(t *testing.T) {
	const lasts = 10 * time.Second
	key, other := types.NamespacedName{Namespace: "ns", Name: "one"},
		types.NamespacedName{Namespace: "ns", Name: "other"}
	begin := time.Unix(1e9, 0)
	quota := apierrors.NewForbidden(schema.GroupResource{Resource: "ipaddressclaims"}, "vip-ingress-one",
		errors.New("exceeded quota"))
	action := vip.CreateClaim{Role: names.RoleIngress, Name: "vip-ingress-one"}
	noted := func(err error) refusals {
		r := refusals{newMemory(), lasts}
		r.note(key, []apply.Failure{{Actions: []vip.Action{action}, Err: err}}, begin)
		return r
	}
	t.Run("if a write was refused, should remember what was said, of that Cluster and action", func(t *testing.T) {
		r := noted(fmt.Errorf("create claim: %w", quota))
		assert.Equal(t, map[vip.Key]string{action.Key(): "create claim: the API server answers (403 Forbidden)"},
			r.said(key, begin))
		assert.Empty(t, r.said(other, begin))
	})
	t.Run("if the finalizer was refused with a value, should remember the value, "+
		"and the finalizer if it was alone", func(t *testing.T) {
		value, finalizer := vip.SetAnnotation{Role: names.RoleIngress, Value: "10.0.0.20"}, vip.AddFinalizer{}
		r := refusals{newMemory(), lasts}
		r.note(key, []apply.Failure{{Actions: []vip.Action{finalizer, value}, Err: quota}}, begin)
		assert.Contains(t, r.said(key, begin), value.Key())
		assert.NotContains(t, r.said(key, begin), finalizer.Key())
		r.note(key, []apply.Failure{{Actions: []vip.Action{finalizer}, Err: quota}}, begin)
		assert.Contains(t, r.said(key, begin), finalizer.Key())
	})
	t.Run("if its time is over, should forget it", func(t *testing.T) {
		r := noted(quota)
		assert.NotEmpty(t, r.said(key, begin.Add(lasts-1)))
		assert.Empty(t, r.said(key, begin.Add(lasts)))
		assert.Empty(t, r.records)
	})
	t.Run("if the clock jumps back, should forget it", func(t *testing.T) {
		assert.Empty(t, noted(quota).said(key, begin.Add(-time.Hour)))
	})
	t.Run("if the write can be tried again at once, should not remember it", func(t *testing.T) {
		assert.Empty(t, noted(apierrors.NewServiceUnavailable("busy")).said(key, begin))
		assert.Empty(t, noted(fmt.Errorf("%w: %w", apply.ErrOutdated, quota)).said(key, begin))
	})
	t.Run("if the Cluster is gone, should forget it", func(t *testing.T) {
		r := noted(quota)
		r.forget(key)
		assert.Empty(t, r.records)
	})
}
