package kubectlvip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pkg/browser"
	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/serve"
)

func (a *app) newUI() *cobra.Command {
	address := "127.0.0.1:0"
	var noBrowser bool
	command := &cobra.Command{
		Use:   "ui",
		Short: "Show pools, their addresses and Clusters in the browser",
		Long: `Show pools with a map of their addresses, Clusters with what they have in each role and why, overlaps of
pools, and what the Clusters of a manifest would get, as pages in the browser. They follow what happens, and nothing
can be changed in them.

The pages are served on this machine only, with your own rights, to whoever knows the address with its token; that is
the first line of the output. Nothing is loaded from elsewhere. Press Ctrl-C to end it.`,
		Example: "  kubectl vip ui\n  kubectl vip ui --no-browser --address 127.0.0.1:8081",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d := &desk{}
			server, err := serve.Listen(command.Context(), address, d)
			if err != nil {
				return badInput(err)
			}
			var world *live.World
			if d.namespace, err = a.namespace(); err == nil {
				world, err = a.read(command.Context(), d.namespace)
			}
			if err != nil {
				return errors.Join(err, server.Close())
			}
			return a.present(command.Context(), d, world, server, !noBrowser)
		},
	}
	command.Flags().StringVar(&address, "address", address,
		"Where the pages are served, host:port; on loopback. Port 0 is any that is free.")
	command.Flags().BoolVar(&noBrowser, "no-browser", false, "Do not open the browser.")
	return command
}

// redraws is how often the ages on the pages are refreshed.
const redraws = 30 * time.Second

// present serves the pages until ctx ends. It prints the address once everything has been read.
func (a *app) present(ctx context.Context, d *desk, world *live.World, server *serve.Server, open bool) error {
	a.note(world.Facts().Limits)
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	serving := make(chan error, 1)
	var once sync.Once
	err := world.Watch(watching, redraws, func() error {
		d.show(world)
		once.Do(func() {
			_, _ = fmt.Fprintln(a.Out, server.URL()) // nobody can connect without this output
			go func() {
				serving <- server.Serve(watching)
				cancel()
			}()
			if open {
				a.openBrowser(server.URL())
			}
		})
		server.Changed()
		return nil
	})
	cancel()
	once.Do(func() { serving <- server.Close() })
	if served := <-serving; served != nil {
		return badInput(served)
	}
	if err != nil && ctx.Err() == nil {
		return noCluster(err)
	}
	return nil
}

func (a *app) openBrowser(url string) {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	if err := browser.OpenURL(url); err != nil {
		_, _ = fmt.Fprintln(a.ErrOut, "note: no browser could be opened; open the address yourself")
	}
}
