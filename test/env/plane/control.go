package plane

import (
	"context"
	"fmt"
)

// StopComponent asks a component to end and waits until it has. It kills one that takes too long: the API server and
// etcd do not end while anyone watches.
func (p *Plane) StopComponent(ctx context.Context, name Component) error {
	return p.with(name, func(r runner) error { return r.stop(ctx) })
}

// StartComponent starts a component on the ports it had before, and waits until it is ready.
func (p *Plane) StartComponent(ctx context.Context, name Component) error {
	return p.with(name, func(r runner) error { return r.start(ctx) })
}

// RestartComponent stops and starts a component and waits until it is ready again.
func (p *Plane) RestartComponent(ctx context.Context, name Component) error {
	return p.with(name, func(r runner) error {
		if err := r.stop(ctx); err != nil {
			return err
		}
		return r.start(ctx)
	})
}

// KillComponent ends a component with SIGKILL and waits until it is gone.
func (p *Plane) KillComponent(name Component) error {
	return p.with(name, func(r runner) error { return r.kill() })
}

// PauseComponent freezes a component with SIGSTOP: its connections stay open and nothing answers.
func (p *Plane) PauseComponent(name Component) error {
	return p.with(name, func(r runner) error { return r.pause() })
}

// ResumeComponent lets a paused component go on and waits until it is ready.
func (p *Plane) ResumeComponent(ctx context.Context, name Component) error {
	return p.with(name, func(r runner) error { return r.resume(ctx) })
}

// Status lists the components in start order.
func (p *Plane) Status() []ComponentStatus {
	var all []ComponentStatus
	for _, name := range Components() {
		if r, ok := p.runners[name]; ok {
			all = append(all, r.status())
		}
	}
	return all
}

func (p *Plane) with(name Component, do func(runner) error) error {
	r, ok := p.runners[name]
	if !ok {
		return fmt.Errorf("the plane has no component %q: choose from %v", name, Components())
	}
	return do(r)
}
