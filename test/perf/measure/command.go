package measure

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options are what the user of a measurement asks for.
type Options interface {
	// Flags declares the flags that fill them in, which gives each its default.
	Flags(flags *pflag.FlagSet)
	// Validate names all that cannot be measured.
	Validate() error
}

// Command is a measurement as a command of the program. It carries the options out when they are valid, under the
// context that the program runs it with.
func Command(name, short string, options Options, execute func(context.Context) error) *cobra.Command {
	command := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := options.Validate(); err != nil {
				return err
			}
			return execute(command.Context())
		},
	}
	options.Flags(command.Flags())
	return command
}

// Parse fills options in from arguments and validates them, as the command does.
func Parse(options Options, args ...string) error {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	options.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	return options.Validate()
}
