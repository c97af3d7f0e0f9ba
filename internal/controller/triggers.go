package controller

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// triggers wakes the handler for the Clusters that a change of another object affects. When a Cluster itself changes,
// the framework wakes it.
type triggers struct {
	handler *handler
	store   *state.Store
}

func (t *triggers) register() error {
	all := map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		t.store.Clusters:       handlers[*capi.Cluster]{t.store, t.cluster},
		t.store.ClusterClasses: handlers[*capi.ClusterClass]{t.store, t.class},
		t.store.Claims:         handlers[*capi.Claim]{t.store, t.claim},
		t.store.Addresses:      handlers[*capi.Address]{t.store, t.address},
	}
	for _, pools := range t.store.Informers.Pools {
		all[pools.SharedIndexInformer] = handlers[*capi.Pool]{t.store, t.pool}
	}
	if t.store.DNS != nil {
		all[t.store.DNS] = handlers[*capi.DNSEndpoint]{t.store, t.dns}
	}
	for informer, handler := range all {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

// handlers maps the three kinds of events to one function: before is nil for a new object, after is nil for a deleted
// one.
type handlers[T comparable] struct {
	store   *state.Store
	changed func(before, after T, initial bool)
}

func (h handlers[T]) tell(before, after T, initial bool) {
	if before == after {
		return // the cache's resync of all Clusters in each reconcile period
	}
	h.store.Changed()
	h.changed(before, after, initial)
}

func (h handlers[T]) OnAdd(object any, initial bool) {
	var none T
	if after, ok := object.(T); ok {
		h.tell(none, after, initial)
	}
}

func (h handlers[T]) OnUpdate(old, object any) {
	before, ok := old.(T)
	after, ok2 := object.(T)
	if ok && ok2 {
		h.tell(before, after, false)
	}
}

func (h handlers[T]) OnDelete(object any) {
	var none T
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	if before, ok := object.(T); ok {
		h.tell(before, none, false)
	}
}

func (t *triggers) wake(clusters ...types.NamespacedName) {
	for _, cluster := range clusters {
		t.handler.enqueue(cluster.Namespace, cluster.Name, 0)
	}
}

// cluster wakes the Clusters that wait for an address that this one gives up and, when its addresses change, those
// whose DNS names collide with its own.
func (t *triggers) cluster(before, after *capi.Cluster, _ bool) {
	if after == nil {
		t.store.ObserveCluster(before, true)
	} else {
		t.store.ObserveCluster(after, false)
	}
	if before == nil {
		return
	}
	had, kept := sets.New(state.Carried(before)...), sets.New(state.Carried(after)...)
	for address := range had.Difference(kept) {
		t.wake(t.handler.waiters.inConflict(address)...)
	}
	if !had.Equal(kept) {
		t.wake(t.store.Namesakes(before.Key())...)
	}
}

// class wakes the Clusters of a class that was created or deleted, or whose use of VIPs changed.
func (t *triggers) class(before, after *capi.ClusterClass, initial bool) {
	if initial || before != nil && after != nil && equality.Semantic.DeepEqual(before.Uses, after.Uses) {
		return
	}
	for _, cluster := range t.store.ClustersOfClass(cmp.Or(after, before)) {
		t.wake(cluster.Key())
	}
}

// dns wakes the Cluster whose DNS records someone changed, and those whose names collide with its own.
func (t *triggers) dns(before, after *capi.DNSEndpoint, initial bool) {
	if after == nil {
		t.store.ObserveDNS(before, true)
	} else {
		t.store.ObserveDNS(after, false)
	}
	if initial || before != nil && after != nil && equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		return
	}
	object := cmp.Or(after, before)
	for _, owner := range object.OwnerReferences {
		if owner.Kind == capi.KindCluster {
			key := types.NamespacedName{Namespace: object.Namespace, Name: owner.Name}
			t.wake(key)
			t.wake(t.store.Namesakes(key)...)
		}
	}
}

