package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

type upOptions struct {
	stack, providers, dir, kubeconfig string
	audit, detach                     bool
}

func newUp() *cobra.Command {
	var options upOptions
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a plane and keep it up until it is interrupted",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := options.prepare(); err != nil {
				return err
			}
			if options.detach {
				return options.runDetached(command)
			}
			return options.run(command)
		},
	}
	flags := command.Flags()
	addDirFlag(command, &options.dir)
	flags.StringVar(&options.stack, "stack", "", fmt.Sprintf("stack to run, one of %v", plane.Stacks()))
	addProvidersFlag(command, &options.providers)
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "write the administrator's kubeconfig to this file as well")
	flags.BoolVar(&options.audit, "audit", false, "write an audit log; it grows without bound")
	flags.BoolVar(&options.detach, "detach", false, "return once the plane is up and leave it running until down")
	return command
}

// prepare refuses a directory in use, and removes what a killed plane has left in it.
func (o *upOptions) prepare() error {
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("find the plane's directory: %w", err)
	}
	running, err := readState(o.dir)
	if err != nil {
		return err
	}
	if running != nil {
		return fmt.Errorf("a plane runs in %s already (process %d): take it down first, or choose another --dir",
			o.dir, running.PID)
	}
	if _, err := os.Stat(stateFile(o.dir)); err == nil {
		return os.RemoveAll(o.dir)
	}
	return nil
}

func (o *upOptions) run(command *cobra.Command) (err error) {
	stack, err := plane.ParseStack(o.stack)
	if err != nil {
		return err
	}
	providers, err := plane.ParseProviders(o.providers)
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	p, err := plane.Start(command.Context(), plane.Options{
		Stack: stack, Providers: providers, Dir: o.dir, Log: out, NoAudit: !o.audit,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()

	kubeconfig, err := p.Kubeconfig(plane.Admin())
	if err != nil {
		return err
	}
	if o.kubeconfig != "" {
		if err := copyFile(kubeconfig, o.kubeconfig); err != nil {
			return err
		}
	}
	current := state{PID: os.Getpid(), Stack: stack, Kubeconfig: kubeconfig, Components: p.Status()}
	if err := current.write(p.Dir()); err != nil {
		return err
	}
	explain(out, &current, o.dir)
	<-command.Context().Done()
	_, _ = fmt.Fprintln(out, "plane: going down")
	return nil
}

// explain prints how to talk to the plane, in lines that a shell understands.
func explain(out io.Writer, s *state, dir string) {
	_, _ = fmt.Fprintf(out, "# %s is up in %s, its logs are in %s\n", s.Stack, dir, filepath.Join(dir, "logs"))
	_, _ = fmt.Fprintf(out, "export KUBECONFIG=%s\n", s.Kubeconfig)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
