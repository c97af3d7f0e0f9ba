package live

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/spread"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// OperatorFor returns the operator responsible for a Cluster, or the first.
func (w *World) OperatorFor(cluster *capi.Cluster) *view.Operator {
	return view.OperatorFor(w.operators(), cluster.Namespace, cluster.Labels[names.WatchFilter])
}

// Facts returns what was read, in the terms of package view and as of now.
func (w *World) Facts() *view.Facts {
	now, operators := w.reader.now(), w.operators()
	f := &view.Facts{
		Now: now, Operator: operators[0], Also: operators[1:], Platform: w.platform, Limits: w.limits,
		PoolsKnown: w.poolsKnown(), LostSince: w.pulse.since(),
	}
	if w.Store == nil {
		return f
	}
	f.ClassesKnown = !w.Store.SomeClasses
	f.Snapshots = w.snapshots(now)
	f.Pools = w.pools()
	f.Classes = w.Store.Classes()
	for _, object := range w.Store.Claims.GetStore().List() {
		if claim, ok := object.(*capi.Claim); ok {
			f.Claims = append(f.Claims, view.ClaimFacts{Claim: claim.Snapshot(), Cluster: claim.Cluster().Name})
		}
	}
	for _, object := range w.Store.Addresses.GetStore().List() {
		if address, ok := object.(*capi.Address); ok {
			f.Addresses = append(f.Addresses, view.AddressFacts{
				Address: address.Snapshot(), Pool: address.Spec.PoolRef.Snapshot(),
				Deleting: address.DeletionTimestamp != nil,
			})
		}
	}
	// A cache has no order, and the output must be the same every time.
	slices.SortFunc(f.Claims, func(a, b view.ClaimFacts) int {
		return byName(keyOf(a.Namespace, a.Name), keyOf(b.Namespace, b.Name))
	})
	slices.SortFunc(f.Addresses, func(a, b view.AddressFacts) int {
		return byName(keyOf(a.Namespace, a.Name), keyOf(b.Namespace, b.Name))
	})
	slices.SortFunc(f.Pools, func(a, b view.PoolFacts) int {
		return cmp.Or(byName(keyOf(a.Namespace, a.Ref.Name), keyOf(b.Namespace, b.Ref.Name)),
			cmp.Compare(a.Ref.Kind, b.Ref.Kind), cmp.Compare(a.Ref.Group, b.Ref.Group))
	})
	return f
}

// snapshots returns the inputs of the decision about each Cluster, sorted by namespace and name.
func (w *World) snapshots(now time.Time) []vip.Snapshot {
	objects := w.Store.Clusters.GetStore().List()
	gathered := make([]*vip.Snapshot, len(objects))
	spread.Each(len(objects), func(i int) {
		cluster, ok := objects[i].(*capi.Cluster)
		if !ok {
			return
		}
		key, settings := keyOf(cluster.Namespace, cluster.Name), w.OperatorFor(cluster).Settings
		if _, snapshot, ok := w.Store.Gather(key, vip.Memory{}, settings, now); ok {
			snapshot.Probed = view.Probed(&snapshot)
			gathered[i] = &snapshot
		}
	})
	var snapshots []vip.Snapshot
	for _, snapshot := range gathered {
		if snapshot != nil {
			snapshots = append(snapshots, *snapshot)
		}
	}
	slices.SortFunc(snapshots, func(a, b vip.Snapshot) int { return byName(a.Cluster.Key(), b.Cluster.Key()) })
	return snapshots
}

// poolsKnown reports whether all kinds of pools were read that the operator may choose from.
func (w *World) poolsKnown() bool {
	return !slices.ContainsFunc(w.unreadable, func(r capi.Resource) bool { return r != w.API.ClusterClasses() }) &&
		!slices.ContainsFunc(w.operators(), func(o view.Operator) bool {
			return o.Deployment != "" && !o.SettingsKnown
		})
}

func keyOf(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// pools returns all pools, whether or not they are configured for the allocator.
func (w *World) pools() []view.PoolFacts {
	var pools []view.PoolFacts
	for _, kind := range w.Store.Informers.Pools {
		for _, object := range kind.GetStore().List() {
			pool, ok := object.(*capi.Pool)
			if !ok {
				continue
			}
			facts := view.PoolFacts{Pool: pool.Snapshot(time.Time{})}
			layout := pool.Layout()
			facts.Offers, facts.Space, facts.Excluded, facts.Reserved, facts.Gateway =
				layout.Offers, layout.Space, layout.Excluded, layout.Reserved, layout.Gateway
			_, facts.Paused = pool.Annotations[names.Paused]
			pools = append(pools, facts)
		}
	}
	return pools
}
