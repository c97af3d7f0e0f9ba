package measure

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Step is how long nobody writes once a Cluster has been served and everything that follows is done: Cluster API
// takes several steps with a Cluster and, since 1.14, up to a second between them.
const Step = 1200 * time.Millisecond

// Quiet waits until nobody has written anything to a plane for a while, except for leases and events. Give ctx a
// deadline.
func Quiet(ctx context.Context, p *plane.Plane, window time.Duration) error {
	mark, err := p.Audit().Mark(ctx)
	if err != nil {
		return err
	}
	timer := time.NewTimer(window)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the plane does not settle (its audit log is in %s): %w", p.Dir(), ctx.Err())
		case <-timer.C:
		}
		entries, err := p.Audit().Since(ctx, mark)
		if err != nil {
			return err
		}
		writes := ObjectWrites(entries)
		if len(writes) == 0 {
			return nil
		}
		last := writes[len(writes)-1]
		left := window - time.Since(last.Time.Add(last.Duration))
		if left <= 0 {
			return nil
		}
		timer.Reset(left)
	}
}

// AtOnce calls do for all items, several at once, and returns the first error.
func AtOnce[T any](ctx context.Context, hands int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var workers sync.WaitGroup
	for range hands {
		workers.Go(func() {
			for item := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
