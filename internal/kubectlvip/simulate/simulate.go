// Package simulate runs the decision for a Cluster that does not exist yet, on a store that was read once. It answers
// the claims of the plan as the in-cluster IPAM provider would, and decides again. It writes only to the store in
// memory.
package simulate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Outcome is what would happen.
type Outcome struct {
	// Exists says that a Cluster of this name exists already; the outcome is then what the manifest would change.
	Exists bool
	// Snapshot is the world once the claims are answered.
	Snapshot vip.Snapshot
	// Actions are all actions, in order, and Plan is the last decision.
	Actions []vip.Action
	Plan    vip.Plan
}

// rounds limits how often the templates are rendered: once for what is known, and once more for what follows from it.
const rounds = 4

// Run adds the Cluster of a manifest to the store, and returns what the operator would do for it. Later runs see the
// addresses of this Cluster as taken.
func Run(store *state.Store, manifest *capi.Cluster, settings vip.Settings, now time.Time) (Outcome, error) {
	cluster, exists := merged(store, manifest, now)
	if err := store.Clusters.GetStore().Update(cluster); err != nil {
		return Outcome{}, fmt.Errorf("take Cluster %s in: %w", manifest.Name, err)
	}
	key := cluster.Key()
	_, snapshot, _ := store.Gather(key, vip.Memory{}, settings, now)
	outcome := Outcome{Exists: exists, Snapshot: snapshot, Plan: vip.Decide(snapshot)}
	outcome.Actions = outcome.Plan.Actions
	answered := false
	for _, action := range outcome.Plan.Actions {
		create, ok := action.(vip.CreateClaim)
		if !ok {
			continue
		}
		if err := answer(store, cluster, create, now); err != nil {
			return Outcome{}, err
		}
		answered = true
	}
	if answered {
		_, outcome.Snapshot, _ = store.Gather(key, vip.Memory{}, settings, now)
		outcome.Plan = vip.Decide(outcome.Snapshot)
		outcome.Actions = append(outcome.Actions, outcome.Plan.Actions...)
	}
	if outcome.probe() {
		outcome.Plan = vip.Decide(outcome.Snapshot)
		outcome.Actions = append(outcome.Actions, outcome.Plan.Actions...)
	}
	for range rounds {
		if !outcome.waitsForTemplates() {
			break
		}
		carryOut(&outcome.Snapshot.Cluster, outcome.Plan.Actions)
		outcome.Plan = vip.Decide(outcome.Snapshot)
		outcome.Actions = append(outcome.Actions, outcome.Plan.Actions...)
	}
	return outcome, nil
}

// probe assumes that the addresses to be probed are free, and reports whether there are any.
func (o *Outcome) probe() bool {
	_, probes := o.Plan.Split()
	o.Snapshot.Probed = map[netip.Addr]vip.Probed{}
	for _, probe := range probes {
		o.Snapshot.Probed[probe.Address] = vip.Probed{Ports: probe.Ports, Free: true}
	}
	return len(probes) > 0
}

// merged returns the Cluster as it would be with the manifest applied, and whether it exists already.
func merged(store *state.Store, manifest *capi.Cluster, now time.Time) (*capi.Cluster, bool) {
	live := store.CachedCluster(manifest.Namespace + "/" + manifest.Name)
	if live == nil {
		cluster := manifest.DeepCopy()
		cluster.UID = types.UID("simulated/" + manifest.Namespace + "/" + manifest.Name)
		cluster.CreationTimestamp = metav1.NewTime(now)
		cluster.Finalizers = append(cluster.Finalizers, names.ClusterFinalizer)
		return cluster, false
	}
	cluster := live.DeepCopy()
	cluster.Spec.Topology, cluster.Spec.Paused = manifest.Spec.Topology, manifest.Spec.Paused
	for _, variable := range live.Spec.Topology.Variables { // others' variables stay, as with a server-side apply
		same := func(v capi.Variable) bool { return v.Name == variable.Name }
		if !slices.ContainsFunc(manifest.Spec.Topology.Variables, same) {
			cluster.Spec.Topology.Variables = append(slices.Clip(cluster.Spec.Topology.Variables), variable)
		}
	}
	if manifest.Spec.ControlPlaneEndpoint.Host != "" {
		cluster.Spec.ControlPlaneEndpoint = manifest.Spec.ControlPlaneEndpoint
	}
	if value, ok := manifest.Labels[names.WatchFilter]; ok {
		cluster.Labels = map[string]string{names.WatchFilter: value}
	}
	return cluster, true
}

