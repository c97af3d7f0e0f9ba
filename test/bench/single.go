package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/measure"
	"github.com/gorizond/capi-vip-allocator/test/plane"
)

// servedTimeout bounds the wait for one Cluster on a quiet plane.
const servedTimeout = 2 * time.Minute

// singles is what Clusters that are created one after the other took.
type singles struct {
	moments []*moments
	shares  []measure.Share
	costs   measure.Costs
}

// single creates Clusters one after the other, each on a plane that has come to rest.
func (b *bench) single(ctx context.Context, withOperator, last bool) (*singles, error) {
	b.say("%d Clusters one after the other, %s", b.options.singles, label(withOperator))
	run, err := b.begin(ctx, withOperator)
	if err != nil {
		return nil, err
	}
	defer run.abandon()
	for i := range b.options.singles {
		if err := run.createOne(ctx, i); err != nil {
			return nil, err
		}
	}
	result := &singles{costs: run.meter.Read()}
	entries, err := b.plane.Audit().Since(ctx, run.mark)
	if err != nil {
		return nil, err
	}
	result.shares = measure.Shares(entries, run.scene.name)
	result.moments, err = run.end(ctx, last)
	return result, err
}

// createOne creates a Cluster, waits until it is served, and then until nothing happens to it any more.
func (r *run) createOne(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	if err := r.scene.create(ctx, r.seen, i); err != nil {
		return err
	}
	name := clusterName(i)
	err := plane.Eventually(ctx, func(context.Context) error {
		if m := r.seen.one(name); !r.seen.done(&m) {
			return errors.New("not served yet")
		}
		return nil
	})
	if err == nil {
		err = measure.Quiet(ctx, r.bench.plane, measure.Step)
	}
	if err != nil {
		return fmt.Errorf("cluster %s %s: %w%s", name, label(r.operator != nil), err, r.logTail())
	}
	return nil
}
