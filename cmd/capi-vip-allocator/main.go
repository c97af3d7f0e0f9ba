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

	"github.com/gorizond/capi-vip-allocator/internal/operator"
	"github.com/gorizond/capi-vip-allocator/internal/version"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "capi-vip-allocator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	options := operator.NewOptions()
	flags := pflag.NewFlagSet("capi-vip-allocator", pflag.ContinueOnError)
	options.AddFlags(flags)
	options.AcceptKindConcurrency(flags, args)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", flags.Arg(0))
	}
	if options.ShowVersion {
		fmt.Println(version.Read().Line(operator.ProgramName))
		return nil
	}
	if err := errors.Join(options.Complete(os.LookupEnv), options.Validate()); err != nil {
		return err
	}
	operator.LimitGarbage(os.LookupEnv)
	logger := operator.SetupLogging(os.Stdout, options.LogLevel, options.LogFormat)
	operator.RouteLibraries(logger)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return operator.Run(ctx, options, logger)
}
