package measure

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/plane"
)

// Quiet waits until nobody has written anything to a plane for a while, leases and events aside. Give ctx a deadline.
func Quiet(ctx context.Context, p *plane.Plane, window time.Duration) error {
	ticker := time.NewTicker(window)
	defer ticker.Stop()
	for {
		mark, err := p.Audit().Mark(ctx)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the plane does not settle (its audit log is in %s): %w", p.Dir(), ctx.Err())
		case <-ticker.C:
		}
		entries, err := p.Audit().Since(ctx, mark)
		if err != nil {
			return err
		}
		if len(ObjectWrites(entries)) == 0 {
			return nil
		}
	}
}

// AtOnce does something to all items, several at once, and returns the first error.
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
