package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// downTimeout is how long down waits for a plane to end.
const downTimeout = time.Minute

func newDown() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "down",
		Short: "End the plane that runs in a directory",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return down(command.Context(), command.OutOrStdout(), dir)
		},
	}
	addDirFlag(command, &dir)
	return command
}

func down(ctx context.Context, out io.Writer, dir string) error {
	running, err := readState(dir)
	if err != nil {
		return err
	}
	if running == nil {
		_, _ = fmt.Fprintf(out, "plane: none runs in %s\n", dir)
		return nil
	}
	if err := syscall.Kill(running.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ask process %d to end: %w", running.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	err = plane.Eventually(ctx, func(context.Context) error {
		if alive(running.PID) {
			return errors.New("still running")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for process %d: %w", running.PID, err)
	}
	_, _ = fmt.Fprintln(out, "plane: down")
	return nil
}

func newStatus() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "status",
		Short: "Say whether a plane runs in a directory, and which of its processes live",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			running, err := readState(dir)
			if err != nil {
				return err
			}
			if running == nil {
				return fmt.Errorf("no plane runs in %s", dir)
			}
			return printStatus(command.OutOrStdout(), running, dir)
		},
	}
	addDirFlag(command, &dir)
	return command
}

func printStatus(out io.Writer, s *state, dir string) error {
	explain(out, s, dir)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "COMPONENT\tPROCESS\tSTATE")
	for _, component := range s.Components {
		process, condition := strconv.Itoa(component.PID), "running"
		switch {
		case component.PID == 0:
			process = "-"
		case !alive(component.PID):
			condition = "ended, see " + component.Log
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", component.Name, process, condition)
	}
	return table.Flush()
}
