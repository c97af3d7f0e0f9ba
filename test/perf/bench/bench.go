package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// startTimeout bounds the start of the operator.
	startTimeout = time.Minute
	// quietWindow is how long nobody may write before the plane counts as settled.
	quietWindow = 3 * time.Second
	// quietTimeout bounds the wait for that.
	quietTimeout = 10 * time.Minute
)

// bench is a plane and what is needed to measure on it.
type bench struct {
	options *options
	plane   *plane.Plane
	client  dynamic.Interface
	scenes  int
}

func newBench(ctx context.Context, options *options) (_ *bench, err error) {
	b := &bench{options: options}
	log := io.Discard
	if options.verbose {
		log = os.Stderr
	}
	b.say("starting the plane")
	if b.plane, err = plane.Start(
		ctx, plane.Options{Log: log, Dir: options.dir, KeepDir: options.dir != ""},
	); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	config := b.plane.Config()
	config.UserAgent = "bench"
	if b.client, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	if err := harness.Grant(ctx, b.plane); err != nil {
		return nil, err
	}
	if options.binary == "" {
		if options.binary, err = harness.BuildOperator(ctx, false); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) close() error { return errors.Join(b.plane.Stop(), harness.CleanBuilds()) }

// say reports progress; the results go elsewhere.
func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// run takes all measurements. Runs with and without the operator alternate, so that both see the same machine. On
// error it returns what was measured so far.
func (b *bench) run(ctx context.Context) (*results, error) {
	r := &results{options: b.options, machine: measure.DescribeMachine()}
	storms := slices.Contains(b.options.only, partStorm)
	if slices.Contains(b.options.only, partSingle) {
		for _, target := range []**singles{&r.floorSingles, &r.operatorSingles} {
			var err error
			withOperator := target == &r.operatorSingles
			if *target, err = b.single(ctx, withOperator, withOperator && len(b.options.only) == 1); err != nil {
				return r, err
			}
		}
	}
	if storms {
		if err := b.storms(ctx, r); err != nil {
			return r, err
		}
	}
	if slices.Contains(b.options.only, partHostile) { // last: nothing should be measured beside what it leaves behind
		var err error
		if r.siege, err = b.hostile(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// storms runs all storms, each as often as requested.
func (b *bench) storms(ctx context.Context, r *results) error {
	hostile := slices.Contains(b.options.only, partHostile)
	for repeat := range b.options.repeat {
		for i, size := range b.options.clusters {
			last := !hostile && repeat == b.options.repeat-1 && i == len(b.options.clusters)-1
			pair, err := b.pair(ctx, size, repeat%2 == 1, last)
			if err != nil {
				return err
			}
			r.pairs = append(r.pairs, pair)
		}
	}
	return nil
}

// pair runs a storm without and with the operator. The order changes from pair to pair, so that neither always finds
// the younger plane.
func (b *bench) pair(ctx context.Context, size int, operatorFirst, last bool) (pair, error) {
	p := pair{size: size}
	order := []**storm{&p.floor, &p.operator}
	if operatorFirst {
		slices.Reverse(order)
	}
	for i, target := range order {
		var err error
		if *target, err = b.storm(ctx, size, target == &p.operator, last && i == len(order)-1); err != nil {
			return p, err
		}
	}
	return p, nil
}

// startOperator starts the operator and waits until it serves.
func (b *bench) startOperator(ctx context.Context) (*harness.Operator, error) {
	operator, err := harness.StartOperator(ctx, b.plane, harness.OperatorOptions{
		Binary: b.options.binary, Args: b.options.args,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := operator.WaitServing(ctx); err != nil {
		return nil, errors.Join(err, operator.Kill())
	}
	return operator, nil
}

// refresh restarts the providers after a run, so that none carries memory over into the next one.
func (b *bench) refresh(ctx context.Context) error {
	for _, name := range []plane.Component{plane.CAPI, plane.IPAM} {
		if err := b.plane.RestartComponent(ctx, name); err != nil {
			return fmt.Errorf("restart %s between two runs: %w", name, err)
		}
	}
	return b.quiet(ctx)
}

// quiet waits until nobody has written anything for a while, except for leases and events.
func (b *bench) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quietTimeout)
	defer cancel()
	return measure.Quiet(ctx, b.plane, quietWindow)
}
