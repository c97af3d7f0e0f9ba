package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// World is the objects on a plane: clients to change them, and a view of them that watches keep up to date, so that
// waiting costs no requests and ends as soon as the API server reports the change.
type World struct {
	Plane *plane.Plane
	// Version is the version of Clusters, claims and addresses.
	Version string
	// Core is the client for Kubernetes' own kinds.
	Core kubernetes.Interface
	// Dynamic is the client for all others.
	Dynamic dynamic.Interface

	informers map[schema.GroupVersionResource]cache.SharedIndexInformer
	bell      bell
	stop      context.CancelFunc
	stopped   func()
}

// The resources whose version does not depend on the stack.
var (
	poolResource = schema.GroupVersionResource{
		Group: ipamGroup, Version: poolVersion, Resource: "inclusterippools",
	}
	globalPoolResource = schema.GroupVersionResource{
		Group: ipamGroup, Version: poolVersion, Resource: "globalinclusterippools",
	}
)

const (
	clusterGroup = "cluster.x-k8s.io"
	ipamGroup    = "ipam.cluster.x-k8s.io"
	poolVersion  = "v1alpha2"
	// fallback is how often Await checks without a watch event: what it waits for may be elsewhere.
	fallback = 200 * time.Millisecond
)

// NewWorld starts to watch the objects on a plane with Cluster API and the IPAM provider installed. Close it.
func NewWorld(ctx context.Context, p *plane.Plane) (*World, error) {
	config := p.Config()
	config.UserAgent = "harness"
	config.WarningHandler = rest.NoWarnings{} // about deprecated versions, which tests request on purpose
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	w := &World{
		Plane: p, Version: p.Stack().ClusterVersion(), Core: core, Dynamic: client,
		informers: map[schema.GroupVersionResource]cache.SharedIndexInformer{}, bell: bell{rung: make(chan struct{})},
	}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	for _, resource := range []schema.GroupVersionResource{
		w.clusters(), w.claims(), w.addresses(), poolResource, globalPoolResource,
	} {
		w.informers[resource] = factory.ForResource(resource).Informer()
		ring := cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { w.bell.ring() },
			UpdateFunc: func(_, _ any) { w.bell.ring() },
			DeleteFunc: func(any) { w.bell.ring() },
		}
		if _, err := w.informers[resource].AddEventHandler(ring); err != nil {
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.stopped = stop, factory.Shutdown
	factory.Start(watching.Done())
	for resource, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			w.Close()
			return nil, fmt.Errorf("list %s: %w", resource.Resource, ctx.Err())
		}
	}
	return w, nil
}

// Close ends the watches.
func (w *World) Close() {
	w.stop()
	w.stopped()
}

func (w *World) clusters() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: clusterGroup, Version: w.Version, Resource: "clusters"}
}

func (w *World) claims() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: ipamGroup, Version: w.Version, Resource: "ipaddressclaims"}
}

func (w *World) addresses() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: ipamGroup, Version: w.Version, Resource: "ipaddresses"}
}

// Clusters returns the client for the Clusters of a namespace.
func (w *World) Clusters(namespace string) dynamic.ResourceInterface {
	return w.Dynamic.Resource(w.clusters()).Namespace(namespace)
}

// Classes returns the client for the ClusterClasses of a namespace.
func (w *World) Classes(namespace string) dynamic.ResourceInterface {
	return w.Dynamic.Resource(schema.GroupVersionResource{
		Group: clusterGroup, Version: w.Version, Resource: "clusterclasses",
	}).Namespace(namespace)
}

// Claims returns the client for the claims of a namespace.
func (w *World) Claims(namespace string) dynamic.ResourceInterface {
	return w.Dynamic.Resource(w.claims()).Namespace(namespace)
}

// Addresses returns the client for the IPAddresses of a namespace.
func (w *World) Addresses(namespace string) dynamic.ResourceInterface {
	return w.Dynamic.Resource(w.addresses()).Namespace(namespace)
}

