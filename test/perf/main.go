// Command perf measures the operator: how long its Clusters wait (bench), what it costs among ten thousand of them
// (scale), and what a hundred thousand leave behind (soak). Nothing leaves the loopback interface.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/test/perf/bench"
	"github.com/gorizond/capi-vip-allocator/test/perf/scale"
	"github.com/gorizond/capi-vip-allocator/test/perf/soak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := program().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "perf: %v\n", err)
		os.Exit(1)
	}
}

// program has a command for each measurement.
func program() *cobra.Command {
	root := &cobra.Command{
		Use:               "perf",
		Short:             "Measure the operator; each command prints its figures",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(bench.Command(), scale.Command(), soak.Command())
	return root
}
