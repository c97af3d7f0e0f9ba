package kubectlvip

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
)

// registerCompletions tells the shell which values the flags take. The flags exist, so registering cannot fail.
func (a *app) registerCompletions(command *cobra.Command) {
	_ = command.RegisterFlagCompletionFunc("output",
		cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("namespace",
		func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.offer(func(reader *live.Reader) ([]string, error) { return reader.Namespaces(command.Context()) })
		})
	_ = command.RegisterFlagCompletionFunc("context",
		func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			config, err := a.cluster.ToRawKubeConfigLoader().RawConfig()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return slices.Sorted(maps.Keys(config.Contexts)), cobra.ShellCompDirectiveNoFileComp
		})
}

// completeClusters offers the Clusters of the namespace.
func (a *app) completeClusters(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && command.Name() == "explain" { // it takes one
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	namespace, err := a.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return a.offer(func(reader *live.Reader) ([]string, error) {
		return reader.ClusterNames(command.Context(), namespace)
	})
}

// completePools offers the global pools and those of the namespace.
func (a *app) completePools(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	namespace, err := a.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return a.offer(func(reader *live.Reader) ([]string, error) {
		return reader.PoolNames(command.Context(), namespace)
	})
}

// offer asks the cluster for names.
func (a *app) offer(names func(*live.Reader) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	reader, err := a.reader()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	offered, err := names(reader)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}
