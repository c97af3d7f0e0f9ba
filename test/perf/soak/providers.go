package soak

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/perf/soak/memory"
)

// These are the classes, named after what their pools are like.
const (
	served    = "served"
	unserved  = "unserved"
	exhausted = "exhausted"
	disputed  = "disputed"
	fieldName = "name"
	// namespace holds everything that is namespaced.
	namespace = "soak"
	// disputedAddress is what every claim on a pool of the disputed class gets; someone else has it.
	disputedAddress = "192.0.2.1"
)

// furnish creates classes and pools, and the Cluster that holds the disputed address.
func (w *world) furnish() error {
	var failures []error
	create := func(object map[string]any) {
		manifest := &unstructured.Unstructured{Object: object}
		resource := classes
		switch manifest.GetKind() {
		case "Cluster":
			resource = clusters
		case "GlobalInClusterIPPool":
			resource = globalPools
		}
		_, err := w.Create(resource, manifest)
		failures = append(failures, err)
	}
	for _, class := range []string{served, unserved, exhausted, disputed} {
		create(object(clusterVersion, "ClusterClass", class, map[string]any{}))
		if class == unserved {
			continue
		}
		free := int64(1 << 20)
		if class == exhausted {
			free = 0
		}
		for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
			pool := object(poolVersion, "GlobalInClusterIPPool", class+"-"+role, map[string]any{
				"addresses": []any{"10.0.0.0/8"}, "prefix": int64(8),
			})
			metadata, _ := pool["metadata"].(map[string]any)
			delete(metadata, "namespace")
			metadata["labels"] = map[string]any{names.ClusterClass: class, names.Role: role}
			pool["status"] = map[string]any{"ipAddresses": map[string]any{
				"total": int64(1 << 20), "free": free, "used": int64(0), "outOfRange": int64(0),
			}}
			create(pool)
		}
	}
	create(object(clusterVersion, "Cluster", "holder", map[string]any{
		"controlPlaneEndpoint": map[string]any{"host": disputedAddress, "port": int64(6443)},
	}))
	return errors.Join(failures...)
}

func object(version, kind, name string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": version, "kind": kind,
		"metadata": map[string]any{fieldName: name, "namespace": namespace}, "spec": spec,
	}
}

// clusterAPI removes Cluster API's finalizer from a Cluster whose deletion was requested, and deletes what a deleted
// Cluster has left behind.
func (w *world) clusterAPI(kind watch.EventType, cluster *unstructured.Unstructured) {
	key := types.NamespacedName{Namespace: cluster.GetNamespace(), Name: cluster.GetName()}
	switch {
	case kind == watch.Deleted:
		for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
			claim := types.NamespacedName{Namespace: key.Namespace, Name: names.ClaimName(key.Name, role)}
			_ = w.Delete(claims, claim, nil) // most are gone
		}
	case cluster.GetDeletionTimestamp() != nil && slices.Contains(cluster.GetFinalizers(), names.ClusterFinalizer):
		_, _ = w.Update(clusters, key, withoutFinalizer(names.ClusterFinalizer)) // it may be gone
	}
}

// collect deletes a claim that was created for a deleted Cluster, as the garbage collector does.
func (w *world) collect(kind watch.EventType, claim *unstructured.Unstructured) {
	if kind != watch.Added {
		return
	}
	for _, owner := range claim.GetOwnerReferences() {
		cluster := w.Get(clusters, types.NamespacedName{Namespace: claim.GetNamespace(), Name: owner.Name})
		if cluster == nil || cluster.GetUID() != owner.UID {
			key := types.NamespacedName{Namespace: claim.GetNamespace(), Name: claim.GetName()}
			_ = w.Delete(claims, key, nil) // it may be gone
		}
	}
}

// bare returns an error unless only the Cluster that holds the disputed address is left.
func (w *world) bare() error {
	if clusters, claims, addresses := w.Len(clusters), w.Len(claims), w.Len(addresses); clusters != 1 || claims != 0 ||
		addresses != 0 {
		return fmt.Errorf("%d Clusters, %d claims and %d addresses are there; 1, 0 and 0 would be right",
			clusters, claims, addresses)
	}
	return nil
}

