// Package operator wires the controllers into a program and shuts it down.
package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	discoveryclient "k8s.io/client-go/discovery"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/connrotation"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/controller"
	"github.com/gorizond/capi-vip-allocator/internal/diagnostics"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/election"
	"github.com/gorizond/capi-vip-allocator/internal/hooks"
	"github.com/gorizond/capi-vip-allocator/internal/logging"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/version"
)

const (
	// apiTimeout is how long one request may take.
	apiTimeout = 30 * time.Second
	// awaitPeriod is how often to check for APIs that are not served yet.
	awaitPeriod = 2 * time.Second
	// drainReserve is the part of the drain time reserved for everything but the work itself.
	drainReserve = time.Second
	// hooksLinger is how long a Service may keep sending to a pod that is told to stop.
	hooksLinger = 5 * time.Second
)

// errNotSynced is why a leader is not ready.
var errNotSynced = errors.New("waiting for the APIs or for the caches to fill")

// Run runs the operator until ctx ends: servers, leader election and, on the leader, the controllers. The options
// must be completed and valid. It returns nil after a clean shutdown.
func Run(ctx context.Context, opts *options.Options, logger *slog.Logger) error {
	config, err := opts.RESTConfig(logging.NewWarnings(logger))
	if err != nil {
		return err
	}
	config.Timeout = apiTimeout
	build := version.Read()
	logger.Info("starting", slog.String("version", build.Line(options.ProgramName)), slog.String("server", config.Host))
	opts.LogNotices(ctx, logger)

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	o := &operator{
		options: opts, config: config, logger: logger, health: diagnostics.NewHealth(logger),
		metrics: telemetry.NewMetrics(registry, build.Version, build.Commit), state: telemetry.NewState(registry),
	}
	if opts.RuntimeExtension.Enabled {
		o.hooks, err = hooks.New(hooks.Config{
			Options: opts, REST: config, Read: o.read, Metrics: o.metrics, Logger: logger,
		})
		if err != nil {
			return err
		}
		o.health.AddReadyCheck("runtime extension", o.hooks.Ready)
	}
	servers, err := o.listen(ctx, registry)
	if err != nil {
		return err
	}
	return o.run(ctx, servers)
}

// operator is a running operator.
type operator struct {
	options *options.Options
	config  *rest.Config
	logger  *slog.Logger
	health  *diagnostics.Health
	metrics *telemetry.Metrics
	state   *telemetry.State
	synced  atomic.Bool
	leading atomic.Bool
	// leaseCounts reports whether the Lease still keeps others from leading; nil without leader election.
	leaseCounts func() bool
	// hooks is nil without the runtime extension.
	hooks *hooks.Hooks
}

