// Package soak takes the operator through the lives of a hundred thousand Clusters in minutes, against an API server
// in memory and a stubbed IPAM provider, and checks whether anything of them stays behind: in its heap, goroutines or
// metrics. The operator is the real program; its memory is measured from outside, by its own diagnostics.
package soak

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// options are the user's options.
type options struct {
	cycles, every, warmup int
	hands                 int
	seed                  uint64
	binary                string
	profiles              string
	progress              io.Writer
}

// Command lets Clusters come and go, and fails if the operator retains anything of them.
func Command() *cobra.Command {
	o := &options{progress: os.Stderr}
	return measure.Command("soak", "100,000 Clusters come and go: what stays behind in memory", o, o.measure)
}

// Flags implements measure.Options.
func (o *options) Flags(fs *pflag.FlagSet) {
	fs.IntVar(&o.cycles, "cycles", 100_000, "how many Clusters come and go")
	fs.IntVar(&o.every, "every", 10_000, "after how many of them the operator is looked at")
	fs.IntVar(&o.warmup, "warmup", 20_000,
		"how many come and go before that: 12,000 or more fill the caches of the events, which are bounded")
	fs.IntVar(&o.hands, "hands", 64, "how many Clusters live at once")
	fs.Uint64Var(&o.seed, "seed", 1, "chooses the lives")
	fs.StringVar(&o.binary, "binary", "", "operator to measure; it is built when empty")
	fs.StringVar(&o.profiles, "profiles", "", "directory for heap profiles; none are taken when empty")
}

// Validate implements measure.Options.
func (o *options) Validate() error {
	if o.every < 1 || o.cycles < 3*o.every || o.hands < 1 || o.warmup < 0 {
		return errors.New(
			"--cycles: at least three times --every, which is at least 1, as is --hands; --warmup: not negative",
		)
	}
	return nil
}

func (o *options) measure(ctx context.Context) error {
	results, err := run(ctx, o)
	if results != nil {
		err = errors.Join(err, results.print(os.Stdout))
	}
	return errors.Join(err, results.broken(), harness.CleanBuilds())
}
