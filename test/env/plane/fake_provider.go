package plane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	// fakeWorkers is enough for a thousand Clusters: an object takes one or two small patches.
	fakeWorkers = 4
	// fakeSyncTimeout bounds the first list.
	fakeSyncTimeout = 30 * time.Second
	fakeUserAgent   = "plane-fake-provider"
)

// InfraClusterResource is the resource of FakeInfraCluster.
func InfraClusterResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{
		Group: "infrastructure.cluster.x-k8s.io", Version: "v1alpha1", Resource: "fakeinfraclusters",
	}
}

// ControlPlaneResource is the resource of FakeControlPlane.
func ControlPlaneResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{
		Group: "controlplane.cluster.x-k8s.io", Version: "v1alpha1", Resource: "fakecontrolplanes",
	}
}

// fakeKey is an item of the fake provider's queue.
type fakeKey struct {
	resource schema.GroupVersionResource
	name     types.NamespacedName
}

// fakeProvider plays the infrastructure and the control plane provider: it reports objects as ready once their
// Cluster owns them, and blocks deletions where told to.
type fakeProvider struct {
	client    dynamic.Interface
	factory   dynamicinformer.DynamicSharedInformerFactory
	informers map[schema.GroupVersionResource]cache.SharedIndexInformer
	queue     workqueue.TypedRateLimitingInterface[fakeKey]
	log       func(format string, args ...any)
	// lifetime ends the informers and workers; the context of a start must not.
	lifetime context.CancelFunc
	workers  sync.WaitGroup
}

func newFakeProvider(config *rest.Config, log func(string, ...any)) (*fakeProvider, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = fakeUserAgent
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create the fake provider's client: %w", err)
	}
	f := &fakeProvider{
		client:    client,
		factory:   dynamicinformer.NewDynamicSharedInformerFactory(client, 0),
		informers: map[schema.GroupVersionResource]cache.SharedIndexInformer{},
		queue:     workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[fakeKey]()),
		log:       log,
	}
	for _, resource := range []schema.GroupVersionResource{InfraClusterResource(), ControlPlaneResource()} {
		informer := f.factory.ForResource(resource).Informer()
		if _, err := informer.AddEventHandler(f.handler(resource)); err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		if err := informer.SetWatchErrorHandlerWithContext(f.watchFailed); err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		f.informers[resource] = informer
	}
	return f, nil
}

// handler ignores deletions: nothing is left to play.
func (f *fakeProvider) handler(resource schema.GroupVersionResource) cache.ResourceEventHandler {
	enqueue := func(object any) {
		if o, ok := object.(*unstructured.Unstructured); ok {
			f.queue.Add(fakeKey{
				resource: resource, name: types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()},
			})
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, object any) { enqueue(object) },
	}
}

// watchFailed stays silent about intended failures: a test that stops the API server expects them.
func (f *fakeProvider) watchFailed(context.Context, *cache.Reflector, error) {}

func (f *fakeProvider) start(ctx context.Context) error {
	syncing, done := context.WithTimeout(ctx, fakeSyncTimeout)
	defer done()
	if err := f.waitServed(syncing); err != nil {
		return err
	}
	lifetime, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.lifetime = cancel
	f.factory.Start(lifetime.Done())
	for resource, synced := range f.factory.WaitForCacheSync(syncing.Done()) {
		if !synced {
			f.stop()
			return fmt.Errorf("the fake provider cannot list %s", resource.Resource)
		}
	}
	for range fakeWorkers {
		f.workers.Go(func() { f.work(lifetime) })
	}
	return nil
}

// waitServed reports what is missing; without its kinds an informer would wait for ever.
func (f *fakeProvider) waitServed(ctx context.Context) error {
	for resource := range f.informers {
		if err := waitServed(ctx, f.client.Resource(resource)); err != nil {
			return fmt.Errorf("the fake provider cannot list %s (InstallFakes installs its kinds): %w",
				resource.Resource, err)
		}
	}
	return nil
}

func (f *fakeProvider) stop() {
	f.lifetime()
	f.queue.ShutDown()
	f.workers.Wait()
	f.factory.Shutdown()
}

func (f *fakeProvider) work(ctx context.Context) {
	for {
		key, quit := f.queue.Get()
		if quit {
			return
		}
		err := f.reconcile(ctx, key)
		switch {
		case err == nil:
			f.queue.Forget(key)
		case ctx.Err() == nil:
			// A conflict is normal: the object has changed, so look again.
			if !apierrors.IsConflict(err) {
				f.log("fake provider: %s: %v", key.name, err)
			}
			f.queue.AddRateLimited(key)
		}
		f.queue.Done(key)
	}
}

func (f *fakeProvider) reconcile(ctx context.Context, key fakeKey) error {
	item, found, err := f.informers[key.resource].GetStore().GetByKey(key.name.String())
	if err != nil || !found {
		return err
	}
	object, ok := item.(*unstructured.Unstructured)
	if !ok {
		return errors.New("the cache holds something else than an object")
	}
	target := f.client.Resource(key.resource).Namespace(object.GetNamespace())
	if patch := holdPatch(object); patch != nil {
		return ignoreGone(merge(ctx, target, object.GetName(), patch))
	}
	if object.GetDeletionTimestamp() != nil || !ownedByCluster(object) {
		return nil
	}
	if patch := endpointPatch(object); patch != nil {
		// The resulting update event requeues the object for its status.
		return ignoreGone(merge(ctx, target, object.GetName(), patch))
	}
	if patch := statusPatch(key.resource, object); patch != nil {
		return ignoreGone(merge(ctx, target, object.GetName(), patch, "status"))
	}
	if key.resource == ControlPlaneResource() {
		return f.buildMachine(ctx, key, object)
	}
	return nil
}

// ownedByCluster is the contract's sign that Cluster API has adopted the object.
func ownedByCluster(object *unstructured.Unstructured) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.Kind == "Cluster"
	})
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
