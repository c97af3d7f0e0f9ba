package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/pki"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

// bootAttempts is how often a start is tried if another program takes one of the ports in between.
const bootAttempts = 3

// Plane is a running control plane. Its methods may be called from several goroutines.
type Plane struct {
	options   Options
	dir       string
	binaries  *binaries
	ports     ports
	reserved  *proc.Ports
	launcher  *proc.Launcher
	authority *pki.Authority
	admin     *rest.Config
	runners   map[Component]runner
	fake      *fakeRunner
	// addNeighbours makes the runners of Cluster API and the IPAM provider, for the programs at that time.
	addNeighbours func()
	audit         *Audit

	// logMu guards Options.Log, to which several starts and the fake provider write at once.
	logMu    sync.Mutex
	stopOnce sync.Once
	stopErr  error
}

// Start builds what is missing, starts the plane and waits until all of it is ready. The context
// bounds the start only; Stop ends the plane.
func Start(ctx context.Context, options Options) (*Plane, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	programs, err := ensureBinaries(ctx, options)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		p, err := boot(ctx, options, programs)
		if err == nil {
			return p, nil
		}
		if attempt == bootAttempts || !strings.Contains(err.Error(), "address already in use") {
			return nil, fmt.Errorf("start the plane: %w", err)
		}
		if options.Dir != "" {
			// It was empty before, so all of it is ours; the next attempt wants it empty again.
			if err := os.RemoveAll(options.Dir); err != nil {
				return nil, fmt.Errorf("clear the plane's directory: %w", err)
			}
		}
	}
}

func boot(ctx context.Context, options Options, programs *binaries) (_ *Plane, err error) {
	begin := time.Now()
	dir, err := options.makeDir()
	if err != nil {
		return nil, err
	}
	p := &Plane{
		options:  options,
		dir:      dir,
		binaries: programs,
		reserved: &proc.Ports{},
		launcher: proc.NewLauncher(),
		runners:  map[Component]runner{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if err := p.prepare(); err != nil {
		return nil, err
	}
	for _, name := range []Component{Etcd, APIServer} {
		if err := p.bring(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := p.installAll(ctx); err != nil {
		return nil, err
	}
	if err := p.bringRest(ctx); err != nil {
		return nil, err
	}
	p.logf("the plane is ready after %s", time.Since(begin).Round(time.Millisecond))
	return p, nil
}

// prepare makes everything that needs no running component: ports, certificates and command lines.
func (p *Plane) prepare() error {
	var err error
	if p.ports, err = reservePorts(p.reserved, p.options.wanted()); err != nil {
		return err
	}
	if err := p.writeFiles(); err != nil {
		return err
	}
	if p.admin, err = p.ConfigFor(Admin()); err != nil {
		return err
	}
	if !p.options.NoAudit {
		if p.audit, err = newAudit(p.auditLog(), p.admin); err != nil {
			return err
		}
	}
	return p.makeRunners()
}

// bringRest starts what needs the API server, and then the real providers, because the controller manager aggregates
// the roles of some.
func (p *Plane) bringRest(ctx context.Context) error {
	if err := p.bringAll(ctx, ControllerManager, CAPI, IPAM, FakeProvider); err != nil {
		return err
	}
	var providers []Component
	for _, part := range p.options.wanted() {
		providers = append(providers, part.component)
	}
	return p.bringAll(ctx, providers...)
}

// bringAll starts components concurrently: their starts are mostly waiting.
func (p *Plane) bringAll(ctx context.Context, names ...Component) error {
	failures := make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		if p.options.starts(name) {
			group.Go(func() { failures[i] = p.bring(ctx, name) })
		}
	}
	group.Wait()
	return errors.Join(failures...)
}

func (p *Plane) bring(ctx context.Context, name Component) error {
	begin := time.Now()
	if err := p.runners[name].start(ctx); err != nil {
		return err
	}
	label := string(name)
	if version := p.binaries.versions[name]; version != "" {
		label += " of " + version
	}
	p.logf("%s is ready (%s)", label, time.Since(begin).Round(time.Millisecond))
	return nil
}

// Dir is the plane's directory: logs are in logs, kubeconfigs in kubeconfig.
func (p *Plane) Dir() string { return p.dir }

// DataDir is etcd's data directory. A copy that is made while etcd is stopped can be put back in the same way.
func (p *Plane) DataDir() string { return p.path("etcd") }

// Stack is the stack that the plane runs.
func (p *Plane) Stack() Stack { return p.options.Stack }

// Audit reads the audit log; nil when the plane was started with NoAudit.
func (p *Plane) Audit() *Audit { return p.audit }

// CAPIMetricsURL serves the Prometheus metrics of Cluster API core.
func (p *Plane) CAPIMetricsURL() string { return "http://" + address(p.ports.capiMetrics) + "/metrics" }

// Stop ends all components, gives the ports back and removes the directory unless it is to be kept.
// It may be called more than once.
func (p *Plane) Stop() error {
	p.stopOnce.Do(func() { p.stopErr = p.shutdown() })
	return p.stopErr
}

func (p *Plane) shutdown() error {
	var failures []error
	order := Components()
	for i := len(order) - 1; i >= 0; i-- {
		r, ok := p.runners[order[i]]
		if !ok {
			continue
		}
		// Data that is thrown away needs no orderly end.
		if p.options.KeepDir {
			failures = append(failures, r.stop(context.Background()))
			continue
		}
		failures = append(failures, r.kill())
	}
	p.launcher.Close()
	p.reserved.Release()
	if p.audit != nil {
		failures = append(failures, p.audit.close())
	}
	if !p.options.KeepDir {
		if err := os.RemoveAll(p.dir); err != nil {
			failures = append(failures, fmt.Errorf("remove the plane's directory: %w", err))
		}
	}
	return errors.Join(failures...)
}

func (p *Plane) logf(format string, args ...any) {
	p.logMu.Lock()
	defer p.logMu.Unlock()
	_, _ = fmt.Fprintf(p.options.Log, "plane: "+format+"\n", args...)
}
