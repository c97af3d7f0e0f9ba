package live

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Facts returns what was read in the terms of package view, as of now.
func (w *World) Facts() *view.Facts {
	now := w.reader.now()
	f := &view.Facts{
		Now: now, Operator: w.Operator, Platform: w.platform, Limits: w.limits, Classes: w.classes, ClassesKnown: w.classesKnown,
	}
	if w.Store == nil {
		return f
	}
	for _, object := range w.Store.Clusters.GetStore().List() {
		cluster, ok := object.(*capi.Cluster)
		if !ok {
			continue
		}
		key := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name}
		if _, snapshot, ok := w.Store.Gather(key, w.Operator.Settings, now); ok {
			f.Snapshots = append(f.Snapshots, snapshot)
		}
	}
	f.Pools = w.pools()
	for _, object := range w.Store.Claims.GetStore().List() {
		if claim, ok := object.(*capi.Claim); ok {
			f.Claims = append(f.Claims, view.ClaimFacts{Claim: claim.Snapshot(), Cluster: claim.Cluster().Name})
		}
	}
	for _, object := range w.Store.Addresses.GetStore().List() {
		if address, ok := object.(*capi.Address); ok {
			f.Addresses = append(f.Addresses, view.AddressFacts{
				Address: address.Snapshot(), Pool: address.Spec.PoolRef.Snapshot(), Deleting: address.DeletionTimestamp != nil,
			})
		}
	}
	return f
}

// pools returns all pools, whether they are configured for the allocator or not.
func (w *World) pools() []view.PoolFacts {
	var pools []view.PoolFacts
	for _, kind := range w.Store.Informers.Pools {
		for _, object := range kind.GetStore().List() {
			pool, ok := object.(*capi.Pool)
			if !ok {
				continue
			}
			facts := view.PoolFacts{Pool: pool.Snapshot(time.Time{})}
			facts.Offers = pool.Ranges()
			_, facts.Paused = pool.Annotations[names.Paused]
			pools = append(pools, facts)
		}
	}
	return pools
}
