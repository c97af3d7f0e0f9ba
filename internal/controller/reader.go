package controller

import (
	"context"
	"fmt"

	"github.com/rancher/lasso/pkg/controller"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// Read fills caches like those of Run and keeps them current until ctx ends, but neither handles nor writes anything:
// it is for what answers questions on every replica. It calls use with the store once the caches are filled, and with
// nil when the store can no longer be used. It returns ErrRestart if the caches can no longer be trusted. It needs
// only the parts of the config about reading.
func Read(ctx context.Context, cfg Config, use func(*state.Store)) error {
	cut := cfg.connect()
	defer cut()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory, err := newFactory(cfg)
	if err != nil {
		return err
	}
	store, err := newReadStore(cfg, factory)
	if err != nil {
		return err
	}
	watchdog, err := newWatchdog(cfg, store.Informers)
	if err != nil {
		return err
	}
	if err := startOtherPools(ctx, cfg.API, store.Informers); err != nil {
		return err
	}
	caches := factory.SharedCacheFactory()
	if err := caches.Start(ctx); err != nil {
		return fmt.Errorf("start the caches: %w", err)
	}
	for kind, synced := range caches.WaitForCacheSync(ctx) {
		if !synced && ctx.Err() == nil {
			return fmt.Errorf("fill the cache of %s: %w", kind, ErrRestart)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	use(store)
	defer use(nil)
	return watchdog.run(ctx)
}

func newReadStore(cfg Config, factory controller.SharedControllerFactory) (*state.Store, error) {
	clusters, err := factory.SharedCacheFactory().ForKind(cfg.API.Clusters().GroupVersionKind)
	if err != nil {
		return nil, fmt.Errorf("make the cache of %s: %w", capi.KindCluster, err)
	}
	informers, err := newInformers(cfg, factory, clusters)
	if err != nil {
		return nil, err
	}
	return state.NewStore(informers)
}
