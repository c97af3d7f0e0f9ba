package state

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Gather returns the Cluster of a key and everything that a decision about it rests on, with what is remembered of
// it. It returns false if there is no such Cluster.
func (s *Store) Gather(
	key types.NamespacedName, memory vip.Memory, settings vip.Settings, now time.Time,
) (*capi.Cluster, vip.Snapshot, bool) {
	cluster, ok := s.clusters.get(key.String(), now)
	if !ok {
		return nil, vip.Snapshot{}, false
	}
	return cluster, s.GatherFor(cluster, memory, settings, now), true
}

// GatherFor returns everything that a decision about a Cluster rests on. The Cluster need not be in the cache.
func (s *Store) GatherFor(cluster *capi.Cluster, memory vip.Memory, settings vip.Settings, now time.Time) vip.Snapshot {
	snapshot := vip.Snapshot{
		Now: now, Settings: settings, Memory: memory,
		Cluster: cluster.Snapshot(), ClusterClass: s.classOf(cluster), DNS: s.dnsOf(cluster, now),
		ClusterVersion: s.ClusterVersion,
	}
	pools := s.poolsFor(cluster)
	for _, claim := range s.claimsFor(cluster, pools, now) {
		snapshot.Claims = append(snapshot.Claims, claim.Snapshot())
		pools = s.withPoolOf(claim, pools)
		if address := s.addressOf(claim); address != nil {
			snapshot.Addresses = append(snapshot.Addresses, address.Snapshot())
		}
	}
	for _, pool := range pools {
		snapshot.Pools = append(snapshot.Pools, pool.Snapshot(s.lastServed(pool)))
	}
	reader := newPoolReader(s)
	for addr := range contested(&snapshot) {
		snapshot.Rivals = append(snapshot.Rivals, s.rivals(cluster, addr, reader, now)...)
	}
	s.gatherOffers(&snapshot, pools)
	return snapshot
}

// contested returns the addresses whose other holders matter to a Cluster: those of its claims, and those that it
// carries as its endpoint or for roles that have a claim or a pool. It ignores annotations of other roles, since the
// Cluster's owner may write any number of them.
func contested(snapshot *vip.Snapshot) map[netip.Addr]bool {
	addresses := map[netip.Addr]bool{vip.ParseAddr(snapshot.Cluster.Endpoint.Host): true}
	for role, value := range snapshot.Cluster.VIPs {
		served := func(pool vip.Pool) bool { return slices.Contains(pool.Roles, role) }
		claimed := func(claim vip.Claim) bool {
			_, _, ok := names.SlotOfClaim(claim.Name, snapshot.Cluster.Name, role)
			return ok
		}
		if slices.ContainsFunc(snapshot.Claims, claimed) || slices.ContainsFunc(snapshot.Pools, served) {
			for _, addr := range vip.Addrs(role, value) {
				addresses[addr] = true
			}
		}
	}
	for i := range snapshot.Addresses {
		addresses[vip.ParseAddr(snapshot.Addresses[i].Value)] = true
	}
	for _, addr := range snapshot.Unusable {
		addresses[addr] = true
	}
	delete(addresses, netip.Addr{})
	return addresses
}

// gatherOffers adds what pools may hand out where it matters: for a Cluster whose endpoint does not come from its
// claim, or whose claim got an address that someone else uses. In the former case it also adds other pools, of any
// class, that may hand out the endpoint.
func (s *Store) gatherOffers(snapshot *vip.Snapshot, pools []*capi.Pool) {
	host := vip.ParseAddr(snapshot.Cluster.Endpoint.Host)
	foreign := host.IsValid() && !snapshot.HoldsEndpoint()
	if !foreign && len(snapshot.Unusable) == 0 {
		return
	}
	for i, pool := range pools {
		if pool.InCluster() {
			snapshot.Pools[i].Offers, snapshot.Pools[i].Ranged = s.rangesOf(pool), true
		}
	}
	if !foreign {
		return
	}
	for _, pool := range s.configuredPools() {
		if ranges := s.rangesOf(pool); !slices.Contains(pools, pool) && vip.Contain(ranges, host) {
			other := pool.Snapshot(s.lastServed(pool))
			other.Offers, other.Ranged = ranges, true
			snapshot.Pools = append(snapshot.Pools, other)
		}
	}
}

// CarriersIn returns the Clusters that carry an address which a pool may hand out.
func (s *Store) CarriersIn(pool *capi.Pool) []*capi.Cluster {
	ranges := s.rangesOf(pool)
	var clusters []*capi.Cluster
	for _, value := range s.Clusters.GetIndexer().ListIndexFuncValues(byAddress) {
		if vip.Contain(ranges, vip.ParseAddr(value)) {
			clusters = append(clusters, lookup[*capi.Cluster](s.Clusters, byAddress, value)...)
		}
	}
	return clusters
}

