package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

type condition = metav1.Condition

const (
	// lifetime bounds a life.
	lifetime = 2 * time.Minute
	// restTimeout bounds the wait until the operator has nothing left to do.
	restTimeout = 2 * time.Minute
)

// run lets Clusters come and go and looks at the operator now and then. On error it returns what it has seen so far.
func run(ctx context.Context, options *options) (_ *results, err error) {
	r := newResults()
	dir, remove, err := tempDir()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	w, err := newWorld(ctx, dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	operator, err := startOperator(ctx, w, options)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, operator.Kill()) }()
	random := rand.New(rand.NewPCG(options.seed, 0))
	if _, err := w.cycle(ctx, options, random, options.warmup); err != nil {
		return r, fmt.Errorf("%w\nthe operator's log ends with:\n%s", err, operator.LogTail(20))
	}
	for cycles := 0; ; cycles += options.every {
		s, err := w.look(ctx, operator, options, cycles)
		if err != nil {
			return r, err
		}
		r.samples = append(r.samples, s)
		_, _ = fmt.Fprintln(options.progress, s)
		if cycles+options.every > options.cycles {
			return r, nil
		}
		begin := time.Now()
		lived, err := w.cycle(ctx, options, random, options.every)
		if err != nil {
			return r, fmt.Errorf("%w\nthe operator's log ends with:\n%s", err, operator.LogTail(20))
		}
		r.add(lived, time.Since(begin))
	}
}

func startOperator(ctx context.Context, w *world, options *options) (*harness.Operator, error) {
	operator, err := harness.StartOperator(ctx, nil, harness.OperatorOptions{
		Binary: options.binary, Kubeconfig: w.kubeconfig,
		// The defaults are not meant for a day's work in minutes.
		Args: []string{
			"--profiler-address=127.0.0.1:0", "--kube-api-qps=100000", "--kube-api-burst=100000",
			"--max-concurrent-reconciles=32",
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	if err := operator.WaitServing(ctx); err != nil {
		return nil, errors.Join(err, operator.Kill())
	}
	return operator, nil
}

// sample is what the operator holds after so many Clusters have come and gone.
type sample struct {
	cycles     int
	heap       int64
	goroutines int
	series     int
	files      int
	rss        int64
}

func (s sample) String() string {
	return fmt.Sprintf("%7d cycles: heap %6.2f MiB, RSS %5.1f MiB, %d goroutines, %d series, %d open files",
		s.cycles, float64(s.heap)/(1<<20), float64(s.rss)/(1<<20), s.goroutines, s.series, s.files)
}

// settle measures until the heap stops shrinking, and keeps the lowest values of all but the series: events are still
// being sent when all else is done, and now and then the operator asks which APIs are served. What has leaked is there
// each time.
func (s *sample) settle(ctx context.Context, operator *harness.Operator) error {
	const step, shrinks, enough = 500 * time.Millisecond, 32 << 10, 4
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		heap, err := operator.Heap(ctx)
		if err != nil {
			return err
		}
		metrics, err := operator.Metrics(ctx)
		if err != nil {
			return err
		}
		seen := sample{
			heap: heap, goroutines: int(metrics.Value("go_goroutines", nil)),
			files: int(metrics.Value("process_open_fds", nil)),
		}
		if looks == 1 {
			s.heap, s.goroutines, s.files = seen.heap, seen.goroutines, seen.files
		}
		shrank := seen.heap <= s.heap-shrinks
		s.heap, s.goroutines, s.files = min(s.heap, seen.heap), min(s.goroutines, seen.goroutines),
			min(s.files, seen.files)
		s.series = 0
		for _, family := range metrics {
			s.series += len(family.GetMetric())
		}
		if looks >= enough && !shrank {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// look waits until the operator has nothing left to do and measures what it holds.
func (w *world) look(ctx context.Context, operator *harness.Operator, options *options, cycles int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	s := sample{cycles: cycles}
	err := plane.Eventually(ctx, func(ctx context.Context) error {
		if err := w.bare(); err != nil {
			return err
		}
		metrics, err := operator.Metrics(ctx)
		if err != nil {
			return err
		}
		if queued := metrics.Value("workqueue_depth", nil) +
			metrics.Value("workqueue_unfinished_work_seconds", nil); queued > 0 {
			return errors.New("the operator still has something to do")
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if err := s.settle(ctx, operator); err != nil {
		return s, err
	}
	usage, err := operator.Usage()
	if err != nil {
		return s, err
	}
	s.rss = usage.RSS
	if options.profiles == "" {
		return s, nil
	}
	profile, err := operator.Profile(ctx, "heap?gc=1")
	if err != nil {
		return s, err
	}
	return s, os.WriteFile(filepath.Join(options.profiles, fmt.Sprintf("heap-%d.pprof", cycles)), profile, 0o600)
}
