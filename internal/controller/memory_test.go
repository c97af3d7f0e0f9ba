package controller

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Whatever is remembered of a Cluster keeps its record, each thing by itself, and nothing outlives the Cluster.
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