// claim wakes the Cluster of a claim of which something changed that a decision rests on.
func (t *triggers) claim(before, after *capi.Claim, initial bool) {
	if after == nil {
		t.store.ObserveClaim(before, true)
		t.wake(before.Cluster())
		return
	}
	t.store.ObserveClaim(after, false)
	if initial { // the Clusters of the initial list are all handled anyway
		return
	}
	// In a storm, a provider puts its finalizer on all claims before it answers the first: that is work as well.
	answered := before != nil && !equality.Semantic.DeepEqual(before.Status, after.Status)
	if before != nil && (answered || len(before.Finalizers) != len(after.Finalizers)) {
		t.store.ObserveServed(after.Spec.PoolRef.Snapshot(), after.Namespace, time.Now())
	}
	if before == nil || answered || before.OwnerUID() != after.OwnerUID() || before.Spec != after.Spec ||
		(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil) ||
		!maps.Equal(before.Labels, after.Labels) {
		t.wake(after.Cluster())
	}
}

// address wakes the Cluster whose claim names the address, and the Clusters that could not have it.
func (t *triggers) address(before, after *capi.Address, initial bool) {
	switch {
	case after == nil:
		t.wake(t.handler.waiters.inConflict(canonical(before))...)
		t.wakeClaimant(before)
	case before == nil && !initial:
		t.store.ObserveServed(after.Spec.PoolRef.Snapshot(), after.Namespace, time.Now())
		t.wakeClaimant(after)
	case before != nil && before.Spec != after.Spec:
		t.wake(t.handler.waiters.inConflict(canonical(before))...)
		t.wakeClaimant(after)
	}
}

// wakeClaimant wakes the Cluster of the claim that names an address. A claim that does not name it yet will wake its
// Cluster itself when it does.
func (t *triggers) wakeClaimant(address *capi.Address) {
	claim := t.store.CachedClaim(address.Namespace + "/" + address.Spec.ClaimRef.Name)
	if claim != nil && claim.Status.AddressRef.Name == address.Name {
		t.wake(claim.Cluster())
	}
}

func canonical(address *capi.Address) string { return vip.ParseAddr(address.Spec.Address).String() }

// pool wakes the Clusters of the classes that a pool serves or served when its configuration changes, and the waiting
// ones among them when it has room again.
func (t *triggers) pool(before, after *capi.Pool, initial bool) {
	if after != nil && (before == nil || configured(before, after)) {
		t.handler.report.pool(after, t.doubts(after, initial), initial)
	}
	switch {
	case initial:
		return
	case after == nil:
		t.store.ForgetPool(before)
		t.wakeClasses(before, false)
	case before == nil:
		t.wakeClasses(after, false)
		t.wakeCarriers(after)
	case configured(before, after):
		t.wakeClasses(before, false)
		t.wakeClasses(after, false)
		t.wakeCarriers(after)
	case full(before) && !full(after):
		t.wakeClasses(after, true)
	}
}

// doubts returns what is probably misspelled on a pool. At the start of the process it returns nothing: the pools and
// classes to compare with are not all there yet.
func (t *triggers) doubts(pool *capi.Pool, initial bool) []string {
	if initial {
		return nil
	}
	snapshot := pool.Snapshot(time.Time{})
	return vip.Doubts(&snapshot, t.store.PoolsBeside(pool), t.store.Classes())
}

// wakeCarriers wakes the Clusters that carry an address which the pool may hand out: it may have been set by hand.
func (t *triggers) wakeCarriers(pool *capi.Pool) {
	for _, cluster := range t.store.CarriersIn(pool) {
		t.wake(cluster.Key())
	}
}

func configured(before, after *capi.Pool) bool {
	return !maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations) ||
		!equality.Semantic.DeepEqual(before.Spec, after.Spec) ||
		(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil)
}

func full(pool *capi.Pool) bool { return pool.Snapshot(time.Time{}).Capacity.Full() }

func (t *triggers) wakeClasses(pool *capi.Pool, waitingOnly bool) {
	for _, cluster := range t.store.ClustersOf(pool) {
		key := cluster.Key()
		if !waitingOnly || t.handler.waiters.isWaiting(key) {
			t.wake(key)
		}
	}
}
