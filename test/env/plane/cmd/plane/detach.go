package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// runDetached runs the same command again in a session of its own and returns once the plane is up.
func (o *upOptions) runDetached(command *cobra.Command) error {
	stack, err := plane.ParseStack(o.stack)
	if err != nil {
		return err
	}
	providers, err := plane.ParseProviders(o.providers)
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	// Build here to show progress, which the detached process could not.
	if err := plane.Build(command.Context(), plane.Options{Log: out, Providers: providers}, stack); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	logFile := filepath.Clean(o.dir) + ".log"
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return fmt.Errorf("create the directory of the log: %w", err)
	}
	log, err := os.Create(logFile)
	if err != nil {
		return fmt.Errorf("create the log of the detached plane: %w", err)
	}
	defer func() { _ = log.Close() }()

	child := exec.Command(self, "up", "--dir", o.dir, "--stack", string(stack), "--providers", o.providers,
		"--kubeconfig", o.kubeconfig, fmt.Sprintf("--audit=%t", o.audit))
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the detached plane: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()

	var running *state
	err = plane.Eventually(command.Context(), func(context.Context) error {
		select {
		case err := <-exited:
			return plane.Final(errors.Join(fmt.Errorf("the detached plane did not come up, see %s", logFile), err))
		default:
		}
		var err error
		if running, err = readState(o.dir); err != nil {
			return plane.Final(err)
		}
		if running == nil {
			return errors.New("not up yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	explain(out, running, o.dir)
	return nil
}
