package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// pageSize is how many objects one request asks for. Pages are read one after the other, so each costs a round trip.
// The largest objects, Clusters, take some ten kilobytes each, and a page has to arrive within a request's timeout.
const pageSize = 2000

// source says how to read the objects of one kind, and holds the cache that they go to.
type source struct {
	capi.Resource
	lw        cache.ListerWatcherWithContext
	informer  cache.SharedIndexInformer
	transform cache.TransformFunc
	// optional says that the kind may be forbidden: the rest is still worth printing.
	optional bool
}

// sources returns the empty caches of all kinds, and how to fill them. A timeout in the configuration would cut
// watches.
func (w *World) sources(config *rest.Config) ([]source, state.Informers, error) {
	informers := state.Informers{ClusterVersion: w.API.Cluster.String()}
	var sources []source
	for _, resource := range w.API.Views() {
		client, err := w.clientFor(config, resource)
		if err != nil {
			return nil, informers, err
		}
		lw := cache.NewListWatchFromClient(client, resource.Plural, w.namespaceOf(resource), fields.Everything())
		s := source{Resource: resource, lw: lw, transform: capi.Trim}
		s.informer = cache.NewSharedIndexInformer(lw, exampleOf(resource), 0, cache.Indexers{})
		switch resource.Kind {
		case capi.KindCluster:
			informers.Clusters = s.informer
		case capi.KindClusterClass:
			informers.ClusterClasses, s.optional = s.informer, true
		case capi.KindClaim:
			informers.Claims = s.informer
		case capi.KindAddress:
			informers.Addresses = s.informer
		default:
			s.transform, s.optional = capi.PoolTrimmer(resource), true
			informers.Pools = append(informers.Pools, state.Pools{Resource: resource, SharedIndexInformer: s.informer})
		}
		sources = append(sources, s)
	}
	for _, resource := range w.API.OtherPools {
		gvr := resource.GroupVersion().WithResource(resource.Plural)
		objects := w.reader.metadata.Resource(gvr).Namespace(w.namespaceOf(resource))
		list := func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		}
		informer := metadatainformer.NewFilteredMetadataInformer(w.reader.metadata, gvr, w.namespaceOf(resource), 0,
			cache.Indexers{}, nil).Informer()
		sources = append(sources, source{
			Resource: resource, informer: informer, transform: capi.PoolTrimmer(resource), optional: true,
			lw: &cache.ListWatch{ListWithContextFunc: list},
		})
		informers.Pools = append(informers.Pools, state.Pools{Resource: resource, SharedIndexInformer: informer})
	}
	for _, s := range sources {
		if err := s.informer.SetTransform(s.transform); err != nil {
			return nil, informers, fmt.Errorf("trim %s: %w", s.Plural, err)
		}
	}
	return sources, informers, nil
}

func exampleOf(resource capi.Resource) runtime.Object {
	switch resource.Kind {
	case capi.KindCluster:
		return &capi.Cluster{}
	case capi.KindClusterClass:
		return &capi.ClusterClass{}
	case capi.KindClaim:
		return &capi.Claim{}
	case capi.KindAddress:
		return &capi.Address{}
	}
	return &capi.Pool{}
}

// clientFor returns a client that decodes into the views of package capi.
func (w *World) clientFor(config *rest.Config, resource capi.Resource) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	gv := resource.GroupVersion()
	config.GroupVersion, config.APIPath = &gv, "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(w.API.Scheme()).WithoutConversion()
	client, err := rest.RESTClientForConfigAndClient(config, w.reader.http)
	if err != nil {
		return nil, fmt.Errorf("make the client of %s: %w", resource.Plural, err)
	}
	return client, nil
}

func (w *World) namespaceOf(resource capi.Resource) string {
	if !resource.Namespaced {
		return metav1.NamespaceAll
	}
	return w.scope
}

// list fills a store with the current objects.
func (w *World) list(ctx context.Context) (*state.Store, error) {
	sources, informers, err := w.sources(w.reader.config)
	if err != nil {
		return nil, err
	}
	var limits []string
	w.unreadable = nil
	read := listAll(ctx, sources)
	for i, s := range sources {
		objects, err := read[i].objects, read[i].err
		if apierrors.IsForbidden(err) && s.optional && (w.scope != "" || !s.Namespaced) {
			limits = append(limits, fmt.Sprintf("%s cannot be read (%s), so %s", s.Plural, shortly(err), s.unseen()))
			w.unreadable = append(w.unreadable, s.Resource)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", s.Plural, err)
		}
		if err := s.informer.GetStore().Replace(objects, ""); err != nil {
			return nil, fmt.Errorf("keep %s: %w", s.Plural, err)
		}
	}
	informers.SomeClasses = w.scope != "" || slices.Contains(w.unreadable, w.API.ClusterClasses())
	store, err := state.NewStore(informers)
	if err != nil {
		return nil, err
	}
	w.limits = append(slices.Clip(w.limits), limits...)
	observeServed(store)
	return store, nil
}

// listed is the result of listing one kind.
type listed struct {
	objects []any
	err     error
}

// listAll lists all kinds concurrently: each answer takes a while, and none depends on another.
func listAll(ctx context.Context, sources []source) []listed {
	read := make([]listed, len(sources))
	var group sync.WaitGroup
	for i := range sources {
		group.Go(func() { read[i].objects, read[i].err = sources[i].list(ctx) })
	}
	group.Wait()
	return read
}

// unseen says what may be missed without this kind.
func (s *source) unseen() string {
	if s.Kind == capi.KindClusterClass {
		return "it is not known which Clusters wait for their templates"
	}
	return "pools may match that are not seen here"
}

// list returns all objects of the kind, trimmed for the cache and read in pages.
func (s *source) list(ctx context.Context) ([]any, error) {
	objects := []any{}
	page := func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return s.lw.ListWithContext(ctx, options)
	}
	pages := pager.New(page)
	pages.PageSize = pageSize
	err := pages.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		trimmed, err := s.transform(object)
		objects = append(objects, trimmed)
		return err
	})
	return objects, err
}

// shortly returns the reason of an API error, without the request.
func shortly(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return string(status.Status().Reason)
	}
	return err.Error()
}