func withoutFinalizer(finalizer string) func(*unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return func(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		object.SetFinalizers(slices.DeleteFunc(object.GetFinalizers(), func(f string) bool { return f == finalizer }))
		return object, nil
	}
}

// ipam binds claims as the in-cluster provider does: finalizer and IPAddress first, then the claim's status.
type ipam struct {
	store *memory.Store
	free  []string
	next  int
}

const protectFinalizer = "ipam.cluster.x-k8s.io/ProtectAddress"

func newIPAM(store *memory.Store) *ipam { return &ipam{store: store} }

func (i *ipam) claim(kind watch.EventType, claim *unstructured.Unstructured) {
	key := types.NamespacedName{Namespace: claim.GetNamespace(), Name: claim.GetName()}
	pool, _, _ := unstructured.NestedString(claim.Object, "spec", "poolRef", "name")
	switch {
	case kind == watch.Added && !strings.HasPrefix(pool, exhausted):
		i.bind(key, pool)
	case kind == watch.Modified && claim.GetDeletionTimestamp() != nil:
		i.release(key)
	}
}

func (i *ipam) bind(key types.NamespacedName, pool string) {
	_, err := i.store.Update(claims, key, func(claim *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if claim.GetDeletionTimestamp() != nil {
			return nil, apierrors.NewConflict(claims.GroupResource(), key.Name,
				errors.New("its deletion was requested"))
		}
		if !slices.Contains(claim.GetFinalizers(), names.ReleaseAddress) {
			claim.SetFinalizers(append(claim.GetFinalizers(), names.ReleaseAddress))
		}
		return claim, nil
	})
	if err != nil {
		return // it is gone, or going
	}
	address := object(ipamVersion, "IPAddress", key.Name, map[string]any{
		"address": i.take(pool), "prefix": int64(8), "claimRef": map[string]any{fieldName: key.Name},
		"poolRef": map[string]any{
			"apiGroup": "ipam.cluster.x-k8s.io", "kind": "GlobalInClusterIPPool", fieldName: pool,
		},
	})
	manifest := &unstructured.Unstructured{Object: address}
	manifest.SetFinalizers([]string{protectFinalizer})
	if _, err := i.store.Create(addresses, manifest); err != nil {
		return // it exists
	}
	_, _ = i.store.Update(claims, key, func(claim *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		claim.Object["status"] = map[string]any{"addressRef": map[string]any{fieldName: key.Name}}
		return claim, nil
	}) // it has our finalizer
}

func (i *ipam) take(pool string) string {
	if strings.HasPrefix(pool, disputed) {
		return disputedAddress
	}
	if last := len(i.free) - 1; last >= 0 {
		address := i.free[last]
		i.free = i.free[:last]
		return address
	}
	i.next++
	return fmt.Sprintf("10.%d.%d.%d", i.next>>16&0xff, i.next>>8&0xff, i.next&0xff)
}

func (i *ipam) release(key types.NamespacedName) {
	if address := i.store.Get(addresses, key); address != nil {
		value, _, _ := unstructured.NestedString(address.Object, "spec", "address")
		_ = i.store.Delete(addresses, key, nil)
		if _, err := i.store.Update(addresses, key, withoutFinalizer(protectFinalizer)); err == nil &&
			value != disputedAddress {
			i.free = append(i.free, value)
		}
	}
	_, _ = i.store.Update(claims, key, withoutFinalizer(names.ReleaseAddress)) // it may be gone
}

// refusals makes the API server refuse the next write of some Clusters.
type refusals struct {
	mu   sync.Mutex
	next map[string]error
}

// add makes the API server refuse the next write whose path names the Cluster.
func (r *refusals) add(cluster string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = map[string]error{}
	}
	r.next[cluster] = err
}

func (r *refusals) refuse(request *http.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.next) == 0 {
		return nil
	}
	_, after, found := strings.Cut(request.URL.Path, "/clusters/")
	name, _, _ := strings.Cut(after, "/")
	err, refused := r.next[name]
	if !found || !refused {
		return nil
	}
	delete(r.next, name)
	return err
}