// answer adds a claim to the store, and the IPAddress that the in-cluster provider would give it: the lowest free one.
// Claims on pools whose addresses are unknown get none.
func answer(store *state.Store, cluster *capi.Cluster, create vip.CreateClaim, now time.Time) error {
	pool, informer := findPool(store, create.Pool, cluster.Namespace)
	ref := capi.PoolReference{APIGroup: create.Pool.Group, Kind: create.Pool.Kind, Name: create.Pool.Name}
	controls := true
	claim := &capi.Claim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster.Namespace, Name: create.Name, UID: types.UID("simulated/" + create.Name),
			CreationTimestamp: metav1.NewTime(now),
			Labels:            map[string]string{names.Role: create.Role},
			OwnerReferences: []metav1.OwnerReference{
				{Kind: capi.KindCluster, Name: cluster.Name, UID: cluster.UID, Controller: &controls},
			},
		},
		Spec: capi.ClaimSpec{ClusterName: cluster.Name, PoolRef: ref},
	}
	addr, free := lowestFree(store, pool)
	if free {
		claim.Status.AddressRef.Name = claim.Name
		err := store.Addresses.GetStore().Add(&capi.Address{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: claim.Namespace, Name: claim.Name, CreationTimestamp: metav1.NewTime(now),
				ResourceVersion: strconv.Itoa(int(now.Unix())),
			},
			Spec: capi.AddressSpec{
				Address: addr.String(), ClaimRef: capi.NameReference{Name: claim.Name}, PoolRef: ref,
			},
		})
		if err != nil {
			return fmt.Errorf("answer claim %s: %w", claim.Name, err)
		}
		if err := take(informer, pool); err != nil {
			return err
		}
	}
	if err := store.Claims.GetStore().Add(claim); err != nil {
		return fmt.Errorf("make claim %s: %w", claim.Name, err)
	}
	return nil
}

// take counts one address of the pool as used.
func take(informer cache.SharedIndexInformer, pool *capi.Pool) error {
	used := pool.DeepCopy()
	if capacity := used.Status.IPAddresses; capacity != nil {
		capacity.Used++
		capacity.Free--
	}
	if err := informer.GetStore().Update(used); err != nil {
		return fmt.Errorf("count an address of pool %s: %w", pool.Name, err)
	}
	return nil
}

func findPool(store *state.Store, ref vip.PoolRef, namespace string) (*capi.Pool, cache.SharedIndexInformer) {
	for _, kind := range store.Informers.Pools {
		if kind.Group != ref.Group || kind.Kind != ref.Kind {
			continue
		}
		key := ref.Name
		if kind.Namespaced {
			key = namespace + "/" + ref.Name
		}
		object, ok, err := kind.GetStore().GetByKey(key)
		if pool, isPool := object.(*capi.Pool); err == nil && ok && isPool {
			return pool, kind.SharedIndexInformer
		}
	}
	return nil, nil
}

// lowestFree returns the address that the in-cluster provider would give next (FindFreeAddress of its package
// poolutil).
func lowestFree(store *state.Store, pool *capi.Pool) (netip.Addr, bool) {
	if pool == nil {
		return netip.Addr{}, false
	}
	used := map[netip.Addr]bool{}
	for _, object := range store.Addresses.GetStore().List() {
		address, ok := object.(*capi.Address)
		if ok && address.Spec.PoolRef.Snapshot() == pool.Ref() &&
			(pool.Namespace == "" || pool.Namespace == address.Namespace) {
			used[vip.ParseAddr(address.Spec.Address)] = true
		}
	}
	for _, r := range pool.Ranges() {
		for addr := r.From; addr.IsValid() && addr.Compare(r.To) <= 0; addr = addr.Next() {
			if !used[addr] {
				return addr, true
			}
		}
	}
	return netip.Addr{}, false
}
