// Package scale measures the operator on a real control plane with up to ten thousand Clusters that are already
// served: what it writes, computes and remembers while nothing happens, how it starts among them, how it serves one
// more, and which Clusters a changed pool wakes. All figures come from one plane on this machine.
//
// One Cluster is really served, by Cluster API, the IPAM provider and the operator. All others are copies of the
// result, so they cannot differ from what is served; the proof is that the operator finds nothing to write.
package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// options are the user's options.
type options struct {
	sizes     []int
	settled   time.Duration
	smaller   time.Duration
	reconcile time.Duration
	restarts  int
	newcomers int
	seed      uint64
	binary    string
	against   []string
	dir       string
	profiles  string
	verbose   bool
	// progress receives progress messages.
	progress io.Writer
}

// Command measures the operator at each size.
func Command() *cobra.Command {
	o := &options{progress: os.Stderr}
	return measure.Command("scale", "Up to ten thousand Clusters that are served: what they cost", o, o.measure)
}

// Flags implements measure.Options.
func (o *options) Flags(fs *pflag.FlagSet) {
	fs.IntSliceVar(&o.sizes, "sizes", []int{100, 1000, 10000},
		"how many Clusters to measure with, one after the other on one plane")
	fs.DurationVar(&o.settled, "settled", 10*time.Minute, "how long a settled system is watched at the largest size")
	fs.DurationVar(&o.smaller, "settled-smaller", 2*time.Minute, "how long it is watched at the other sizes")
	fs.DurationVar(&o.reconcile, "reconcile-period", 30*time.Second,
		"the operator's reconcile period while it is watched")
	fs.IntVar(&o.restarts, "restarts", 3, "how often the operator is killed and started at each size")
	fs.IntVar(&o.newcomers, "newcomers", 30, "how many more Clusters are served, one after the other, at each size")
	fs.Uint64Var(&o.seed, "seed", 1, "chooses the classes whose pools are changed")
	fs.StringVar(&o.binary, "binary", "", "operator to measure; it is built when empty")
	fs.StringSliceVar(&o.against, "against", nil, "further operators to measure beside it, on the same plane")
	fs.StringVar(&o.dir, "dir", "",
		"empty directory in which the plane leaves its logs, the audit log among them; none are left when empty")
	fs.StringVar(&o.profiles, "profiles", "",
		"directory for profiles of CPU and heap at each size; none are taken when empty")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "show what the plane says as well")
}

// Validate implements measure.Options.
func (o *options) Validate() error {
	var problems []error
	if len(o.sizes) == 0 {
		problems = append(problems, errors.New("--sizes: name at least one"))
	}
	for i, size := range o.sizes {
		if size < 1 || size > maxClusters {
			problems = append(problems, fmt.Errorf("--sizes: %d is not between 1 and %d", size, maxClusters))
		}
		if i > 0 && size <= o.sizes[i-1] {
			problems = append(problems, fmt.Errorf("--sizes: %d follows %d: the plane only grows", size, o.sizes[i-1]))
		}
	}
	if o.restarts < 1 || o.newcomers < 1 {
		problems = append(problems, errors.New("--restarts and --newcomers: at least 1"))
	}
	if o.settled < o.reconcile || o.smaller < o.reconcile {
		problems = append(problems, errors.New("--settled and --settled-smaller: at least the --reconcile-period"))
	}
	return errors.Join(problems...)
}

// largest reports whether a size is the last one.
func (o *options) largest(size int) bool { return size == slices.Max(o.sizes) }

func (o *options) measure(ctx context.Context) error {
	results, err := run(ctx, o)
	return errors.Join(err, results.print(os.Stdout), results.broken())
}

// run takes all measurements. On error it returns what was measured so far.
func run(ctx context.Context, options *options) (_ *results, err error) {
	r := newResults(options)
	g, err := newRig(ctx, options)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.serveModel(ctx); err != nil {
		return r, err
	}
	for _, size := range options.sizes {
		for i := range 1 + len(options.against) {
			figures, err := g.measure(ctx, size, i)
			if figures != nil {
				r.sizes = append(r.sizes, figures)
			}
			if err != nil {
				return r, fmt.Errorf("with %d Clusters: %w", size, err)
			}
		}
	}
	return r, nil
}
