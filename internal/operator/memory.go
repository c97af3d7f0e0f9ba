package operator

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// How much may be allocated before garbage is collected, beside what lives on. Nearly all of a large heap is caches
// that live on, and a settled operator allocates little: less room than the 100 % that Go gives saves a third of the
// memory with ten thousand Clusters and costs next to no CPU. A small heap gets more than that, since a few megabytes
// are nothing and a storm would collect them all the time. Go lets a heap grow to 4 MiB times the percentage in any
// case, so that has a limit too.
const (
	gcRoom       = 16 << 20
	gcMinPercent = 20
	gcMaxPercent = 200
)

// Go keeps free memory up to a tenth beyond the size that it lets the heap grow to. A settled operator does not grow
// there, so what a start or a storm took would stay. It is looked at now and then, and given back.
const (
	spareMost   = 8 << 20
	sparePeriod = time.Minute
)

// The metrics of what the last collection left, of what is in use with the garbage since, and of what is free and was
// not given back.
const (
	gcLive      = "/gc/heap/live:bytes"
	heapObjects = "/memory/classes/heap/objects:bytes"
	heapFree    = "/memory/classes/heap/free:bytes"
)

// LimitGarbage has garbage collected in time for the size of the heap, and memory that is not needed given back to the
// system, until ctx ends; unless GOGC says when to collect.
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

// spare returns how many bytes of the heap a collection would free, or are free.
func spare() int64 {
	sample := []metrics.Sample{{Name: gcLive}, {Name: heapObjects}, {Name: heapFree}}
	metrics.Read(sample)
	live, objects, free := sample[0].Value.Uint64(), sample[1].Value.Uint64(), sample[2].Value.Uint64()
	return int64(objects) - int64(live) + int64(free) //nolint:gosec // sizes of a heap
}

// collector sets what runtime/debug calls the GC percentage anew after each collection.
type collector struct{ percent int }

// follow adjusts, and does so again when the next collection finds the mark that nobody holds.
func (c *collector) follow() {
	c.adjust()
	mark := &struct{ self *collector }{c} // with a pointer: a smaller one would live and die with its neighbours
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

// percentFor returns the GC percentage for a heap of which so many bytes live on; none are known to before the first
// collection.
func percentFor(live uint64) int {
	return int(min(max(gcMinPercent, gcRoom*100/max(live, 1)), gcMaxPercent))
}
