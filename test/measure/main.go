package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Main is the main function of a program: it reads the arguments and does what they ask for until an interrupt. It
// exits with status 1 and one line after an error.
func Main[Options any](program string, parse func(args []string) (Options, error), execute func(context.Context, Options) error) {
	options, err := parse(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err == nil {
		err = untilInterrupted(func(ctx context.Context) error { return execute(ctx, options) })
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
}

func untilInterrupted(do func(context.Context) error) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return do(ctx)
}
