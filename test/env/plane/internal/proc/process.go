package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Spec describes a process.
type Spec struct {
	// Name is used in messages.
	Name string
	// Path of the program.
	Path string
	// Args of the program, without its name.
	Args []string
	// Dir is the working directory.
	Dir string
	// LogFile receives standard output and error; a restart appends to it.
	LogFile string
}

// Process is a running or ended child.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// Start starts the process. It does not wait until the program is ready.
func Start(launcher *Launcher, spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.Name, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = spec.Dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	if err := launcher.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s (%s): %w", spec.Name, filepath.Base(spec.Path), err)
	}
	p := &Process{spec: spec, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// environment passes on only what a program needs: a proxy or a KUBECONFIG of the caller must not mislead the plane.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// PID is the process id, which is also the id of its process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed once the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the process is still running.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// ExitError describes an unexpected end, with the end of the log.
func (p *Process) ExitError() error {
	<-p.exited
	state := "exit status 0"
	if p.err != nil {
		state = p.err.Error()
	}
	return fmt.Errorf("%s ended (%s); the end of its log:\n%s", p.spec.Name, state, Tail(p.spec.LogFile, 20))
}

// Signal sends a signal to the whole process group.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := syscall.Kill(-p.PID(), signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s: %w", signal, p.spec.Name, err)
	}
	return nil
}

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// Stop asks the process to end, and kills it if it has not ended when the grace period is over or ctx ends.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if !p.Running() {
		return nil
	}
	// A stopped process sees the request to end only when it continues.
	if err := errors.Join(p.Signal(syscall.SIGTERM), p.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return p.Kill()
}
