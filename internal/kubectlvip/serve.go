package kubectlvip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/serve"
)

const (
	// retry is how long the pod waits after a failed read before it tries again.
	retry = 5 * time.Second
	// outdated is how often the pod checks whether the cluster serves something else by now.
	outdated = time.Minute
)

// errNotRead is shown while the first read is under way.
var errNotRead = errors.New("the cluster is being read")

// newServe is for the chart. Nobody runs it on their own machine, so it is hidden and has no default address.
func (a *app) newServe() *cobra.Command {
	var address, operator string
	command := &cobra.Command{
		Use:    "serve",
		Hidden: true,
		Short:  "Serve the pages of kubectl vip ui from a pod",
		Long: `Serve the pages of kubectl vip ui from a pod, with the rights of its service account. Whoever reaches the
address sees them: the API server's proxy of services says who may come, and a NetworkPolicy keeps away who comes
another way. The chart sets this up (ui.enabled). For yourself use kubectl vip ui, which serves on loopback and to you
alone.`,
		Example: "  kubectl-vip serve --address=:8080 --operator-namespace=capi-vip-allocator-system",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			namespace, err := a.namespace()
			if err != nil {
				return err
			}
			d := &desk{namespace: namespace, problem: errNotRead}
			server, err := serve.ListenOpen(command.Context(), address, d)
			if err != nil {
				return badInput(err)
			}
			return a.keepPresenting(command.Context(), d, server, operator)
		},
	}
	command.Flags().StringVar(&address, "address", "", "Where the pages are served, host:port, to whoever comes.")
	command.Flags().StringVar(&operator, "operator-namespace", "",
		"The namespace of the operator. Empty: it is looked for in all.")
	_ = command.MarkFlagRequired("address") // the flag is there
	return command
}

// keepPresenting serves pages until ctx ends, even while there is nothing to show: what is missing may come later.
func (a *app) keepPresenting(ctx context.Context, d *desk, server *serve.Server, operator string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx)
		cancel()
	}()
	_, _ = fmt.Fprintln(a.Out, server.URL()) // visitors do not need this output
	for ctx.Err() == nil {
		err := a.follow(ctx, d, server, operator)
		if err == nil || ctx.Err() != nil {
			continue
		}
		d.fail(errors.New(plainly(err)))
		_, _ = fmt.Fprintln(a.ErrOut, "note:", oneLine(plainly(err)))
		pause := time.NewTimer(retry)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
	if err := <-served; err != nil {
		return badInput(err)
	}
	return nil
}

// follow shows the cluster until ctx ends or the cluster serves something else.
func (a *app) follow(ctx context.Context, d *desk, server *serve.Server, operator string) error {
	reader, err := a.reader()
	if err != nil {
		return err
	}
	reader.LookForOperatorIn(operator)
	world, err := a.readBy(ctx, reader, d.namespace)
	if err != nil {
		return err
	}
	a.note(world.Facts().Limits)
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if world.AwaitOutdated(watching, outdated) {
			cancel()
		}
	}()
	return world.Watch(watching, redraws, func() error {
		d.show(world)
		server.Changed()
		return nil
	})
}