// Pools returns the client for the pools of a namespace, or for the global ones if the namespace is empty.
func (w *World) Pools(namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return w.Dynamic.Resource(globalPoolResource)
	}
	return w.Dynamic.Resource(poolResource).Namespace(namespace)
}

// Create creates objects in order.
func (w *World) Create(ctx context.Context, objects ...Object) error {
	return w.create(ctx, func(error) bool { return false }, objects)
}

// Ensure creates objects in order. They may exist already.
func (w *World) Ensure(ctx context.Context, objects ...Object) error {
	return w.create(ctx, apierrors.IsAlreadyExists, objects)
}

func (w *World) create(ctx context.Context, tolerable func(error) bool, objects []Object) error {
	for _, object := range objects {
		for _, manifest := range object.Manifests(w.Version) {
			if _, err := w.target(manifest).Create(ctx, manifest, metav1.CreateOptions{}); err != nil &&
				!tolerable(err) {
				return fmt.Errorf("create %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
			}
		}
	}
	return nil
}

// target returns the client for an object; all kinds here have regular plurals.
func (w *World) target(object *unstructured.Unstructured) dynamic.ResourceInterface {
	kind := object.GroupVersionKind()
	plural := strings.ToLower(kind.Kind) + "s"
	if strings.HasSuffix(plural, "ss") {
		plural = strings.TrimSuffix(plural, "s") + "es"
	}
	resource := w.Dynamic.Resource(kind.GroupVersion().WithResource(plural))
	if object.GetNamespace() == "" {
		return resource
	}
	return resource.Namespace(object.GetNamespace())
}

// Merge applies a JSON merge patch, given as a value, to an object.
func Merge(
	ctx context.Context, target dynamic.ResourceInterface, name string, patch any, subresources ...string,
) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode a patch: %w", err)
	}
	_, err = target.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "harness"},
		subresources...)
	return err
}

// Delete deletes an object. It may be gone already.
func Delete(ctx context.Context, target dynamic.ResourceInterface, name string) error {
	err := target.Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Cluster returns a Cluster as the watch last reported it, or nil. It is shared: do not change it.
func (w *World) Cluster(namespace, name string) *Cluster {
	object := w.cached(w.clusters(), namespace, name)
	if object == nil {
		return nil
	}
	return &Cluster{object}
}

// ClustersIn returns all Clusters of a namespace, or of all namespaces if it is empty.
func (w *World) ClustersIn(namespace string) []*Cluster {
	var clusters []*Cluster
	for _, object := range w.all(w.clusters(), namespace) {
		clusters = append(clusters, &Cluster{object})
	}
	return clusters
}

// Claim returns a claim, or nil.
func (w *World) Claim(namespace, name string) *Claim {
	object := w.cached(w.claims(), namespace, name)
	if object == nil {
		return nil
	}
	return &Claim{object}
}

// ClaimsIn returns all claims of a namespace, or of all namespaces if it is empty.
func (w *World) ClaimsIn(namespace string) []*Claim {
	var claims []*Claim
	for _, object := range w.all(w.claims(), namespace) {
		claims = append(claims, &Claim{object})
	}
	return claims
}

// Address returns an IPAddress, or nil.
func (w *World) Address(namespace, name string) *Address {
	object := w.cached(w.addresses(), namespace, name)
	if object == nil {
		return nil
	}
	return &Address{object}
}

// AddressesIn returns all IPAddresses of a namespace, or of all namespaces if it is empty.
func (w *World) AddressesIn(namespace string) []*Address {
	var addresses []*Address
	for _, object := range w.all(w.addresses(), namespace) {
		addresses = append(addresses, &Address{object})
	}
	return addresses
}

// Capacity returns what a pool reports about itself, and false while it reports nothing. A global pool has no
// namespace.
func (w *World) Capacity(namespace, name string) (Capacity, bool) {
	resource := poolResource
	if namespace == "" {
		resource = globalPoolResource
	}
	object := w.cached(resource, namespace, name)
	if object == nil {
		return Capacity{}, false
	}
	number := func(field string) int {
		value, _, _ := unstructured.NestedInt64(object.Object, "status", "ipAddresses", field)
		return int(value)
	}
	_, found, _ := unstructured.NestedMap(object.Object, "status", "ipAddresses")
	return Capacity{
		Total: number("total"), Used: number("used"), Free: number("free"), OutOfRange: number("outOfRange"),
	}, found
}

// OnCluster calls changed for every change of a Cluster, one after the other; after is nil once the Cluster is gone.
func (w *World) OnCluster(changed func(before, after *Cluster)) error {
	wrap := func(object *unstructured.Unstructured) *Cluster {
		if object == nil {
			return nil
		}
		return &Cluster{object}
	}
	return w.on(w.clusters(), func(before, after *unstructured.Unstructured) { changed(wrap(before), wrap(after)) })
}

// OnClaim is OnCluster for claims.
func (w *World) OnClaim(changed func(before, after *Claim)) error {
	wrap := func(object *unstructured.Unstructured) *Claim {
		if object == nil {
			return nil
		}
		return &Claim{object}
	}
	return w.on(w.claims(), func(before, after *unstructured.Unstructured) { changed(wrap(before), wrap(after)) })
}

func (w *World) on(resource schema.GroupVersionResource, changed func(before, after *unstructured.Unstructured)) error {
	object := func(told any) *unstructured.Unstructured {
		if tombstone, ok := told.(cache.DeletedFinalStateUnknown); ok {
			told = tombstone.Obj
		}
		o, _ := told.(*unstructured.Unstructured)
		return o
	}
	_, err := w.informers[resource].AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(told any) { changed(nil, object(told)) },
		UpdateFunc: func(old, told any) { changed(object(old), object(told)) },
		DeleteFunc: func(told any) { changed(object(told), nil) },
	})
	return err
}

