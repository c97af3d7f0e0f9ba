package kube

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Gather returns the Cluster of a key and everything that a decision about it rests on. It reports false if there is
// no such Cluster.
func (s *Store) Gather(key types.NamespacedName, settings vip.Settings, now time.Time) (*capi.Cluster, vip.Snapshot, bool) {
	cluster, ok := s.clusters.get(key.String(), now)
	if !ok {
		return nil, vip.Snapshot{}, false
	}
	snapshot := vip.Snapshot{Now: now, Settings: settings, Cluster: cluster.Snapshot()}
	pools := s.poolsFor(cluster)
	claims := s.claimsFor(cluster, pools, now)
	for _, claim := range claims {
		snapshot.Claims = append(snapshot.Claims, claim.Snapshot())
		pools = s.withPoolOf(claim, pools)
		if address := s.addressOf(claim); address != nil {
			snapshot.Addresses = append(snapshot.Addresses, address.Snapshot())
			snapshot.Rivals = append(snapshot.Rivals, s.rivals(cluster, address)...)
		}
	}
	for _, pool := range pools {
		snapshot.Pools = append(snapshot.Pools, pool.Snapshot(s.lastServed(pool)))
	}
	return cluster, snapshot, true
}

// poolsFor returns the pools of the Cluster's namespace and the global ones that name its class.
func (s *Store) poolsFor(cluster *capi.Cluster) []*capi.Pool {
	class := cluster.Class().Name
	if class == "" {
		return nil
	}
	pools := lookup[*capi.Pool](s.NamespacedPools, byClass, class)
	pools = slices.DeleteFunc(pools, func(p *capi.Pool) bool { return p.Namespace != cluster.Namespace })
	return append(pools, lookup[*capi.Pool](s.GlobalPools, byClass, class)...)
}

// withPoolOf adds the pool of a claim, if it exists and is not there.
func (s *Store) withPoolOf(claim *capi.Claim, pools []*capi.Pool) []*capi.Pool {
	ref := claim.Spec.PoolRef
	informer, key := s.GlobalPools, ref.Name
	if ref.Kind == capi.KindPool {
		informer, key = s.NamespacedPools, claim.Namespace+"/"+ref.Name
	}
	object, ok, err := informer.GetStore().GetByKey(key)
	if err != nil || !ok {
		return pools
	}
	pool, ok := object.(*capi.Pool)
	if !ok || pool.Ref() != ref.Snapshot() || slices.Contains(pools, pool) {
		return pools
	}
	return append(pools, pool)
}

// claimsFor returns the claims that the Cluster owns and those at the names of the claims it may have, each once.
func (s *Store) claimsFor(cluster *capi.Cluster, pools []*capi.Pool, now time.Time) []*capi.Claim {
	keys := make([]string, 0, 4)
	add := func(name string) {
		if key := cluster.Namespace + "/" + name; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	add(names.ClaimName(cluster.Name, names.RoleControlPlane))
	add(names.ClaimName(cluster.Name, names.RoleIngress))
	for _, pool := range pools {
		for _, role := range pool.Roles() {
			add(names.ClaimName(cluster.Name, role))
		}
	}
	for _, claim := range lookup[*capi.Claim](s.Claims, byOwner, string(cluster.UID)) {
		if claim.Namespace == cluster.Namespace {
			add(claim.Name)
		}
	}
	var claims []*capi.Claim
	for _, key := range keys {
		if claim, ok := s.claims.get(key, now); ok {
			claims = append(claims, claim)
		}
	}
	return claims
}

// addressOf returns the IPAddress that a claim names, else the one of the claim's own name, which the in-cluster provider
// makes before it tells the claim; or nil.
func (s *Store) addressOf(claim *capi.Claim) *capi.Address {
	name := cmp.Or(claim.Status.AddressRef.Name, claim.Name)
	object, ok, err := s.Addresses.GetStore().GetByKey(claim.Namespace + "/" + name)
	if err != nil || !ok {
		return nil
	}
	address, _ := object.(*capi.Address)
	return address
}

// rivals returns all other holders of an address: other Clusters that carry it, and other IPAddresses that assign it.
func (s *Store) rivals(cluster *capi.Cluster, address *capi.Address) []vip.Rival {
	addr := vip.ParseAddr(address.Spec.Address)
	if !addr.IsValid() {
		return nil
	}
	var rivals []vip.Rival
	for _, other := range append(lookup[*capi.Cluster](s.Clusters, byAddress, addr.String()), s.clusters.all()...) {
		if other.UID == cluster.UID || released(other) {
			continue
		}
		for _, rival := range carried(other) {
			if rival.Address == addr && !slices.Contains(rivals, rival) {
				rivals = append(rivals, rival)
			}
		}
	}
	for _, other := range lookup[*capi.Address](s.Addresses, byAddress, addr.String()) {
		if other.Namespace == address.Namespace && other.Name == address.Name {
			continue
		}
		rivals = append(rivals, vip.Rival{
			Address: addr,
			Claim:   types.NamespacedName{Namespace: other.Namespace, Name: other.Spec.ClaimRef.Name},
			Pool:    other.Spec.PoolRef.Snapshot(),
			Born:    other.Born(),
		})
	}
	return rivals
}

// released reports whether Cluster API has finished with a Cluster, so that it uses its addresses no more.
func released(cluster *capi.Cluster) bool {
	return cluster.DeletionTimestamp != nil && !slices.Contains(cluster.Finalizers, names.ClusterFinalizer)
}

// carried returns what addresses a Cluster carries and where.
func carried(cluster *capi.Cluster) []vip.Rival {
	var rivals []vip.Rival
	add := func(value, field string) {
		if addr := vip.ParseAddr(value); addr != (netip.Addr{}) {
			rivals = append(rivals, vip.Rival{
				Address: addr,
				Cluster: types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name},
				Field:   field,
			})
		}
	}
	add(cluster.Spec.ControlPlaneEndpoint.Host, "spec.controlPlaneEndpoint")
	for role, value := range cluster.VIPs() {
		add(value, names.Annotation(role))
	}
	return rivals
}

// Carried returns the addresses that a Cluster keeps from others: none if it is gone or released.
func Carried(cluster *capi.Cluster) []string {
	if cluster == nil || released(cluster) {
		return nil
	}
	return carriedAddresses(cluster)
}
