// Package kubectlvip is the kubectl plugin. Its commands read a cluster (live), run the same decision core as the
// operator (view, simulate), and print the result (render). It writes nothing to the cluster.
package kubectlvip

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
)

// ProgramName is the name of the program, by which kubectl finds it.
const ProgramName = "kubectl-vip"

// app is what all commands share.
type app struct {
	genericiooptions.IOStreams
	cluster   *genericclioptions.ConfigFlags
	output    string
	noHeaders bool
	// connection holds the flags of kubectl.
	connection *pflag.FlagSet
}

// Run runs the plugin and returns its exit code; see the constants.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	klog.SetLogger(logr.Discard()) // client-go logs to stderr what the error says better
	command := NewCommand(streams) //nolint:contextcheck // completions get their context when the shell asks
	command.SetArgs(args)
	return exitCode(command.ExecuteContext(ctx), streams.ErrOut)
}

// NewCommand returns the plugin's command.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	a := &app{IOStreams: streams, cluster: genericclioptions.NewConfigFlags(true)}
	command := &cobra.Command{
		Use:   ProgramName,
		Short: "Show and explain the virtual IPs of Cluster API Clusters",
		Long: `Show and explain the virtual IPs that capi-vip-allocator gives to Cluster API Clusters.

It reads Clusters, claims, addresses and pools, and lets the operator's own decision run on them, so it says the same as
the operator would, also when the operator is not running. It never writes: what is to be done, it prints.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl vip"},
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.SetIn(streams.In)
	command.SetOut(streams.Out)
	command.SetErr(streams.ErrOut)
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badInput(err) })
	a.addFlags(command)
	command.AddCommand(a.newList(), a.newPools(), a.newExplain(), a.newCheck(), a.newPlan(), a.newUI(), a.newReport(),
		a.newRetire(), a.newServe(), a.newVersion())
	for _, sub := range command.Commands() {
		sub.Args = asBadInput(sub.Args)
	}
	command.Args = asBadInput(command.Args)
	return command
}

// asBadInput turns the errors of an argument check into bad input.
func asBadInput(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return badInput(fmt.Errorf("%w; see %s --help", err, command.CommandPath()))
		}
		return nil
	}
}

// shownFlags are the kubectl flags that the help shows; the others work too.
var shownFlags = []string{"kubeconfig", "context", "namespace", "as", "request-timeout"}

func (a *app) addFlags(command *cobra.Command) {
	kubectl := pflag.NewFlagSet("kubectl", pflag.ContinueOnError)
	a.cluster.AddFlags(kubectl)
	kubectl.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(shownFlags, f.Name) })
	a.connection = kubectl
	flags := command.PersistentFlags()
	flags.AddFlagSet(kubectl)
	flags.StringVarP(&a.output, "output", "o", outputTable,
		"How to print: table, wide, json or yaml; report: html, json or yaml.")
	flags.BoolVar(&a.noHeaders, "no-headers", false, "Leave out the headers of tables.")
	a.registerCompletions(command)
}

// reader returns the reader of the cluster that the flags point to.
func (a *app) reader() (*live.Reader, error) {
	config, err := a.cluster.ToRESTConfig()
	if err != nil {
		return nil, noCluster(err)
	}
	reader, err := live.NewReader(config)
	if err != nil {
		return nil, noCluster(err)
	}
	return reader, nil
}

// namespace returns the namespace that the flags or the kubeconfig name.
func (a *app) namespace() (string, error) {
	namespace, _, err := a.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", noCluster(err)
	}
	return namespace, nil
}

// read reads the cluster. It fails if Cluster API or the IPAM provider is not installed.
func (a *app) read(ctx context.Context, namespace string) (*live.World, error) {
	reader, err := a.reader()
	if err != nil {
		return nil, err
	}
	return a.readBy(ctx, reader, namespace)
}

// readBy is read with a given reader.
func (a *app) readBy(ctx context.Context, reader *live.Reader, namespace string) (*live.World, error) {
	world, err := reader.Read(ctx, namespace)
	if err != nil {
		return nil, noCluster(err)
	}
	if missing := world.Missing(); len(missing) > 0 {
		return nil, noCluster(missingError(missing))
	}
	return world, nil
}
