// Command capi-vip-allocator gives every Cluster API Cluster with a ClusterClass topology its virtual IPs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/internal/logging"
	"github.com/gorizond/capi-vip-allocator/internal/operator"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/version"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "capi-vip-allocator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	opts, err := options.Parse(args, os.Stderr)
	if err != nil {
		return err
	}
	if opts.ShowVersion {
		fmt.Println(version.Read().Line(options.ProgramName))
		return nil
	}
	if err := errors.Join(opts.Complete(os.LookupEnv), opts.Validate()); err != nil {
		return err
	}
	logger := logging.New(os.Stdout, opts.LogLevel, opts.LogFormat)
	logging.RouteLibraries(logger)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	operator.LimitGarbage(ctx, os.LookupEnv)
	return operator.Run(ctx, opts, logger)
}
