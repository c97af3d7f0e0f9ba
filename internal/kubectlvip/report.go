package kubectlvip

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
)

func (a *app) newReport() *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:   "report",
		Short: "Write all there is to see into one file",
		Long: `Write pools with the maps of their addresses, Clusters, what keeps some of them from their VIPs, overlaps
and the findings of the checks as one page, for tickets and audits: a single file without scripts that needs nothing
else. With -o json or yaml the same as data. It is about the global pools, and the pools and Clusters of the namespace;
overlaps and findings are of all.`,
		Example: "  kubectl vip report -A -o html > vips.html",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !command.Flags().Changed("output") {
				a.output = outputHTML
			}
			if err := a.checkOutputIn([]string{outputHTML, outputJSON, outputYAML}); err != nil {
				return err
			}
			scope, namespace, err := a.scopeOnly(all)
			if err != nil {
				return err
			}
			world, err := a.read(command.Context(), namespace)
			if err != nil {
				return err
			}
			permissions, err := world.Permissions(command.Context())
			if err != nil {
				return noCluster(err)
			}
			facts := world.Facts()
			atlas, found := view.NewAtlas(facts), view.Check(facts, permissions)
			a.note(facts.Limits)
			if a.output == outputHTML {
				return web.Report(a.Out, atlas, scope, found.Findings)
			}
			return a.print(map[string]any{
				"pools": view.Maps(atlas, scope), "clusters": view.List(facts, scope), "overlaps": view.Overlaps(atlas),
				"check": found,
			}, func(io.Writer, *render.Options) error { return nil }, facts.Now)
		},
	}
	allNamespaces(command, &all)
	return command
}
