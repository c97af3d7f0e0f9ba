package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// figures are what was measured with so many Clusters.
type figures struct {
	// size is how many Clusters the operator manages.
	size int
	// operator is the index of the measured operator: the one in question, or one that it is compared with.
	operator int
	settled  settled
	starts   []start
	shares   measure.Sample[time.Duration]
	// lists and checks are how long the plugin takes for its most common questions, fetches how long the lists alone
	// take.
	lists, checks, fetches measure.Sample[time.Duration]
	wakings                []waking
}

// settled is what the operator does while nothing happens.
type settled struct {
	// writes are by request; looks are at Clusters, at most atMost.
	writes        map[string]int
	looks, atMost int
	cpu           float64
	rss, peak     int64
	heap          int64
	foreign       float64
}

// start is one start of the operator among Clusters that are served.
type start struct {
	// ready is until it serves, done until it has looked at every Cluster.
	ready, done time.Duration
	// bare is how long client-go's informers alone take to hold the same objects.
	bare   time.Duration
	looks  int
	writes map[string]int
	// others is how often others changed a Cluster or a claim meanwhile; each change justifies a look.
	others int
	peak   int64
	cpu    time.Duration
}

// measure fills the plane up to a size and takes all measurements of an operator.
func (g *rig) measure(ctx context.Context, size, operator int) (*figures, error) {
	g.binary = append([]string{g.options.binary}, g.options.against...)[operator]
	g.say("%d Clusters, %s", size, g.binary)
	if err := g.fill(ctx, size); err != nil {
		return nil, err
	}
	f := &figures{size: g.filled + g.served, operator: operator}
	for _, step := range []func(context.Context, *figures) error{
		g.starts, g.settled, g.newcomers, g.wakings, g.plugin,
	} {
		if err := step(ctx, f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// starts starts the operator repeatedly, killing it in between.
func (g *rig) starts(ctx context.Context, f *figures) error {
	for i := range g.options.restarts {
		g.say("  start %d", i+1)
		s, err := g.once(ctx, f.size)
		if err != nil {
			return err
		}
		if s.bare, err = g.bare(ctx); err != nil {
			return err
		}
		f.starts = append(f.starts, s)
	}
	return nil
}

// once starts the operator, waits until it has looked at all Clusters, and kills it.
func (g *rig) once(ctx context.Context, size int) (_ start, err error) {
	var s start
	mark, err := g.plane.Audit().Mark(ctx)
	if err != nil {
		return s, err
	}
	begin := time.Now()
	// No reconcile period ends meanwhile, so every look is due to the start.
	operator, ready, err := g.start(ctx, never)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, operator.Kill()) }()
	s.ready = ready
	if err := awaitLooks(ctx, operator, size); err != nil {
		return s, err
	}
	s.done = time.Since(begin)
	if s.looks, err = g.rest(ctx, operator, size); err != nil {
		return s, err
	}
	usage, err := operator.Usage()
	if err != nil {
		return s, err
	}
	s.peak, s.cpu = usage.PeakRSS, usage.CPU
	if s.writes, err = g.writes(ctx, mark); err != nil {
		return s, err
	}
	s.others, err = g.others(ctx, mark)
	return s, err
}

const (
	// never is the longest reconcile period there is.
	never = 24 * time.Hour
	// restWindow is how long an idle operator looks at nothing.
	restWindow = 2 * time.Second
)

// rest waits until the operator has looked at Clusters so many times and then looks no more. It returns the number of
// looks.
func (g *rig) rest(ctx context.Context, operator *harness.Operator, times int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := awaitLooks(ctx, operator, times); err != nil {
		return 0, err
	}
	ticker := time.NewTicker(restWindow)
	defer ticker.Stop()
	last := -1
	for {
		seen, err := looks(ctx, operator)
		if err != nil {
			return 0, err
		}
		if seen == last {
			return seen, nil
		}
		last = seen
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the operator does not come to rest: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// writes counts the writes that the operator has requested since a mark, by request.
func (g *rig) writes(ctx context.Context, since plane.Mark) (map[string]int, error) {
	entries, err := g.plane.Audit().Since(ctx, since)
	if err != nil {
		return nil, err
	}
	ours := entries.ByUser(harness.User).Writes().Filter(func(e plane.Entry) bool { return e.Resource != "leases" })
	return ours.CountBy(plane.Entry.Request), nil
}

// others counts the writes by others since a mark to what the operator watches: Cluster API looks at its own Clusters
// now and then, and may write to them.
func (g *rig) others(ctx context.Context, since plane.Mark) (int, error) {
	entries, err := g.plane.Audit().Since(ctx, since)
	if err != nil {
		return 0, err
	}
	watched := []string{clusters.Resource, claims.Resource, addresses.Resource}
	return len(entries.Writes().Filter(func(e plane.Entry) bool {
		return e.User != harness.User && slices.Contains(watched, e.Resource)
	})), nil
}

// scrape is how often Prometheus scrapes metrics in many installations.
const scrape = 30 * time.Second

// settled watches the operator while nothing happens, and scrapes it as Prometheus would.
func (g *rig) settled(ctx context.Context, f *figures) (err error) {
	operator, _, err := g.start(ctx, g.options.reconcile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, operator.Kill()) }()
	if err := awaitLooks(ctx, operator, f.size); err != nil {
		return err
	}
	window := g.options.smaller
	if g.options.largest(g.filled) {
		window = g.options.settled
	}
	g.say("  settled; watching for %s", window)
	mark, err := g.plane.Audit().Mark(ctx)
	if err != nil {
		return err
	}
	meter := measure.StartMeter(g.plane, operator, "scale")
	before, err := looks(ctx, operator)
	if err != nil {
		return err
	}
	if err := g.watch(ctx, operator, f, window); err != nil {
		return err
	}
	costs := meter.Read()
	after, err := looks(ctx, operator)
	if err != nil {
		return err
	}
	f.settled.looks = after - before
	f.settled.atMost = f.size * (int(costs.Wall/g.options.reconcile) + 1)
	f.settled.cpu = float64(costs.CPU[measure.ProcessOperator]) / float64(costs.Wall)
	f.settled.foreign = costs.Foreign
	if f.settled.writes, err = g.writes(ctx, mark); err != nil {
		return err
	}
	// What follows costs the operator more than everything that it does by itself.
	if f.settled.heap, err = operator.Heap(ctx); err != nil {
		return err
	}
	return g.profile(ctx, operator, f)
}

// watch waits while the operator is settled, and records its memory.
func (g *rig) watch(ctx context.Context, operator *harness.Operator, f *figures, window time.Duration) error {
	end := time.NewTimer(window)
	defer end.Stop()
	ticker := time.NewTicker(scrape)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-operator.Exited():
			return fmt.Errorf("the operator ended with code %d:\n%s", operator.ExitCode(), operator.LogTail(20))
		case <-ticker.C:
			if _, err := operator.Scrape(ctx); err != nil {
				return err
			}
		case <-end.C:
			usage, err := operator.Usage()
			f.settled.rss, f.settled.peak = usage.RSS, usage.PeakRSS
			return err
		}
	}
}

// profile saves profiles of the settled operator, if requested: the CPU over one reconcile period, and the heap.
func (g *rig) profile(ctx context.Context, operator *harness.Operator, f *figures) error {
	if g.options.profiles == "" {
		return nil
	}
	for name, query := range map[string]string{
		"cpu":  fmt.Sprintf("profile?seconds=%d", int(g.options.reconcile.Seconds())+1),
		"heap": "heap?gc=1",
	} {
		data, err := operator.Profile(ctx, query)
		if err != nil {
			return err
		}
		path := filepath.Join(g.options.profiles, fmt.Sprintf("%s-%d-%d.pprof", name, f.size, f.operator))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return fmt.Errorf("keep a profile: %w", err)
		}
	}
	return nil
}
