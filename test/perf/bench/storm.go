package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// stormTimeout bounds a storm: a second for each Cluster is ten times what it takes.
func stormTimeout(size int) time.Duration { return servedTimeout + time.Duration(size)*time.Second }

// storm holds the figures of many Clusters created at once.
type storm struct {
	took      time.Duration
	moments   []*moments
	shares    []measure.Share
	writes    map[string]int
	refused   int
	conflicts map[string]int
	costs     measure.Costs
	memory    harness.Usage

	settledWrites map[string]int
	settledMemory int64
	settledCPU    float64
}

// pair is a storm on the floor and one of the same size with the operator, one after the other.
type pair struct {
	size            int
	floor, operator *storm
}

// storm creates many Clusters at once and waits until all are served and the plane is quiet again.
func (b *bench) storm(ctx context.Context, size int, withOperator, last bool) (*storm, error) {
	b.say("storm of %d Clusters, %s", size, label(withOperator))
	run, err := b.begin(ctx, withOperator)
	if err != nil {
		return nil, err
	}
	defer run.abandon()
	result := &storm{}
	begin := time.Now()
	if err := run.weather(ctx, size); err != nil {
		return nil, err
	}
	result.took = time.Since(begin)
	result.costs = run.meter.Read()
	b.say("  served after %s, machine used by others: %.0f%%", measure.Seconds(result.took), 100*result.costs.Foreign)
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	entries, err := b.plane.Audit().Since(ctx, run.mark)
	if err != nil {
		return nil, err
	}
	result.writes, result.refused = measure.OperatorWrites(entries)
	result.shares = measure.Shares(entries, run.scene.name)
	result.conflicts = measure.Conflicts(entries, measure.CAPIUser)
	if withOperator {
		if err := run.settled(ctx, result); err != nil {
			return nil, err
		}
	}
	result.moments, err = run.end(ctx, last)
	return result, err
}

// weather creates the Clusters and waits until all are served. It polls often, since the end of the wait ends the
// measurement.
func (r *run) weather(ctx context.Context, size int) error {
	ctx, cancel := context.WithTimeout(ctx, stormTimeout(size))
	defer cancel()
	if err := r.scene.createAll(ctx, r.seen, size); err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		missing := r.seen.missing()
		if missing == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d Clusters were not served: %w%s", missing, size, ctx.Err(), r.logTail())
		case <-ticker.C:
		}
	}
}

// settled watches a system with nothing left to do: the operator must not write.
func (r *run) settled(ctx context.Context, result *storm) error {
	before, err := r.operator.Usage()
	if err != nil {
		return err
	}
	mark, err := r.bench.plane.Audit().Mark(ctx)
	if err != nil {
		return err
	}
	r.bench.say("  settled; watching for %s", r.bench.options.settle)
	window := time.NewTimer(r.bench.options.settle)
	defer window.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-window.C:
	}
	entries, err := r.bench.plane.Audit().Since(ctx, mark)
	if err != nil {
		return err
	}
	result.settledWrites, _ = measure.OperatorWrites(entries)
	after, err := r.operator.Usage()
	if err != nil {
		return err
	}
	result.memory, result.settledMemory = after, after.RSS
	result.settledCPU = float64(after.CPU-before.CPU) / float64(r.bench.options.settle)
	return nil
}
