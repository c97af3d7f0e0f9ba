// Package spread uses all cores for many small tasks of one kind.
package spread

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// portion is how many tasks a goroutine takes at a time, so that goroutines do not wait for each other.
const portion = 16

// Each calls do for 0 to n-1, several at a time, and returns when all are done.
func Each(n int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+portion-1)/portion) {
		group.Go(func() {
			for {
				first := int(next.Add(portion)) - portion
				if first >= n {
					return
				}
				for i := first; i < min(first+portion, n); i++ {
					do(i)
				}
			}
		})
	}
	group.Wait()
}
