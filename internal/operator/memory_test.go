package operator

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercentFor(t *testing.T) {
	for name, test := range map[string]struct {
		live uint64
		want int
	}{
		"if nothing is known to live, should give it what a small heap may have":   {live: 0, want: 200},
		"if the heap is small, should give it no more":                             {live: 4 << 20, want: 200},
		"if the heap is of middle size, should give it the room of some megabytes": {live: 32 << 20, want: 50},
		"if the heap is large, should give it a share":                             {live: 80 << 20, want: 20},
		"if the heap is huge, should give it that share too":                       {live: 8 << 30, want: 20},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, percentFor(test.live)) })
	}
}

func TestLimitGarbage(t *testing.T) {
	percent := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	LimitGarbage(t.Context(), func(string) (string, bool) { return "77", true })
	require.EqualValues(t, 77, percent(), "GOGC says")

	LimitGarbage(t.Context(), func(string) (string, bool) { return "", false })
	require.Greater(t, percent(), uint64(100), "the heap of a test is small")
	func() {
		ballast := make([][]byte, 200)
		for i := range ballast {
			ballast[i] = make([]byte, 1<<20)
		}
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			runtime.GC()
			assert.EqualValues(c, gcMinPercent, percent())
		}, 10*time.Second, time.Millisecond)
		runtime.KeepAlive(ballast)
	}()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		runtime.GC()
		assert.Greater(c, percent(), uint64(100))
	}, 10*time.Second, time.Millisecond, "the heap is small again")
}

// What a collection frees is spare until it is returned to the system. The runtime also returns it, slowly, so the
// test may try more than once.
func TestSpare(t *testing.T) {
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		func() {
			garbage := make([][]byte, 64)
			for i := range garbage {
				garbage[i] = make([]byte, 1<<20)
			}
			runtime.KeepAlive(garbage)
		}()
		runtime.GC()
		assert.Greater(c, spare(), int64(spareMost))
	}, 30*time.Second, time.Millisecond)
	debug.FreeOSMemory()
	require.Less(t, spare(), int64(spareMost))
}
