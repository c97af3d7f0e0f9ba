package bench

import (
	"context"
	"fmt"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// processBench names this process among the costs of a run.
const processBench = "bench and fake provider"

// run is one measurement in progress: a scene, someone who serves its Clusters, and an observer.
type run struct {
	bench    *bench
	scene    *scene
	seen     *observer
	mark     plane.Mark
	meter    *measure.Meter
	operator *harness.Operator // nil without it
	floor    *floor            // nil with the operator
}

func label(withOperator bool) string {
	if withOperator {
		return "with the operator"
	}
	return "floor"
}

// begin prepares a run on a quiet plane.
func (b *bench) begin(ctx context.Context, withOperator bool) (_ *run, err error) {
	r := &run{bench: b}
	if r.scene, err = b.newScene(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.abandon()
		}
	}()
	done := (*moments).bound
	if b.options.floorWrites {
		done = (*moments).boundAndWritten
	}
	if withOperator {
		done = (*moments).served
		r.operator, err = b.startOperator(ctx)
	} else {
		r.floor, err = startFloor(ctx, r.scene)
	}
	if err != nil {
		return nil, err
	}
	if r.seen, err = observe(ctx, b.client, r.scene.name, done); err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	if r.mark, err = b.plane.Audit().Mark(ctx); err != nil {
		return nil, err
	}
	r.meter = measure.StartMeter(b.plane, r.operator, processBench)
	return r, nil
}

// abandon stops what is still running. After end nothing is.
func (r *run) abandon() {
	if r.seen != nil {
		r.seen.close()
	}
	if r.floor != nil {
		_ = r.floor.close() // the run has failed for another reason
	}
	if r.operator != nil {
		_ = r.operator.Kill() // likewise
	}
}

// end removes everything the run made, so that the next one finds the same plane, and returns what was seen. After
// the last run the whole plane goes.
func (r *run) end(ctx context.Context, last bool) ([]*moments, error) {
	r.seen.close()
	seen := r.seen.all()
	if r.floor != nil {
		if err := r.floor.close(); err != nil {
			return nil, err
		}
		r.floor = nil
	}
	if last {
		return seen, nil
	}
	r.bench.say("  cleaning up")
	if err := r.scene.clear(ctx); err != nil {
		return nil, fmt.Errorf("%w%s", err, r.logTail())
	}
	if r.operator != nil {
		exit, err := r.operator.Stop(ctx)
		if err == nil && exit.Code != 0 {
			err = fmt.Errorf("the operator ended with code %d", exit.Code)
		}
		if err != nil {
			return nil, fmt.Errorf("%w%s", err, r.logTail())
		}
		r.operator = nil
	}
	return seen, r.bench.refresh(ctx)
}

// logTail returns the end of the operator's log for an error message.
func (r *run) logTail() string {
	if r.operator == nil {
		return ""
	}
	return "\nthe operator's log ends with:\n" + r.operator.LogTail(20)
}
