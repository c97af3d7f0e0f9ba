package controller

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Anything remembered of a Cluster, even alone, keeps its record, and nothing outlives the Cluster.
func TestMemory(t *testing.T) {
	text := ""
	things := map[string]recollection{
		"run":      {run: &run{}},
		"refused":  {refused: map[vip.Key]refusal{{}: {}}},
		"unusable": {unusable: map[string]netip.Addr{"": {}}},
		"probed":   {probed: map[netip.Addr]*probed{{}: {}}},
		"wait":     {wait: &waiting{}},
		"asked":    {asked: map[string]time.Time{"": {}}},
		"warned":   {warned: &text},
		"idle":     {idle: idleState{version: 1}},
	}
	for i := range reflect.TypeFor[recollection]().NumField() {
		name := reflect.TypeFor[recollection]().Field(i).Name
		t.Run(name, func(t *testing.T) {
			thing, known := things[name]
			assert.True(t, known, "it is in the table above")
			m := newMemory()
			m.of(key("a"), func(r *recollection) { *r = thing })
			assert.Len(t, m.records, 1)
			m.forget(key("a"))
			assert.Empty(t, m.records)
		})
	}
	m := newMemory()
	m.of(key("a"), func(*recollection) {})
	assert.Empty(t, m.records, "nothing is remembered of whom there is nothing to remember of")
}

// A Cluster is idle as long as neither it nor anything else changes, and nothing is remembered of it that time may
// change.
func TestIdle(t *testing.T) {
	cluster := &capi.Cluster{}
	state := idleState{cluster, 7}
	m := newMemory()
	assert.False(t, m.isIdle(key("a"), state), "nobody has looked at it")
	m.noteIdle(key("a"), state)
	assert.True(t, m.isIdle(key("a"), state))
	assert.False(t, m.isIdle(key("b"), state))
	assert.False(t, m.isIdle(key("a"), idleState{cluster, 8}), "something else has changed")
	assert.False(t, m.isIdle(key("a"), idleState{&capi.Cluster{}, 7}),
		"the Cluster has changed, and nobody has told of it yet")
	m.of(key("a"), func(r *recollection) { r.run = &run{} })
	assert.False(t, m.isIdle(key("a"), state), "it was written to")
	m.noteIdle(key("a"), idleState{cluster, 8})
	m.of(key("a"), func(r *recollection) { r.run = nil })
	assert.False(t, m.isIdle(key("a"), idleState{cluster, 8}), "it was remembered when that was said")
	m.noteIdle(key("a"), idleState{cluster, 8})
	text := ""
	m.of(key("a"), func(r *recollection) { r.warned = &text })
	assert.True(t, m.isIdle(key("a"), idleState{cluster, 8}), "what was warned of changes nothing")
}