// classOf returns what the Cluster's class does with VIPs. It returns nil if the class does not exist, and no uses if
// it is missing but not all classes could be read.
func (s *Store) classOf(cluster *capi.Cluster) *vip.ClusterClass {
	class := cluster.Class()
	object, ok, err := s.ClusterClasses.GetStore().GetByKey(class.String())
	if found, isClass := object.(*capi.ClusterClass); err == nil && ok && isClass {
		return found.Snapshot()
	}
	if s.SomeClasses {
		return &vip.ClusterClass{}
	}
	return nil
}

// dnsOf returns what is known of the Cluster's DNS records.
func (s *Store) dnsOf(cluster *capi.Cluster, now time.Time) vip.DNS {
	if s.dns == nil {
		return vip.DNS{}
	}
	dns := vip.DNS{Served: true}
	if records, ok := s.Records(cluster, now); ok {
		dns = records.Snapshot(cluster)
	}
	dns.Holders = s.nameHolders(cluster, now)
	return dns
}

// poolsFor returns the pools of the Cluster's namespace and the global ones that name its class, or are for any.
func (s *Store) poolsFor(cluster *capi.Cluster) []*capi.Pool {
	class := cluster.Class().Name
	if class == "" {
		return nil
	}
	var pools []*capi.Pool
	for _, kind := range s.Informers.Pools {
		// A Cluster may name AnyClass as its class.
		for _, key := range slices.Compact([]string{class, vip.AnyClass}) {
			for _, pool := range lookup[*capi.Pool](kind, byClass, key) {
				if pool.Namespace == "" || pool.Namespace == cluster.Namespace {
					pools = append(pools, pool)
				}
			}
		}
	}
	return pools
}

// withPoolOf adds the pool of a claim, if it exists and is not among them yet.
func (s *Store) withPoolOf(claim *capi.Claim, pools []*capi.Pool) []*capi.Pool {
	if pool := s.pool(claim.Spec.PoolRef.Snapshot(), claim.Namespace); pool != nil && !slices.Contains(pools, pool) {
		pools = append(pools, pool)
	}
	return pools
}

// mostFurtherClaims limits how many claims of a Cluster are read that are for none of its roles: anyone who may
// create claims can have any number of them name the Cluster as their owner.
const mostFurtherClaims = vip.MostRoles

// claimsFor returns, each once, the claims with the names that the Cluster's claims may have, and the first by name
// of the further claims that it owns.
func (s *Store) claimsFor(cluster *capi.Cluster, pools []*capi.Pool, now time.Time) []*capi.Claim {
	known := sets.New[string]()
	keys := make([]string, 0, 4)
	add := func(name string) {
		if key := cluster.Namespace + "/" + name; !known.Has(key) {
			known.Insert(key)
			keys = append(keys, key)
		}
	}
	add(names.ClaimName(cluster.Name, names.RoleControlPlane))
	add(names.ClaimName(cluster.Name, names.RoleIngress))
	for _, pool := range pools {
		for _, role := range pool.Roles() {
			for number := range pool.PerCluster(role) {
				add(names.ClaimName(cluster.Name, names.Slot(role, number+1)))
			}
		}
	}
	// A claim may have no owner, and its role no pool any more.
	for role := range cluster.VIPs() {
		add(names.ClaimName(cluster.Name, role))
	}
	for slot := range cluster.Written() {
		add(names.ClaimName(cluster.Name, slot))
	}
	var further []string
	for _, claim := range lookup[*capi.Claim](s.Claims, byOwner, string(cluster.UID)) {
		if claim.Namespace == cluster.Namespace && !known.Has(cluster.Namespace+"/"+claim.Name) {
			further = append(further, claim.Name)
		}
	}
	slices.Sort(further)
	for _, name := range further[:min(len(further), mostFurtherClaims)] {
		add(name)
	}
	var claims []*capi.Claim
	for _, key := range keys {
		if claim, ok := s.claims.get(key, now); ok {
			claims = append(claims, claim)
		}
	}
	return claims
}

// addressOf returns the IPAddress that a claim names, or else the one with the claim's own name, which the in-cluster
// provider creates before it updates the claim. It returns nil if there is none.
func (s *Store) addressOf(claim *capi.Claim) *capi.Address {
	name := cmp.Or(claim.Status.AddressRef.Name, claim.Name)
	object, ok, err := s.Addresses.GetStore().GetByKey(claim.Namespace + "/" + name)
	if err != nil || !ok {
		return nil
	}
	address, _ := object.(*capi.Address)
	return address
}

