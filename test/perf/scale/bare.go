package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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
	readers, err := g.readers()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	begin := time.Now()
	var synced []cache.InformerSynced
	for _, r := range readers {
		synced = append(synced, watchBare(ctx, r.client, r.plural, r.object))
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return 0, fmt.Errorf("fill the bare caches: %w", context.Cause(ctx))
	}
	return time.Since(begin), nil
}

// fetch measures how long it takes to fetch all lists that the plugin reads at once, and to discard them: nothing that
// reads them can answer faster.
func (g *rig) fetch(ctx context.Context) (time.Duration, error) {
	readers, err := g.readers()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	errs := make([]error, len(readers))
	var group sync.WaitGroup
	for i, r := range readers {
		group.Go(func() {
			body, err := r.client.Get().Resource(r.plural).Stream(ctx)
			if err == nil {
				_, err = io.Copy(io.Discard, body)
				err = errors.Join(err, body.Close())
			}
			errs[i] = err
		})
	}
	group.Wait()
	return time.Since(begin), errors.Join(errs...)
}

// reader reads the objects of one kind.
type reader struct {
	plural string
	client rest.Interface
	object runtime.Object
}

// readers returns a reader for each kind that the operator and the plugin read.
func (g *rig) readers() ([]reader, error) {
	client, err := discovery.NewDiscoveryClientForConfig(g.plane.Config())
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	api, missing, err := (&operatordiscovery.Finder{Discovery: client}).Find()
	if err != nil {
		return nil, fmt.Errorf("find the API: %w", err)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("find the API: %v are missing", missing)
	}
	views := api.Scheme()
	var readers []reader
	for _, resource := range api.Views() {
		config := g.plane.Config()
		config.UserAgent, config.QPS, config.APIPath = "bare", -1, "/apis"
		version := resource.GroupVersion()
		config.GroupVersion = &version
		config.NegotiatedSerializer = serializer.NewCodecFactory(views).WithoutConversion()
		r := reader{plural: resource.Plural}
		if r.client, err = rest.RESTClientFor(config); err != nil {
			return nil, fmt.Errorf("make a client: %w", err)
		}
		if r.object, err = views.New(resource.GroupVersionKind); err != nil {
			return nil, fmt.Errorf("make an object: %w", err)
		}
		readers = append(readers, r)
	}
	return readers, nil
}

func watchBare(ctx context.Context, client rest.Interface, plural string, object runtime.Object) cache.InformerSynced {
	source := cache.NewListWatchFromClient(client, plural, "", fields.Everything())
	informer := cache.NewSharedIndexInformer(source, object, 0, cache.Indexers{})
	go informer.RunWithContext(ctx)
	return informer.HasSynced
}
