package kubectlvip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/version"
)

// allNamespaces adds the flag that widens a command to all namespaces.
func allNamespaces(command *cobra.Command, all *bool) {
	command.Flags().BoolVarP(all, "all-namespaces", "A", false, "All namespaces instead of one.")
}

// scope returns the namespace that a command is about; empty means all.
func (a *app) scope(all bool) (scope, namespace string, err error) {
	if err := a.checkOutput(); err != nil {
		return "", "", err
	}
	return a.scopeOnly(all)
}

// scopeOnly is scope for a command with output formats of its own.
func (a *app) scopeOnly(all bool) (scope, namespace string, err error) {
	if namespace, err = a.namespace(); err != nil || all {
		return "", namespace, err
	}
	return namespace, namespace, nil
}

// look reads the cluster for a command, and returns the namespace that the command is about; empty means all.
func (a *app) look(ctx context.Context, all bool) (world *live.World, scope string, err error) {
	scope, namespace, err := a.scope(all)
	if err != nil {
		return nil, "", err
	}
	world, err = a.read(ctx, namespace)
	return world, scope, err
}

func (a *app) newList() *cobra.Command {
	var all, watch bool
	var selector string
	command := &cobra.Command{
		Use:   "list [CLUSTER...]",
		Short: "List Clusters with the VIP of every role, its pool, and the state",
		Long: `List Clusters with their ClusterClass, the address of every role, the pools that they come from, age and
state.

STATE is Ready, Pending (decided, not written yet), Paused, Moving, Filtered, Deleting or NoTopology, or the reason why
a role has no VIP; kubectl vip explain says more about each. Clusters are named by name or namespace/name. -o wide has
their pools, claims and messages as well.`,
		Example: "  kubectl vip list -A\n  kubectl vip list -n demo -w\n" +
			"  kubectl vip list demo/berlin -w\n  kubectl vip list -A -l team=red",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeClusters,
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkSelector(selector, args); err != nil {
				return err
			}
			world, scope, err := a.look(command.Context(), all)
			if err != nil {
				return err
			}
			facts := world.Facts()
			clusters, err := view.NamedClusters(view.NewAtlas(facts), scope, args)
			a.note(facts.Limits)
			if err != nil {
				return badInput(err)
			}
			if clusters, err = selectClusters(command.Context(), world, scope, selector, clusters); err != nil {
				return err
			}
			namespaces := scope == "" || slices.ContainsFunc(clusters, func(c view.Cluster) bool {
				return c.Namespace != scope
			})
			if watch {
				w := watched{namespaces: namespaces, clusters: func(f *view.Facts) ([]view.Cluster, error) {
					if len(args) > 0 {
						return view.Among(view.List(f, ""), clusters), nil
					}
					return selectClusters(command.Context(), world, scope, selector, view.List(f, scope))
				}}
				return a.watchList(command.Context(), world, w)
			}
			if len(clusters) == 0 && a.forPeople() {
				return a.nothing("Cluster", scope)
			}
			return a.print(map[string]any{"clusters": clusters}, func(out io.Writer, o *render.Options) error {
				return render.List(out, clusters, namespaces, o)
			}, facts.Now)
		},
	}
	allNamespaces(command, &all)
	selectorFlag(command, &selector)
	command.Flags().BoolVarP(&watch, "watch", "w", false, "Go on, and show every change.")
	return command
}

func (a *app) newPools() *cobra.Command {
	var all, addresses, drawn bool
	var selector string
	command := &cobra.Command{
		Use:   "pools [POOL...]",
		Short: "List pools with what they serve and how full they are",
		Long: `List the global pools and those of the namespace with their ClusterClasses, roles, tier and priority, and
how many of their addresses are in use. Pools that are not labelled for the allocator are listed too: they have no
classes and roles. A pool is named by its name, or as it is printed: Kind/name, or with its namespace before it.`,
		Example:           "  kubectl vip pools\n  kubectl vip pools -A --addresses\n  kubectl vip pools --map cp",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePools,
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkSelector(selector, args); err != nil {
				return err
			}
			world, scope, err := a.look(command.Context(), all)
			if err != nil {
				return err
			}
			facts := world.Facts()
			atlas := view.NewAtlas(facts)
			a.note(facts.Limits)
			pools, err := view.NamedPools(view.PoolsOf(atlas, scope, addresses), args)
			if err != nil {
				return badInput(err)
			}
			if pools, err = selectPools(command.Context(), world, scope, selector, pools); err != nil {
				return err
			}
			if len(pools) == 0 && a.forPeople() {
				return a.nothing("pool", scope)
			}
			if drawn {
				maps := view.MapsOf(atlas, pools)
				return a.print(map[string]any{"maps": maps}, func(out io.Writer, o *render.Options) error {
					return render.Maps(out, maps, o)
				}, facts.Now)
			}
			return a.print(map[string]any{"pools": pools}, func(out io.Writer, o *render.Options) error {
				return render.Pools(out, pools, o)
			}, facts.Now)
		},
	}
	allNamespaces(command, &all)
	selectorFlag(command, &selector)
	command.Flags().BoolVar(&addresses, "addresses", false, "Show who uses which address.")
	command.Flags().BoolVar(&drawn, "map", false, "Draw the pools, address by address.")
	command.MarkFlagsMutuallyExclusive("addresses", "map")
	return command
}

