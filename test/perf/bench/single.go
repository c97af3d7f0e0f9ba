package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// servedTimeout bounds the wait for one Cluster on a quiet plane.
const servedTimeout = 2 * time.Minute

// singles holds the figures of Clusters created one after the other.
type singles struct {
	moments []*moments
	shares  []measure.Share
	costs   measure.Costs
}

// single creates Clusters one after the other, each on a quiet plane.
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

// createOne creates a Cluster and waits until it is served, and then until nothing more happens to it.
func (r *run) createOne(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	if err := r.createServed(ctx, i); err != nil {
		return err
	}
	return r.saying(i, measure.Quiet(ctx, r.bench.plane, measure.Step))
}

// createServed creates a Cluster and waits until it is served.
func (r *run) createServed(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	if err := r.scene.create(ctx, r.seen, i); err != nil {
		return err
	}
	return r.saying(i, plane.Eventually(ctx, func(context.Context) error {
		if m := r.seen.one(clusterName(i)); !r.seen.done(&m) {
			return errors.New("not served yet")
		}
		return nil
	}))
}

// saying adds to an error which Cluster it is about, and the operator's log.
func (r *run) saying(i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cluster %s %s: %w%s", clusterName(i), label(r.operator != nil), err, r.logTail())
}
