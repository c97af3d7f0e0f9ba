// Package bench measures the operator on a real control plane: against the floor, which is the same Clusters with a
// client that only creates the claims, and against the targets of docs/performance.md. All figures come from one
// plane on this machine.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// maxClusters is how many Clusters the pools of a run have addresses for.
const maxClusters = 30000

// These are the parts of a measurement.
const (
	partSingle  = "single"
	partStorm   = "storm"
	partHostile = "hostile"
)

// options are the user's options.
type options struct {
	clusters []int
	repeat   int
	singles  int
	hostile  int
	settle   time.Duration
	only     []string
	binary   string
	dir      string
	args     []string
	verbose  bool
	// floorWrites makes the floor write endpoints too.
	floorWrites bool
}

// Command measures the operator against the floor.
func Command() *cobra.Command {
	o := &options{}
	return measure.Command("bench",
		"Clusters one after the other, in storms, and beside a hostile tenant", o, o.measure)
}

// Flags implements measure.Options.
func (o *options) Flags(fs *pflag.FlagSet) {
	fs.IntSliceVar(&o.clusters, "clusters", []int{100, 1000}, "sizes of the storms")
	fs.IntVar(&o.repeat, "repeat", 3, "how often each storm is run, with and without the operator in turn")
	fs.IntVar(&o.singles, "singles", 50, "how many Clusters are created one after the other")
	fs.IntVar(&o.hostile, "hostile", 500, "how many Clusters the hostile tenant has")
	fs.DurationVar(&o.settle, "settle", 35*time.Second,
		"how long a settled system is watched; the default covers the operator's reconcile period")
	fs.StringSliceVar(&o.only, "only", []string{partSingle, partStorm}, "which parts to run: single, storm, hostile")
	fs.StringVar(&o.binary, "binary", "", "operator to measure; it is built when empty")
	fs.StringArrayVar(&o.args, "operator-arg", nil,
		"further argument of the operator, such as --profiler-address=127.0.0.1:6060; may be repeated")
	fs.StringVar(&o.dir, "dir", "",
		"empty directory in which the plane leaves its logs, the audit log among them; none are left when empty")
	fs.BoolVar(&o.floorWrites, "floor-writes", false,
		"the floor writes the endpoint too, so that Cluster API has to react to it as well")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "show what the plane says as well")
}

// Validate implements measure.Options.
func (o *options) Validate() error {
	var problems []error
	for _, size := range o.clusters {
		if size < 1 || size > maxClusters {
			problems = append(problems, fmt.Errorf("--clusters: %d is not between 1 and %d", size, maxClusters))
		}
	}
	for _, part := range o.only {
		if !slices.Contains([]string{partSingle, partStorm, partHostile}, part) {
			problems = append(problems, fmt.Errorf("--only: %q is none of single, storm and hostile", part))
		}
	}
	if o.repeat < 1 || o.singles < 1 || o.hostile < 1 {
		problems = append(problems, errors.New("--repeat, --singles and --hostile: at least 1"))
	}
	return errors.Join(problems...)
}

func (o *options) measure(ctx context.Context) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	results, err := b.run(ctx)
	return errors.Join(err, results.print(os.Stdout))
}
