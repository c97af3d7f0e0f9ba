// Command plane builds, runs and stops a real control plane on this machine, see package plane.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	cancel()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "plane:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	command := &cobra.Command{
		Use:           "plane",
		Short:         "Run a real control plane with Cluster API and the in-cluster IPAM provider",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	command.AddCommand(newBuild(), newUp(), newDown(), newStatus(), newMatrix())
	return command
}

func newBuild() *cobra.Command {
	var stack, list string
	command := &cobra.Command{
		Use:   "build",
		Short: "Build what is missing of the stacks that every change is tested on, or of one, and of real providers",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var stacks []plane.Stack
			if stack != "" {
				parsed, err := plane.ParseStack(stack)
				if err != nil {
					return err
				}
				stacks = append(stacks, parsed)
			}
			providers, err := plane.ParseProviders(list)
			if err != nil {
				return err
			}
			return plane.Build(command.Context(),
				plane.Options{Log: command.OutOrStdout(), Providers: providers}, stacks...)
		},
	}
	command.Flags().StringVar(&stack, "stack", "", fmt.Sprintf("build only this stack, one of %v", plane.Stacks()))
	addProvidersFlag(command, &list)
	return command
}

// addProvidersFlag adds the flag that asks for real providers.
func addProvidersFlag(command *cobra.Command, list *string) {
	command.Flags().StringVar(list, "providers", "",
		fmt.Sprintf("real providers beside the fake ones, separated by commas, of %v", plane.Providers()))
}

// newMatrix lists the tested combinations, each as the variables that select it.
func newMatrix() *cobra.Command {
	return &cobra.Command{
		Use:   "matrix",
		Short: "List the combinations of versions that all tests are run on",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			for _, c := range plane.Matrix() {
				if _, err := fmt.Fprintf(command.OutOrStdout(), "%s=%s %s=%s\n",
					plane.StackVariable, c.Stack, plane.KubernetesVariable, c.Kubernetes); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// addDirFlag adds the flag by which up, down and status find each other.
func addDirFlag(command *cobra.Command, dir *string) {
	command.Flags().StringVar(dir, "dir", defaultDir(), "directory of the plane; one plane for each")
}

// defaultDir is in the user's cache directory, so that up, down and status agree without being told.
func defaultDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "capi-vip-allocator", "up")
}
