package plane

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

const (
	// readyTimeout is how long a component may take to become ready, even on a loaded machine.
	readyTimeout = 2 * time.Minute
	// stopGrace is how long a component may take to end on its own.
	stopGrace = 15 * time.Second
	// shortGrace is for etcd and the API server: while a client holds a watch open, they would not end on their own
	// within any useful time. Neither loses anything if it is killed then.
	shortGrace = 2 * time.Second
)

// processRunner runs a component as a child process.
type processRunner struct {
	name     Component
	launcher *proc.Launcher
	spec     proc.Spec
	// ready checks once whether the component is ready.
	ready func(ctx context.Context) error
	// grace is how long the component may take to end on its own.
	grace time.Duration

	mu      sync.Mutex
	process *proc.Process
	paused  bool
}

func (r *processRunner) start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running() {
		return fmt.Errorf("%s is already running", r.name)
	}
	process, err := proc.Start(r.launcher, r.spec)
	if err != nil {
		return err
	}
	r.process, r.paused = process, false
	if err := r.waitReady(ctx); err != nil {
		return errors.Join(err, process.Kill())
	}
	return nil
}

func (r *processRunner) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := Eventually(ctx, func(ctx context.Context) error {
		if !r.process.Running() {
			return Final(r.process.ExitError())
		}
		return r.ready(ctx)
	})
	switch {
	case err == nil:
		return nil
	case !r.process.Running():
		return r.process.ExitError()
	default:
		return fmt.Errorf("%s did not become ready: %w; the end of its log:\n%s",
			r.name, err, proc.Tail(r.spec.LogFile, 20))
	}
}

func (r *processRunner) stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return nil
	}
	r.paused = false
	return r.process.Stop(ctx, r.grace)
}

func (r *processRunner) kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return nil
	}
	r.paused = false
	return r.process.Kill()
}

func (r *processRunner) pause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return fmt.Errorf("%s is not running: nothing to pause", r.name)
	}
	r.paused = true
	return r.process.Signal(syscall.SIGSTOP)
}

func (r *processRunner) resume(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running() {
		return fmt.Errorf("%s is not running: nothing to resume", r.name)
	}
	if err := r.process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	r.paused = false
	return r.waitReady(ctx)
}

func (r *processRunner) running() bool { return r.process != nil && r.process.Running() }

func (r *processRunner) status() ComponentStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := ComponentStatus{Name: r.name, Running: r.running(), Paused: r.paused, Log: r.spec.LogFile}
	if status.Running {
		status.PID = r.process.PID()
	}
	return status
}
