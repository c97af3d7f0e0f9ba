package measure

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options are the user's options for a measurement.
type Options interface {
	// Flags declares the flags that set them, each with its default.
	Flags(flags *pflag.FlagSet)
	// Validate returns an error that names everything that cannot be measured.
	Validate() error
}

// Command makes a measurement a command of the program. It calls execute with the options if they are valid, under
// the context of the program.
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

// Parse sets options from arguments and validates them, as the command does.
func Parse(options Options, args ...string) error {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	options.Flags(flags)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	return options.Validate()
}