func (w *World) cached(resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	object, found, err := w.informers[resource].GetStore().GetByKey(key)
	if err != nil || !found {
		return nil
	}
	typed, _ := object.(*unstructured.Unstructured)
	return typed
}

func (w *World) all(resource schema.GroupVersionResource, namespace string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, object := range w.informers[resource].GetStore().List() {
		typed, ok := object.(*unstructured.Unstructured)
		if ok && (namespace == "" || typed.GetNamespace() == namespace) {
			found = append(found, typed)
		}
	}
	return found
}

// Await waits until check returns nil. It calls check on every watch event, and now and then without one. If ctx ends
// first, it returns the last error of check.
func (w *World) Await(ctx context.Context, check func() error) error {
	for {
		rung := w.bell.listen()
		err := check()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(fallback)
		select {
		case <-rung:
			timer.Stop()
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		}
	}
}

// Events returns the events about a Cluster.
func (w *World) Events(ctx context.Context, namespace, cluster string) ([]corev1.Event, error) {
	return w.eventsOn(ctx, "Cluster", namespace, cluster)
}

// GlobalPoolEvents returns the events about a GlobalInClusterIPPool. As for all objects without a namespace, they are
// in the namespace default.
func (w *World) GlobalPoolEvents(ctx context.Context, pool string) ([]corev1.Event, error) {
	return w.eventsOn(ctx, "GlobalInClusterIPPool", metav1.NamespaceDefault, pool)
}

func (w *World) eventsOn(ctx context.Context, kind, namespace, name string) ([]corev1.Event, error) {
	list, err := w.Core.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.kind": kind, "involvedObject.name": name}.String(),
	})
	if err != nil {
		return nil, fmt.Errorf("list the events of %s %s/%s: %w", kind, namespace, name, err)
	}
	return list.Items, nil
}

// CreateNamespace creates a namespace.
func (w *World) CreateNamespace(ctx context.Context, name string) error {
	_, err := w.Core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		metav1.CreateOptions{})
	return err
}

// ErrNotYet is for checks that have nothing more to say.
var ErrNotYet = errors.New("not yet")

// bell wakes everyone who listens.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}
