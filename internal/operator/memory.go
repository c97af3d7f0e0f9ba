package operator

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

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

// gcLive is the metric of what the last collection left.
const gcLive = "/gc/heap/live:bytes"

// LimitGarbage has garbage collected in time for the size of the heap, from now on, unless GOGC says when.
func LimitGarbage(lookupEnv options.LookupEnv) {
	if _, set := lookupEnv("GOGC"); !set {
		(&collector{}).follow()
	}
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