func (a *app) newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CLUSTER",
		Short: "Explain why a Cluster has its VIPs or has not, and what to do",
		Long: `Explain a Cluster: for every role which pools were considered and why each was or was not taken, the
claim, the address and the condition, what the operator does next, and what a person can do. It works when the operator
is not running.`,
		Example:           "  kubectl vip explain -n demo berlin\n  kubectl vip explain demo/berlin",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeClusters,
		RunE: func(command *cobra.Command, args []string) error {
			world, namespace, err := a.look(command.Context(), false)
			if err != nil {
				return err
			}
			facts := world.Facts()
			named, err := view.NamedClusters(view.NewAtlas(facts), namespace, args)
			if err != nil {
				return badInput(fmt.Errorf("%w; kubectl vip list -A shows all", err))
			}
			explanation, ok := view.Explain(facts, named[0].Namespace, named[0].Name)
			if !ok {
				return badInput(fmt.Errorf("there is no Cluster %s/%s any more", named[0].Namespace, named[0].Name))
			}
			return a.print(&explanation, func(out io.Writer, o *render.Options) error {
				return render.Explain(out, &explanation, o)
			}, facts.Now)
		},
	}
}

func (a *app) newCheck() *cobra.Command {
	failOn := string(view.SeverityError)
	levels := []string{string(view.SeverityError), string(view.SeverityWarning), "never"}
	command := &cobra.Command{
		Use:   "check",
		Short: "Look for what is wrong, or will be",
		Long: `Look for what keeps Clusters from their VIPs, or may one day: in all namespaces where that is allowed,
else in one. The exit code is 1 if something was found that is at least as bad as --fail-on, so that it can be used in
CI.

The checks:
` + checkList(),
		Example: "  kubectl vip check\n  kubectl vip check --fail-on=warning -o json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains(levels, failOn) {
				return badInput(fmt.Errorf("--fail-on=%q is not one of %s", failOn, strings.Join(levels, ", ")))
			}
			_, namespace, err := a.scope(false)
			if err != nil {
				return err
			}
			report, now, err := a.check(command, namespace)
			if err != nil {
				return err
			}
			err = a.print(report, func(out io.Writer, o *render.Options) error {
				return render.Check(out, report, o)
			}, now)
			if err != nil {
				return err
			}
			if failOn != "never" && report.Count(view.SeverityError) > 0 ||
				failOn == string(view.SeverityWarning) && report.Count(view.SeverityWarning) > 0 {
				return errFound
			}
			return nil
		},
	}
	command.Flags().StringVar(&failOn, "fail-on", failOn,
		"From which severity on the exit code is 1: error, warning or never.")
	complete := cobra.FixedCompletions(levels, cobra.ShellCompDirectiveNoFileComp)
	_ = command.RegisterFlagCompletionFunc("fail-on", complete) // the flag is there
	return command
}

func checkList() string {
	var b strings.Builder
	for _, check := range view.CheckNames() {
		fmt.Fprintf(&b, "  %-18s %s\n", check[0], check[1])
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) check(command *cobra.Command, namespace string) (*view.Report, time.Time, error) {
	reader, err := a.reader()
	if err != nil {
		return nil, time.Time{}, err
	}
	world, err := reader.Read(command.Context(), namespace)
	if err != nil {
		return nil, time.Time{}, noCluster(err)
	}
	permissions, err := world.Permissions(command.Context())
	if err != nil {
		return nil, time.Time{}, noCluster(err)
	}
	facts := world.Facts()
	report := view.Check(facts, permissions)
	return &report, facts.Now, nil
}

func (a *app) newVersion() *cobra.Command {
	var client bool
	command := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of plugin, operator and cluster",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			var failure error
			data := map[string]any{"plugin": version.Read()}
			lines := []string{version.Read().Line(ProgramName)}
			if !client {
				var world *live.World
				if world, failure = a.discover(command); failure == nil {
					facts := world.Facts()
					data["platform"], data["operator"] = facts.Platform, facts.Operator
					lines = append(lines, "operator "+known(facts.Operator.Version),
						"kubernetes "+facts.Platform.Kubernetes, "apis "+known(facts.Platform.APIs))
				}
			}
			err := a.print(data, func(out io.Writer, _ *render.Options) error {
				_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
				return err
			}, time.Time{})
			return errors.Join(failure, err)
		},
	}
	command.Flags().BoolVar(&client, "client", false, "Only the plugin's, without asking a cluster.")
	return command
}

func known(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}

// discover finds out what the cluster serves and how the operator is set up, without reading objects.
func (a *app) discover(command *cobra.Command) (*live.World, error) {
	reader, err := a.reader()
	if err != nil {
		return nil, err
	}
	world, err := reader.Discover(command.Context())
	if err != nil {
		return nil, noCluster(err)
	}
	return world, nil
}

// forPeople reports whether a person reads the output. People want a sentence where programs want an empty list.
func (a *app) forPeople() bool { return a.output == outputTable || a.output == outputWide }

// nothing prints that there is nothing to show.
func (a *app) nothing(what, namespace string) error {
	where := "in any namespace; choose another --context?"
	if namespace != "" {
		where = "in namespace " + namespace + "; use -A for all namespaces"
	}
	_, err := fmt.Fprintf(a.ErrOut, "There is no %s %s\n", what, where)
	return err
}

// note prints what could not be read.
func (a *app) note(limits []string) {
	for _, limit := range limits {
		_, _ = fmt.Fprintln(a.ErrOut, "note:", limit) // the rest is worth printing anyway
	}
}