// listen binds all servers, so that an address in use fails the start before any work begins.
func (o *operator) listen(ctx context.Context, registry *prometheus.Registry) ([]*diagnostics.Server, error) {
	metrics := diagnostics.Config{
		Address: o.options.DiagnosticsAddress, Insecure: o.options.InsecureDiagnostics,
		CertDir: o.options.DiagnosticsCertDir, Gatherer: registry, Logger: o.logger,
	}
	if !metrics.Insecure {
		reviewers, err := diagnostics.NewReviewers(o.config)
		if err != nil {
			return nil, err
		}
		metrics.Reviewers = reviewers
	}
	o.health.AddReadyCheck("caches", func() error {
		if !o.leading.Load() || o.synced.Load() || o.hooks != nil && o.hooks.AnswersAnyway() {
			return nil
		}
		return errNotSynced
	})
	binds := []func() (*diagnostics.Server, error){
		func() (*diagnostics.Server, error) {
			return diagnostics.ListenHealth(ctx, o.options.HealthAddress, o.health, o.logger)
		},
		func() (*diagnostics.Server, error) { return diagnostics.ListenMetrics(ctx, metrics) },
		func() (*diagnostics.Server, error) {
			return diagnostics.ListenProfiler(ctx, o.options.ProfilerAddress, o.logger)
		},
	}
	if o.hooks != nil {
		binds = append(binds, func() (*diagnostics.Server, error) { return o.hooks.Listen(ctx) })
	}
	var servers []*diagnostics.Server
	for _, bind := range binds {
		server, err := bind()
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// run serves and leads. The servers run until the work is done; if one fails, the work ends.
func (o *operator) run(ctx context.Context, servers []*diagnostics.Server) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	leading, stopLeading := context.WithCancel(ctx)
	defer stopLeading()
	served := make(chan error, 1)
	go func() {
		defer stopLeading()
		served <- diagnostics.ServeAll(serving, servers...)
	}()
	var hooking sync.WaitGroup
	if o.hooks != nil {
		hooking.Go(func() { o.hooks.Run(serving) })
	}
	err := o.lead(leading)
	if o.hooks != nil && ctx.Err() != nil {
		o.linger(serving)
	}
	stopServing()
	hooking.Wait()
	err = errors.Join(err, <-served)
	if err == nil {
		o.logger.Info("stopped")
	}
	return err
}

// linger answers hooks until the cluster's proxies have stopped sending to this replica. If a connection is refused
// and the hook's failure policy is Ignore, Cluster API goes ahead and creates a Cluster without its VIP.
func (o *operator) linger(ctx context.Context) {
	o.logger.Info("answering runtime hooks a while longer", slog.Duration("time", hooksLinger))
	select {
	case <-ctx.Done():
	case <-time.After(hooksLinger):
	}
}

func (o *operator) lead(ctx context.Context) error {
	leases, err := election.NewLeaseClient(o.config, o.options.LeaderElection.RenewDeadline)
	if err != nil {
		return err
	}
	return election.Run(ctx, election.Config{
		LeaderElection: o.options.LeaderElection,
		Client:         leases,
		Identity:       election.NewIdentity(hostname()),
		OnLeader: func(leads bool) {
			o.leading.Store(leads)
			o.metrics.Leading(leads)
		},
		OnLease: func(counts func() bool) { o.leaseCounts = counts },
		Logger:  o.logger,
	}, o.control)
}

// control runs the controllers, and restarts them when the served APIs change or the caches must be rebuilt.
func (o *operator) control(ctx context.Context) error {
	events, stopEvents, err := o.newRecorder(ctx)
	if err != nil {
		return err
	}
	defer stopEvents()
	var registering sync.WaitGroup
	defer registering.Wait()
	if o.hooks != nil {
		registering.Go(func() { o.hooks.Register(ctx) })
	}
	for ctx.Err() == nil {
		if err := o.controlOnce(ctx, events); err != nil && !errors.Is(err, controller.ErrRestart) {
			return err
		}
	}
	return nil
}

// controlOnce runs the controllers with the currently served APIs until these change or ctx ends.
func (o *operator) controlOnce(ctx context.Context, events record.EventRecorder) error {
	return o.whileServed(ctx, func(ctx context.Context, cfg controller.Config) error {
		if o.options.BaseDomain != "" {
			o.metrics.NamesKept(cfg.API.DNS != nil)
			if cfg.API.DNS == nil {
				o.logger.Warn("no DNS records are kept: the kind of external-dns for them is not served; "+
					"install its CRD, or leave baseDomain empty",
					slog.String("kind", capi.DNSEndpointKind.String()))
			}
		}
		defer o.synced.Store(false)
		cfg.State, cfg.Events = o.state, events
		cfg.Synced, cfg.MayBegin = func() { o.synced.Store(true) }, o.leaseCounts
		return controller.Run(ctx, cfg)
	})
}

// read fills caches for the runtime hooks.
func (o *operator) read(ctx context.Context, keep func(*state.Store)) error {
	err := o.whileServed(ctx, func(ctx context.Context, cfg controller.Config) error {
		return controller.Read(ctx, cfg, keep)
	})
	if errors.Is(err, controller.ErrRestart) {
		return nil
	}
	return err
}

// whileServed waits until the APIs are served, and calls run with them. It cancels run's context when the served APIs
// change or ctx ends.
func (o *operator) whileServed(ctx context.Context, run func(context.Context, controller.Config) error) error {
	// Each run has new connections: if the last one ended because a watch was dead, its other connections may be dead
	// too.
	dialer := connrotation.NewDialer((&net.Dialer{Timeout: apiTimeout}).DialContext)
	defer dialer.CloseAll()
	config := rest.CopyConfig(o.config)
	config.Dial = dialer.DialContext
	client, err := discoveryclient.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make the discovery client: %w", err)
	}
	finder := &discovery.Finder{
		Discovery: client, PoolKinds: o.options.PoolKinds, DNS: o.options.BaseDomain != "", Logger: o.logger,
	}
	api, err := finder.Await(ctx, awaitPeriod)
	if err != nil {
		return nil // only ctx ends the wait
	}
	o.logger.Info("using APIs", slog.String("versions", api.String()))
	if len(api.OtherPools) < len(o.options.PoolKinds) {
		o.logger.Warn("not all pool kinds of the configuration are served; "+
			"those that are not are used as soon as they are",
			slog.String("configured", options.FormatKinds(o.options.PoolKinds)))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		finder.Watch(ctx, api, o.options.ReconcilePeriod)
		cancel()
	}()
	lease := o.options.LeaderElection
	return run(ctx, controller.Config{
		REST:            o.config,
		API:             api,
		Settings:        o.options.Settings(),
		RetryInterval:   o.options.RetryInterval,
		ProbeTimeout:    o.options.ProbeTimeout,
		ReconcilePeriod: o.options.ReconcilePeriod,
		DrainTimeout:    max(lease.LeaseDuration-lease.RenewDeadline-drainReserve, drainReserve),
		Workers:         o.options.Concurrency,
		Namespace:       o.options.Namespace,
		Metrics:         o.metrics,
		Logger:          o.logger,
	})
}

// newRecorder returns the event recorder and a function that stops it. Events have their own client, so that they do
// not use up the rate limit of the work.
func (o *operator) newRecorder(ctx context.Context) (record.EventRecorder, func(), error) {
	config := rest.CopyConfig(o.config)
	config.RateLimiter = nil
	rest.AddUserAgent(config, "events")
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("make the client of events: %w", err)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.Events("")})
	recorder := broadcaster.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: names.FieldManager})
	return recorder, broadcaster.Shutdown, nil
}

// hostname returns the host name, or localhost if it is unknown; it only decorates the identity in the Lease.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
