package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "ns", Name: name}
}

func inConflict(addresses ...string) vip.Status {
	status := vip.Status{Waiting: true}
	for _, address := range addresses {
		status.Slots = append(status.Slots, vip.RoleStatus{Reason: names.ReasonAddressConflict, Address: address})
	}
	return status
}

func TestCrowd(t *testing.T) {
	w := waiters{newMemory()}
	underway := vip.Status{Waiting: true, Recheck: time.Second}
	w.set(key("a"), underway)
	w.set(key("a"), underway)
	w.set(key("b"), underway)
	w.set(key("c"), vip.Status{Waiting: true})
	w.set(key("d"), vip.Status{Recheck: time.Second})
	assert.Equal(t, 1, w.crowd(key("a")), "a Cluster is not its own crowd")
	assert.Equal(t, 2, w.crowd(key("c")), "who has waited for long, or only for its condition, does not count")
	w.set(key("a"), vip.Status{})
	w.forget(key("b"))
	assert.Zero(t, w.crowd(key("c")))
}

func TestWaiters(t *testing.T) {
	w := waiters{newMemory()}
	w.set(key("a"), inConflict("10.0.0.1"))
	w.set(key("b"), inConflict("10.0.0.1", "10.0.0.2"))
	w.set(key("c"), vip.Status{
		Waiting: true, Slots: []vip.RoleStatus{{Reason: names.ReasonPoolExhausted, Address: "10.0.0.1"}},
	})
	w.set(key("d"), vip.Status{})

	assert.ElementsMatch(t, []types.NamespacedName{key("a"), key("b")}, w.inConflict("10.0.0.1"),
		"only who is in conflict about it")
	assert.ElementsMatch(t, []types.NamespacedName{key("b")}, w.inConflict("10.0.0.2"))
	assert.Empty(t, w.inConflict("10.0.0.3"))
	assert.True(t, w.isWaiting(key("c")))
	assert.False(t, w.isWaiting(key("d")), "a served Cluster does not wait")

	w.set(key("b"), inConflict("10.0.0.2"))
	assert.ElementsMatch(t, []types.NamespacedName{key("a")}, w.inConflict("10.0.0.1"), "the last decision counts")
	w.set(key("a"), vip.Status{})
	w.forget(key("b"))
	w.forget(key("c"))
	assert.Empty(t, w.conflicts, "nothing is remembered of who does not wait")
	assert.Empty(t, w.records)
	assert.Zero(t, w.underway)
}
