package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestPace(t *testing.T) {
	const every = 10 * time.Second
	key, other := types.NamespacedName{Namespace: "ns", Name: "fought-over"},
		types.NamespacedName{Namespace: "ns", Name: "other"}
	begin := time.Unix(1e9, 0)
	exhausted := func(refused ...vip.Warning) pace {
		p := pace{newMemory(), every}
		for range writesInARow {
			require.Zero(t, p.wait(key, nil, begin))
			p.wrote(key, nil, refused, begin)
		}
		return p
	}
	t.Run("if a Cluster was written to as often as may be, should let it wait, and no other", func(t *testing.T) {
		p := exhausted()
		assert.Empty(t, p.warnings(key), "nobody had to wait so far")
		assert.Equal(t, every, p.wait(key, nil, begin))
		assert.Zero(t, p.wait(other, nil, begin))
		assert.Empty(t, p.warnings(other))
		require.Len(t, p.warnings(key), 1)
		assert.Equal(t, names.EventWritesContested, p.warnings(key)[0].Reason)
	})
	t.Run("if it has waited, should let one more write pass and go on saying why", func(t *testing.T) {
		p := exhausted()
		p.wait(key, nil, begin)
		later := begin.Add(every)
		assert.Zero(t, p.wait(key, nil, later))
		p.wrote(key, nil, nil, later)
		assert.Equal(t, every, p.wait(key, nil, later))
		assert.Len(t, p.warnings(key), 1)
	})
	t.Run("if the API server refused the writes, should say that instead", func(t *testing.T) {
		refused := vip.Warning{Reason: names.EventWriteRefused, Message: "too large"}
		p := exhausted(refused)
		p.wait(key, nil, begin)
		assert.Equal(t, []vip.Warning{refused}, p.warnings(key))
	})
	t.Run("if all has been quiet for long, should forget the Cluster", func(t *testing.T) {
		p := exhausted()
		p.wait(key, nil, begin)
		p.settled(key, begin.Add(every))
		assert.Len(t, p.warnings(key), 1, "it may begin again")
		p.settled(key, begin.Add(writesInARow*every))
		assert.Empty(t, p.records)
	})
	t.Run("if one write is repeated, should let it wait, and what is new with it not", func(t *testing.T) {
		endpoint, ingress := vip.Key{Verb: "set endpoint"}, vip.Key{Verb: "set annotation", Role: "ingress"}
		p := pace{newMemory(), every}
		for range sameInARow {
			require.Zero(t, p.wait(key, []vip.Key{endpoint}, begin))
			p.wrote(key, []vip.Key{endpoint}, nil, begin)
		}
		assert.Equal(t, every, p.wait(key, []vip.Key{endpoint}, begin))
		assert.Equal(t, names.EventWritesContested, p.warnings(key)[0].Reason)
		assert.Zero(t, p.wait(key, []vip.Key{ingress}, begin))
		assert.Zero(t, p.wait(key, []vip.Key{endpoint, ingress}, begin))
		assert.Zero(t, p.wait(key, []vip.Key{endpoint}, begin.Add(every)))
		p.wrote(key, []vip.Key{ingress}, nil, begin.Add(sameInARow*every))
		assert.Len(t, p.records[key].run.same, 1, "what is not repeated any more is forgotten")
	})
	t.Run("if the Cluster is gone, should forget it", func(t *testing.T) {
		p := exhausted()
		p.forget(key)
		assert.Empty(t, p.records)
	})
	t.Run("if the clock jumps back, should not wait for it to come round again", func(t *testing.T) {
		p := exhausted()
		assert.LessOrEqual(t, p.wait(key, nil, begin.Add(-time.Hour)), every)
	})
}
