// Package controller runs the decision over all Clusters on Rancher's Wrangler framework: caches, triggers, one handler
// that gathers, decides and applies, and a watchdog over the watches.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	lassocache "github.com/rancher/lasso/pkg/cache"
	"github.com/rancher/lasso/pkg/client"
	lassocontroller "github.com/rancher/lasso/pkg/controller"
	"github.com/rancher/wrangler/v3/pkg/generic"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/connrotation"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// ErrRestart says that the caches can no longer be trusted and that Run has to be called again.
var ErrRestart = errors.New("caches must be rebuilt")

// Config is what a run needs.
type Config struct {
	// REST is how to reach the API server.
	REST *rest.Config

	// API says which versions to use.
	API capi.API

	// Settings go into every decision.
	Settings vip.Settings

	// RetryInterval is how often a waiting Cluster is looked at again, whatever the watches say.
	RetryInterval time.Duration

	// ReconcilePeriod is how often every Cluster is looked at again, and how soon a dead watch is noticed.
	ReconcilePeriod time.Duration

	// ProbeTimeout is how long a probe of an address waits for an answer.
	ProbeTimeout time.Duration

	// DrainTimeout is how long work in progress may take to finish when the run ends.
	DrainTimeout time.Duration

	// Workers is how many Clusters are handled at once.
	Workers int

	// Namespace restricts the caches of namespaced kinds, except for classes; empty means all namespaces.
	Namespace string

	Metrics *telemetry.Metrics
	State   *telemetry.State
	Events  record.EventRecorder
	Logger  *slog.Logger

	// MayBegin, if set, is asked before each piece of work; what it holds back is left to the next leader.
	MayBegin func() bool

	// Synced is called when the caches are filled and the work begins.
	Synced func()

	// outage signals that a request got no answer; connect makes it.
	outage <-chan struct{}
}

// namespaceOf returns where a kind is watched; empty means everywhere. Classes are watched everywhere, because a
// Cluster's class may be in another namespace.
func (c *Config) namespaceOf(resource capi.Resource) string {
	if !resource.Namespaced || resource == c.API.ClusterClasses() {
		return ""
	}
	return c.Namespace
}

