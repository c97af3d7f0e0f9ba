package scale

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	operatordiscovery "github.com/gorizond/capi-vip-allocator/internal/discovery"
)

// bare measures, alternating with the operator's starts, how long client-go's informers alone take to hold the same
// views of the same objects: nothing that reads them can start faster.
func (g *rig) bare(ctx context.Context) (time.Duration, error) {
	client, err := discovery.NewDiscoveryClientForConfig(g.plane.Config())
	if err != nil {
		return 0, fmt.Errorf("make a client: %w", err)
	}
	api, missing, err := (&operatordiscovery.Finder{Discovery: client}).Find()
	if err != nil {
		return 0, fmt.Errorf("find the API: %w", err)
	}
	if len(missing) > 0 {
		return 0, fmt.Errorf("find the API: %v are missing", missing)
	}
	views := api.Scheme()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	begin := time.Now()
	var synced []cache.InformerSynced
	for _, resource := range api.Views() {
		config := g.plane.Config()
		config.UserAgent, config.QPS, config.APIPath = "bare", -1, "/apis"
		version := resource.GroupVersion()
		config.GroupVersion = &version
		config.NegotiatedSerializer = serializer.NewCodecFactory(views).WithoutConversion()
		client, err := rest.RESTClientFor(config)
		if err != nil {
			return 0, fmt.Errorf("make a client: %w", err)
		}
		object, err := views.New(resource.GroupVersionKind)
		if err != nil {
			return 0, fmt.Errorf("make an object: %w", err)
		}
		synced = append(synced, watchBare(ctx, client, resource.Plural, object))
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return 0, fmt.Errorf("fill the bare caches: %w", context.Cause(ctx))
	}
	return time.Since(begin), nil
}

func watchBare(ctx context.Context, client rest.Interface, plural string, object runtime.Object) cache.InformerSynced {
	source := cache.NewListWatchFromClient(client, plural, "", fields.Everything())
	informer := cache.NewSharedIndexInformer(source, object, 0, cache.Indexers{})
	go informer.RunWithContext(ctx)
	return informer.HasSynced
}
