// Package controller runs the decision over all Clusters on Rancher's Wrangler framework: caches, triggers, one handler
// that gathers, decides and applies, and a watchdog over the watches.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	lassocache "github.com/rancher/lasso/pkg/cache"
	"github.com/rancher/lasso/pkg/client"
	lassocontroller "github.com/rancher/lasso/pkg/controller"
	"github.com/rancher/wrangler/v3/pkg/generic"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/connrotation"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kube"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// ErrRestart says that the caches cannot be trusted any more and that Run has to be called again.
var ErrRestart = errors.New("caches must be rebuilt")

// Config is what a run needs.
type Config struct {
	// REST is how to reach the API server.
	REST *rest.Config

	// API says which versions to use.
	API capi.API

	// Settings go into every decision.
	Settings vip.Settings

	// RetryInterval is how often a Cluster that waits is looked at again, whatever the watches say.
	RetryInterval time.Duration

	// ReconcilePeriod is how often every Cluster is looked at again, and how soon a dead watch is noticed.
	ReconcilePeriod time.Duration

	// DrainTimeout is how long work under way may take to end when the run ends.
	DrainTimeout time.Duration

	// Workers is how many Clusters are handled at once.
	Workers int

	// Namespace restricts the caches of namespaced kinds; empty means all namespaces.
	Namespace string

	Metrics *telemetry.Metrics
	State   *telemetry.State
	Events  record.EventRecorder
	Logger  *slog.Logger

	// Synced is called when the caches are filled and the work begins.
	Synced func()
}

// Run serves Clusters until ctx ends, and returns when the work under way has ended. It returns ErrRestart if a watch
// was found dead.
func Run(ctx context.Context, cfg Config) error {
	// A connection of its own, that can be cut: a dead watch must not leave its connection to the next run.
	dialer := connrotation.NewDialer(dial)
	defer dialer.CloseAll()
	cfg.REST = rest.CopyConfig(cfg.REST)
	cfg.REST.Dial = dialer.DialContext

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	factory, err := newFactory(cfg)
	if err != nil {
		return err
	}
	clusters := generic.NewController[*capi.Cluster, *capi.ClusterList](
		cfg.API.Clusters().GroupVersionKind, cfg.API.Clusters().Plural, true, factory)
	informers, err := newInformers(cfg.API, factory, clusters.Informer())
	if err != nil {
		return err
	}
	store, err := kube.NewStore(informers)
	if err != nil {
		return err
	}
	clients := factory.SharedCacheFactory().SharedClientFactory()
	h := newHandler(ctx, cfg, store, kube.NewWriter(cfg.API, store, clientFor(clients, cfg.API.Clusters()), clientFor(clients, cfg.API.Claims()), time.Now),
		func(namespace, name string, after time.Duration) { clusters.EnqueueAfter(namespace, name, after) })
	if err := (&triggers{handler: h, store: store}).register(); err != nil {
		return err
	}
	clusters.OnChange(ctx, "vip-allocator", h.onChange)
	watchdog, err := newWatchdog(cfg, informers)
	if err != nil {
		return err
	}

	if err := factory.Start(ctx, cfg.Workers); err != nil {
		return fmt.Errorf("start the caches: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	cfg.State.Use(&state{store})
	defer cfg.State.Use(nil)
	cfg.Logger.Info("caches are filled, serving Clusters", "clusters", len(informers.Clusters.GetStore().ListKeys()),
		"claims", len(informers.Claims.GetStore().ListKeys()), "workers", cfg.Workers)
	cfg.Synced()

	err = watchdog.run(ctx)
	cancel()
	h.drain(cfg.DrainTimeout)
	return err
}

// newFactory returns a controller factory whose REST mapper knows just the kinds in use, so that it asks for nothing.
func newFactory(cfg Config) (lassocontroller.SharedControllerFactory, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, resource := range cfg.API.Resources() {
		scope := meta.RESTScope(meta.RESTScopeRoot)
		if resource.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		plural := resource.GroupVersion().WithResource(resource.Plural)
		mapper.AddSpecific(resource.GroupVersionKind, plural, plural, scope)
	}
	clients, err := client.NewSharedClientFactory(cfg.REST, &client.SharedClientFactoryOptions{Mapper: mapper, Scheme: cfg.API.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("make API clients: %w", err)
	}
	caches := lassocache.NewSharedCachedFactory(clients, &lassocache.SharedCacheFactoryOptions{
		DefaultNamespace: cfg.Namespace,
		KindNamespace:    map[schema.GroupVersionKind]string{cfg.API.GlobalPools().GroupVersionKind: ""},
		KindResync:       map[schema.GroupVersionKind]time.Duration{cfg.API.Clusters().GroupVersionKind: cfg.ReconcilePeriod},
	})
	return lassocontroller.NewSharedControllerFactory(caches, nil), nil
}

func newInformers(api capi.API, factory lassocontroller.SharedControllerFactory, clusters cache.SharedIndexInformer) (kube.Informers, error) {
	informers := kube.Informers{Clusters: clusters}
	for resource, target := range map[capi.Resource]*cache.SharedIndexInformer{
		api.Claims():          &informers.Claims,
		api.Addresses():       &informers.Addresses,
		api.NamespacedPools(): &informers.NamespacedPools,
		api.GlobalPools():     &informers.GlobalPools,
	} {
		informer, err := factory.SharedCacheFactory().ForKind(resource.GroupVersionKind)
		if err != nil {
			return informers, fmt.Errorf("make the cache of %s: %w", resource.Plural, err)
		}
		*target = informer
	}
	for _, informer := range informers.All() {
		if err := informer.SetTransform(capi.Trim); err != nil {
			return informers, fmt.Errorf("trim the caches: %w", err)
		}
	}
	return informers, nil
}

func clientFor(clients client.SharedClientFactory, resource capi.Resource) *client.Client {
	return clients.ForResourceKind(resource.GroupVersion().WithResource(resource.Plural), resource.Kind, resource.Namespaced)
}
