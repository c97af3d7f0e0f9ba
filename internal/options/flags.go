package options

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

const (
	// RuntimeExtensionOwnerFlag sets the owner of the ExtensionConfig; errors about the owner name the flag.
	RuntimeExtensionOwnerFlag = "runtime-extension-owner"

	runtimeExtensionFlag    = "runtime-extension"
	runtimeExtensionURLFlag = "runtime-extension-url"
)

// verboseDebug is the klog verbosity from which --v means debug, as in Kubernetes' logging conventions.
const verboseDebug = 4

// maxVerbosity bounds --v. Kubernetes uses levels up to 10; higher ones are harmless and common ("--v=99").
const maxVerbosity = 100

// Parse parses the program's arguments into options. If they ask for help, it writes it to usage and returns
// pflag.ErrHelp. Call Complete and Validate next.
func Parse(args []string, usage io.Writer) (*Options, error) {
	o := New()
	return o, parse(o.flagSet(args, usage), args)
}

// ParseKnown is Parse for the arguments of an operator that may have another version. It skips unknown flags and then
// returns an error that names one.
func ParseKnown(args []string) (*Options, error) {
	o, err := Parse(args, io.Discard)
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return o, err
	}
	o = New()
	fs := o.flagSet(args, io.Discard)
	fs.ParseErrorsAllowlist.UnknownFlags = true
	return o, errors.Join(unknown, parse(fs, args))
}

func (o *Options) flagSet(args []string, usage io.Writer) *pflag.FlagSet {
	fs := pflag.NewFlagSet(ProgramName, pflag.ContinueOnError)
	fs.SetOutput(usage)
	o.AddFlags(fs)
	o.acceptKindConcurrency(fs, args)
	return fs
}

func parse(fs *pflag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: everything is set by flags, see --help", fs.Arg(0))
	}
	return nil
}

// AddFlags registers every flag in fs, with the current values as defaults. These include all flags that
// cluster-api-operator writes into a provider's Deployment, except for those named after kinds: see
// acceptKindConcurrency. Bad values do not fail the parsing: Validate reports them all.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	o.flags = fs
	for _, s := range o.settings() {
		usage := s.usage
		if s.key != "" {
			usage += " Config file: " + s.key + "."
		}
		flag := fs.VarPF(s.value, s.flag, s.short, usage)
		if s.value.Type() == boolType {
			flag.NoOptDefVal = "true"
		}
		if s.bare {
			flag.DefValue = ""
		}
	}
}