// Run serves Clusters until ctx ends, and returns when the work in progress has finished. It returns ErrRestart if
// the caches can no longer be trusted.
func Run(ctx context.Context, cfg Config) error {
	cut := cfg.connect()
	defer cut()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	factory, err := newFactory(cfg)
	if err != nil {
		return err
	}
	clusters := generic.NewController[*capi.Cluster, *capi.ClusterList](
		cfg.API.Clusters().GroupVersionKind, cfg.API.Clusters().Plural, true, factory)
	informers, err := newInformers(cfg, factory, clusters.Informer())
	if err != nil {
		return err
	}
	store, err := state.NewStore(informers)
	if err != nil {
		return err
	}
	clients := factory.SharedCacheFactory().SharedClientFactory()
	h := newHandler(ctx, cfg, store, apply.NewWriter(cfg.API, store, clientsOf(clients), time.Now),
		func(namespace, name string, after time.Duration) { clusters.EnqueueAfter(namespace, name, after) })
	if err := (&triggers{handler: h, store: store}).register(); err != nil {
		return err
	}
	clusters.OnChange(ctx, "vip-allocator", h.onChange)
	watchdog, err := newWatchdog(cfg, informers)
	if err != nil {
		return err
	}

	if err := startOtherPools(ctx, cfg.API, informers); err != nil {
		return err
	}
	if err := factory.Start(ctx, cfg.Workers); err != nil {
		return fmt.Errorf("start the caches: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	cfg.State.Use(&source{store})
	defer cfg.State.Use(nil)
	cfg.Logger.Info("caches are filled, serving Clusters", "clusters", len(informers.Clusters.GetStore().ListKeys()),
		"claims", len(informers.Claims.GetStore().ListKeys()), "workers", cfg.Workers)
	cfg.Synced()

	err = watchdog.run(ctx)
	cancel()
	h.drain(cfg.DrainTimeout)
	return err
}

// connect gives the config its own connections, which notice outages, and returns a function that closes them: a dead
// watch must not leave its connection to the next run.
func (c *Config) connect() (cut func()) {
	dialer := connrotation.NewDialer(dial)
	c.REST = rest.CopyConfig(c.REST)
	c.REST.Dial = dialer.DialContext
	lookout := newLookout()
	c.REST.Wrap(lookout.wrap)
	c.outage = lookout.outage
	return dialer.CloseAll
}

// newFactory returns a controller factory whose REST mapper knows only the kinds in use, so that it needs no
// discovery.
func newFactory(cfg Config) (lassocontroller.SharedControllerFactory, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	namespaces := map[schema.GroupVersionKind]string{}
	for _, resource := range cfg.API.Views() {
		scope := meta.RESTScope(meta.RESTScopeRoot)
		if resource.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		plural := resource.GroupVersion().WithResource(resource.Plural)
		mapper.AddSpecific(resource.GroupVersionKind, plural, plural, scope)
		namespaces[resource.GroupVersionKind] = cfg.namespaceOf(resource)
	}
	clients, err := client.NewSharedClientFactory(cfg.REST, &client.SharedClientFactoryOptions{
		Mapper: mapper, Scheme: cfg.API.Scheme(),
	})
	if err != nil {
		return nil, fmt.Errorf("make API clients: %w", err)
	}
	caches := lassocache.NewSharedCachedFactory(clients, &lassocache.SharedCacheFactoryOptions{
		KindNamespace: namespaces,
		KindResync: map[schema.GroupVersionKind]time.Duration{
			cfg.API.Clusters().GroupVersionKind: cfg.ReconcilePeriod,
		},
	})
	return lassocontroller.NewSharedControllerFactory(caches, nil), nil
}

// newInformers returns the caches of all kinds, trimmed and not started. Pools of other providers are watched as
// metadata, outside the framework's caches.
func newInformers(
	cfg Config, factory lassocontroller.SharedControllerFactory, clusters cache.SharedIndexInformer,
) (state.Informers, error) {
	informers := state.Informers{Clusters: clusters, ClusterVersion: cfg.API.Cluster.String()}
	view := func(resource capi.Resource) (cache.SharedIndexInformer, error) {
		return factory.SharedCacheFactory().ForKind(resource.GroupVersionKind)
	}
	var err error
	if informers.ClusterClasses, err = view(cfg.API.ClusterClasses()); err != nil {
		return informers, fmt.Errorf("make the cache of classes: %w", err)
	}
	if informers.Claims, err = view(cfg.API.Claims()); err != nil {
		return informers, fmt.Errorf("make the cache of claims: %w", err)
	}
	if informers.Addresses, err = view(cfg.API.Addresses()); err != nil {
		return informers, fmt.Errorf("make the cache of addresses: %w", err)
	}
	if cfg.API.DNS != nil {
		informers.Names = cfg.Settings.DNS
		if informers.DNS, err = view(*cfg.API.DNS); err != nil {
			return informers, fmt.Errorf("make the cache of DNS records: %w", err)
		}
		if err := informers.DNS.SetTransform(capi.Trim); err != nil {
			return informers, fmt.Errorf("trim the caches: %w", err)
		}
	}
	metadataOf, err := metadataInformers(cfg)
	if err != nil {
		return informers, err
	}
	for _, resource := range cfg.API.AllPools() {
		informerOf := view
		if slices.Contains(cfg.API.OtherPools, resource) {
			informerOf = metadataOf
		}
		informer, err := informerOf(resource)
		if err != nil {
			return informers, fmt.Errorf("make the cache of %s: %w", resource.Plural, err)
		}
		if err := informer.SetTransform(capi.PoolTrimmer(resource)); err != nil {
			return informers, fmt.Errorf("trim the caches: %w", err)
		}
		informers.Pools = append(informers.Pools, state.Pools{Resource: resource, SharedIndexInformer: informer})
	}
	for _, informer := range []cache.SharedIndexInformer{
		informers.Clusters, informers.ClusterClasses, informers.Claims, informers.Addresses,
	} {
		if err := informer.SetTransform(capi.Trim); err != nil {
			return informers, fmt.Errorf("trim the caches: %w", err)
		}
	}
	return informers, nil
}

// metadataInformers returns a function that makes caches of the metadata of objects.
func metadataInformers(cfg Config) (func(capi.Resource) (cache.SharedIndexInformer, error), error) {
	config := metadata.ConfigFor(cfg.REST)
	config.Timeout = 0 // it would cut every watch
	clients, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of other providers' pools: %w", err)
	}
	return func(resource capi.Resource) (cache.SharedIndexInformer, error) {
		gvr := resource.GroupVersion().WithResource(resource.Plural)
		namespace := cfg.namespaceOf(resource)
		informer := metadatainformer.NewFilteredMetadataInformer(clients, gvr, namespace, 0, cache.Indexers{}, nil)
		return informer.Informer(), nil
	}, nil
}

// startOtherPools starts the caches that the framework does not know, and waits until they are filled.
func startOtherPools(ctx context.Context, api capi.API, informers state.Informers) error {
	for _, pools := range informers.Pools {
		if !slices.Contains(api.OtherPools, pools.Resource) {
			continue
		}
		go pools.RunWithContext(ctx)
		if !cache.WaitForCacheSync(ctx.Done(), pools.HasSynced) {
			return nil // only the end of ctx ends the wait
		}
	}
	return nil
}

func clientsOf(clients client.SharedClientFactory) func(capi.Resource) *client.Client {
	return func(resource capi.Resource) *client.Client {
		gvr := resource.GroupVersion().WithResource(resource.Plural)
		return clients.ForResourceKind(gvr, resource.Kind, resource.Namespaced)
	}
}