// rivals returns all other holders of an address: IPAddresses that assign it, and other Clusters that carry it. An
// endpoint always counts, since machines use it. An annotation, of which anyone may write any number, counts only if
// a claim backs it, and then by its IPAddress, or if a claim is about to back or overwrite it: a pool serves the
// Cluster in the role, and its claim is lost or waits.
func (s *Store) rivals(cluster *capi.Cluster, addr netip.Addr, reader *poolReader, now time.Time) []vip.Rival {
	var rivals []vip.Rival
	for _, address := range lookup[*capi.Address](s.Addresses, byAddress, addr.String()) {
		rivals = append(rivals, s.assigned(address, addr, now))
	}
	seen := map[vip.Rival]bool{}
	for _, other := range append(lookup[*capi.Cluster](s.Clusters, byAddress, addr.String()), s.clusters.all()...) {
		if other.UID == cluster.UID || released(other) {
			continue
		}
		byRole, gives := reader.poolsFor(other), chooser(other)
		for _, rival := range carried(other, func(a netip.Addr) bool { return a == addr }) {
			role, annotation := names.RoleOfAnnotation(rival.Field)
			pools := byRole[role]
			awaited := func() int { return gives(pools, role) }
			if seen[rival] || annotation && (len(pools) == 0 || s.settled(other, role, awaited, now)) {
				continue
			}
			seen[rival] = true
			rivals = append(rivals, rival)
		}
	}
	return rivals
}

// assigned returns an IPAddress as a rival: its claim, and the Cluster that owns the claim and may carry the address.
func (s *Store) assigned(address *capi.Address, addr netip.Addr, now time.Time) vip.Rival {
	rival := vip.Rival{
		Address: addr,
		Claim:   types.NamespacedName{Namespace: address.Namespace, Name: address.Spec.ClaimRef.Name},
		Owned:   address.ClaimUID != "",
		Pool:    address.Spec.PoolRef.Snapshot(),
		Born:    address.Born(),
	}
	claim, ok := s.claims.get(rival.Claim.String(), now)
	if !ok || address.ClaimUID != "" && address.ClaimUID != claim.UID {
		return rival
	}
	holder, ok := s.clusters.get(claim.Cluster().String(), now)
	if ok && holder.UID == claim.OwnerUID() && !released(holder) {
		rival.Cluster = holder.Key()
		rival.Field = vip.CarriedIn(claim.Role(), holder.Spec.ControlPlaneEndpoint.Host, holder.VIPs(), addr)
	}
	return rival
}

// settled reports whether no claim of a Cluster is about to back or overwrite what it carries for a role: each of the
// addresses has a bound claim, or those without one are beyond the number that it awaits.
func (s *Store) settled(cluster *capi.Cluster, role string, awaited func() int, now time.Time) bool {
	for i := range vip.Addrs(role, cluster.Annotations[names.Annotation(role)]) {
		if !s.bound(cluster, names.Slot(role, i+1), now) {
			return awaited() <= i
		}
	}
	return true
}

// bound reports whether a Cluster has a claim for a slot that names an IPAddress.
func (s *Store) bound(cluster *capi.Cluster, slot string, now time.Time) bool {
	claim, ok := s.Claim(cluster.Namespace, names.ClaimName(cluster.Name, slot), now)
	return ok && claim.DeletionTimestamp == nil && claim.Status.AddressRef.Name != ""
}

// released reports whether Cluster API has finished with a Cluster, so that it no longer uses its addresses.
func released(cluster *capi.Cluster) bool {
	return cluster.DeletionTimestamp != nil && !slices.Contains(cluster.Finalizers, names.ClusterFinalizer)
}

// carried returns the addresses that a Cluster carries and for which is returns true, and where: as its endpoint, and
// in annotations of a role if it has a class, without which no pool serves it. It runs for every Cluster that names
// an address, so it tests the address, which is cheap, before it looks at the key.
func carried(cluster *capi.Cluster, is func(netip.Addr) bool) []vip.Rival {
	var rivals []vip.Rival
	add := func(addr netip.Addr, field string) {
		rivals = append(rivals, vip.Rival{Address: addr, Cluster: cluster.Key(), Field: field})
	}
	if addr := vip.ParseAddr(cluster.Spec.ControlPlaneEndpoint.Host); is(addr) {
		add(addr, vip.EndpointField)
	}
	if cluster.Class().Name == "" {
		return rivals
	}
	for key, value := range cluster.Annotations {
		role := strings.TrimPrefix(key, names.Domain+"/")
		for _, addr := range vip.Addrs(role, value) {
			if !is(addr) {
				continue
			}
			if _, ok := names.RoleOfAnnotation(key); ok {
				add(addr, key)
			}
		}
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
