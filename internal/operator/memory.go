package operator

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// How much may be allocated on top of the live heap before a collection. Nearly all of a large heap is caches, and a
// settled operator allocates little: less room than Go's 100 % saves a third of the memory with ten thousand Clusters
// and costs next to no CPU. A small heap gets more room, since a few megabytes do not matter and a storm would
// otherwise collect constantly. Go lets a heap grow to 4 MiB times the percentage in any case, so the percentage has
// an upper limit too.
const (
	gcRoom       = 16 << 20
	gcMinPercent = 20
	gcMaxPercent = 200
)

// Go keeps free memory up to a tenth beyond its goal for the heap. A settled operator never grows that far, so memory
// from a start or a storm would stay. LimitGarbage checks every sparePeriod and returns it to the system.
const (
	spareMost   = 8 << 20
	sparePeriod = time.Minute
)

// The metrics of the live heap after the last collection, of the heap in use including garbage, and of free memory
// that was not returned.
const (
	gcLive      = "/gc/heap/live:bytes"
	heapObjects = "/memory/classes/heap/objects:bytes"
	heapFree    = "/memory/classes/heap/free:bytes"
)

// LimitGarbage adapts the GC percentage to the size of the heap. Until ctx ends it also returns spare memory to the
// system. If GOGC is set, it does nothing.
func LimitGarbage(ctx context.Context, lookupEnv options.LookupEnv) {
	if _, set := lookupEnv("GOGC"); set {
		return
	}
	(&collector{}).follow()
	go func() {
		ticker := time.NewTicker(sparePeriod)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if spare() > spareMost {
					debug.FreeOSMemory()
				}
			}
		}
	}()
}

// spare returns how many bytes of the heap are free or could be freed by a collection.
func spare() int64 {
	sample := []metrics.Sample{{Name: gcLive}, {Name: heapObjects}, {Name: heapFree}}
	metrics.Read(sample)
	live, objects, free := sample[0].Value.Uint64(), sample[1].Value.Uint64(), sample[2].Value.Uint64()
	return int64(objects) - int64(live) + int64(free) //nolint:gosec // sizes of a heap
}

// collector sets the GC percentage after each collection.
type collector struct{ percent int }

// follow adjusts the percentage now, and again when the next collection finds the unreferenced mark.
func (c *collector) follow() {
	c.adjust()
	mark := &struct{ self *collector }{c} // with a pointer: tiny objects without one share a block and live as long
	runtime.AddCleanup(mark, (*collector).follow, c)
}

func (c *collector) adjust() {
	sample := []metrics.Sample{{Name: gcLive}}
	metrics.Read(sample)
	if percent := percentFor(sample[0].Value.Uint64()); percent != c.percent {
		debug.SetGCPercent(percent)
		c.percent = percent
	}
}

// percentFor returns the GC percentage for a live heap of that many bytes, which is 0 before the first collection.
func percentFor(live uint64) int {
	return int(min(max(gcMinPercent, gcRoom*100/max(live, 1)), gcMaxPercent))
}
