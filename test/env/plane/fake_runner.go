package plane

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/client-go/rest"
)

// fakeRunner runs the fake provider inside this process, as one more component.
type fakeRunner struct {
	config *rest.Config
	log    func(format string, args ...any)

	mu       sync.Mutex
	provider *fakeProvider
}

func (r *fakeRunner) start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.provider != nil {
		return fmt.Errorf("%s is already running", FakeProvider)
	}
	provider, err := newFakeProvider(r.config, r.log)
	if err != nil {
		return err
	}
	if err := provider.start(ctx); err != nil {
		return err
	}
	r.provider = provider
	return nil
}

func (r *fakeRunner) stop(context.Context) error { return r.kill() }

func (r *fakeRunner) kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.provider != nil {
		r.provider.stop()
		r.provider = nil
	}
	return nil
}

func (r *fakeRunner) pause() error {
	return errors.New("the fake provider is not a process: stop it instead of pausing it")
}

func (r *fakeRunner) resume(context.Context) error { return r.pause() }

func (r *fakeRunner) status() ComponentStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ComponentStatus{Name: FakeProvider, Running: r.provider != nil}
}
