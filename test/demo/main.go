// Command demo shows the allocator at work on a real control plane: Clusters get their VIPs, lose and regain an
// annotation, and give their addresses back. It fails if any of this does not happen.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func main() {
	options, err := parseOptions(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err == nil {
		err = show(options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// options are the user's options.
type options struct {
	keep     bool
	missing  bool
	binary   string
	examples string
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	fs := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	fs.BoolVar(&o.keep, "keep", false, "leave everything up at the end, until Ctrl-C")
	fs.BoolVar(&o.missing, "missing", false, "print the names of the programs that would be built first, and end")
	fs.StringVar(&o.binary, "binary", "", "operator to show; it is built when empty")
	fs.StringVar(&o.examples, "examples", "examples/demo",
		"directory with pools.yaml, clusterclass.yaml and clusters.yaml")
	return o, fs.Parse(args)
}

func show(options *options) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if options.missing {
		names, err := plane.Missing(ctx, plane.Options{})
		for _, name := range names {
			fmt.Println(name)
		}
		return err
	}
	d := &demo{options: options, out: newScreen(os.Stdout)}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.run(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return d.withLog(err)
	}
	return nil
}
