package viptest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// errRefused is the world's API server's answer to a write whose precondition does not hold.
var errRefused = errors.New("refused")

// World simulates an API server, Cluster API, an IPAM provider and the allocator in memory, just faithfully enough to
// carry out plans. It does nothing by itself: a test says what happens next. Broken invariants end up in Violations.
type World struct {
	Now        time.Time
	Settings   vip.Settings
	Class      *vip.ClusterClass
	Crowd      int
	Log        strings.Builder
	Violations []string

	start time.Time
	// version is the apiVersion at which Clusters are served; empty while no test cares.
	version string
	// skew is how far the allocator's clock is ahead of Now, which is everyone else's time.
	skew     time.Duration
	serial   uint64
	clusters map[string]*clusterState
	pools    []*PoolState
	claims   map[string]*vip.Claim
	address  map[string]*addressState
	order    map[types.UID]uint64
	flights  map[string]*flight
	// strangers are the addresses on which someone answers that no Cluster accounts for. probed holds the results of
	// probes, by Cluster, as the allocator remembers them.
	strangers map[string]bool
	probed    map[string]map[netip.Addr]vip.Probed
	// view is what the allocator sees while its watches lag; nil while it sees the world as it is.
	view *view
	ops  []operatorState
}

type clusterState struct {
	vip.Cluster
	rendered
	// manual says that a user set the endpoint.
	manual bool
	// port is the port that the Cluster was created with; 0 if it had none.
	port int32
}

// PoolState is a pool of the world: its configuration and its addresses.
type PoolState struct {
	vip.Pool
	Range []string
	Grace time.Duration
}

type addressState struct {
	vip.Address
	pool vip.PoolRef
	at   time.Time
}

// flight is a plan that is being carried out, one write after the other.
type flight struct {
	cluster vip.Cluster
	seen    int64
	writes  []write
	// failed are the roles whose claim could not be written.
	failed map[string]bool
}

// write is one write, to the claim of a role or to the Cluster.
type write struct {
	do             func() error
	claimOf, claim string
}

// NewWorld returns an empty world.
func NewWorld() *World {
	return &World{
		Now: Now, start: Now, Settings: vip.Settings{DefaultPort: DefaultPort}, Class: &vip.ClusterClass{},
		clusters: map[string]*clusterState{}, claims: map[string]*vip.Claim{},
		strangers: map[string]bool{}, probed: map[string]map[netip.Addr]vip.Probed{},
		address: map[string]*addressState{}, order: map[types.UID]uint64{}, flights: map[string]*flight{},
	}
}

func (w *World) logf(format string, args ...any) {
	fmt.Fprintf(&w.Log, "%5.1fs %s\n", w.Now.Sub(w.start).Seconds(), fmt.Sprintf(format, args...))
}

func (w *World) violation(format string, args ...any) {
	w.Violations = append(w.Violations, fmt.Sprintf(format, args...))
}

func (w *World) next() uint64 {
	w.serial++
	return w.serial
}

// second is the time as an API server stores it.
func (w *World) second() time.Time { return w.Now.Truncate(time.Second) }

func key(namespace, name string) string { return namespace + "/" + name }

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// AddPool adds a pool.
func (w *World) AddPool(pool vip.Pool, addresses ...string) *PoolState {
	state := &PoolState{Pool: pool, Range: addresses}
	w.pools = append(w.pools, state)
	w.count()
	return state
}

// AddCluster creates a Cluster, changed by the overrides, and returns its key.
func (w *World) AddCluster(namespace, name string, overrides ...func(*vip.Cluster)) string {
	k := key(namespace, name)
	if _, ok := w.clusters[k]; ok {
		return k
	}
	cluster := Cluster(func(c *vip.Cluster) {
		c.Namespace, c.Name, c.Created = namespace, name, w.second()
		c.UID = types.UID(fmt.Sprintf("uid-%d", w.next()))
	})
	apply(&cluster, overrides)
	w.clusters[k] = &clusterState{Cluster: cluster, manual: cluster.Endpoint.Host != "", port: cluster.Endpoint.Port}
	w.logf("user: creates Cluster %s", k)
	return k
}

// Cluster returns a Cluster of the world, or nil.
func (w *World) Cluster(k string) *vip.Cluster {
	if state, ok := w.clusters[k]; ok {
		return &state.Cluster
	}
	return nil
}

// Clusters returns the keys of all Clusters.
func (w *World) Clusters() []string { return sorted(w.clusters) }

// Edit applies a user's change to the spec or the metadata of a Cluster.
func (w *World) Edit(k, what string, edit func(*vip.Cluster)) {
	state, ok := w.clusters[k]
	if !ok {
		return
	}
	before := state.Cluster
	edit(&state.Cluster)
	if state.Endpoint != before.Endpoint || state.Deleting != before.Deleting || state.Paused != before.Paused {
		state.Generation++
	}
	state.manual = state.manual || state.Endpoint.Host != before.Endpoint.Host
	w.logf("user: %s Cluster %s", what, k)
}

// Serve makes Cluster API serve Clusters at another version. The allocator restarts, as a real one would.
func (w *World) Serve(version string) {
	if w.version != version {
		w.logf("capi: serves Clusters at %s", version)
		w.Crash()
		w.version = version
	}
}

// TakePort lets Cluster API remove the port of an endpoint without a host, as it does once the infrastructure exists.
// It does nothing until the port is remembered on the Cluster: removed any earlier, the port would be lost.
func (w *World) TakePort(k string) {
	state, ok := w.clusters[k]
	if !ok || state.Endpoint.Host != "" || state.Endpoint.Port == 0 || state.Gate.Port != state.Endpoint.Port {
		return
	}
	state.Endpoint.Port = 0
	state.Generation++
	w.logf("capi: takes the port of Cluster %s", k)
}

// Delete requests the deletion of a Cluster.
func (w *World) Delete(k string) {
	w.Edit(k, "deletes", func(c *vip.Cluster) { c.Deleting = true })
	w.collect(k)
}

// Finish lets Cluster API remove its finalizer from a Cluster in deletion.
func (w *World) Finish(k string) {
	if c := w.Cluster(k); c != nil && c.Deleting && c.InUse && !c.Paused {
		c.InUse = false
		w.logf("capi: has finished with Cluster %s", k)
		w.collect(k)
	}
}

// LoseClaim deletes a claim by hand. It drops the plans for its Cluster, which were decided with that claim in view.
func (w *World) LoseClaim(k, slot string) {
	c := w.Cluster(k)
	if c == nil {
		return
	}
	if claim, ok := w.claims[key(c.Namespace, names.ClaimName(c.Name, slot))]; ok && !claim.Deleting {
		delete(w.flights, k)
		for _, op := range w.ops {
			delete(op.flights, k)
		}
		w.logf("user: deletes claim %s", claim.Name)
		w.markDeleted(claim)
	}
}

// collect removes a Cluster in deletion that no finalizer holds, and makes the garbage collector delete its claims.
func (w *World) collect(k string) {
	if c := w.Cluster(k); c != nil && c.Deleting && !c.InUse && !c.HasFinalizer {
		delete(w.clusters, k)
		w.logf("api: Cluster %s is gone", k)
	}
	alive := map[types.UID]bool{}
	for _, state := range w.clusters {
		alive[state.UID] = true
	}
	for _, name := range sorted(w.claims) {
		if claim := w.claims[name]; claim.Owner != nil && !alive[claim.Owner.UID] && !claim.Deleting {
			w.logf("gc: deletes claim %s", claim.Name)
			w.markDeleted(claim)
		}
	}
}

func (w *World) markDeleted(claim *vip.Claim) {
	if !claim.Deleting {
		claim.Deleting, claim.DeletedAt = true, w.second()
		claim.ResourceVersion = strconv.FormatUint(w.next(), 10)
	}
}

// Served reports whether some pool serves a Cluster in some role, according to the contract.
func (w *World) Served(c *vip.Cluster) bool {
	return slices.ContainsFunc(w.pools, func(p *PoolState) bool {
		return len(p.Roles) > 0 && !p.Deleting && isFor(&p.Pool, c)
	})
}

// Snapshot gathers what a decision about a Cluster rests on.
func (w *World) Snapshot(k string) vip.Snapshot {
	clusters, claims, addresses := w.seen()
	c := clusters[k].Cluster
	c.Conditions = slices.Clone(c.Conditions)
	s := vip.Snapshot{
		Now: w.Now.Add(w.skew), Settings: w.Settings, Cluster: c, ClusterClass: w.Class, ClusterVersion: w.version,
		Memory: vip.Memory{Crowd: w.Crowd, Probed: maps.Clone(w.probed[k])},
	}
	roles := []string{names.RoleControlPlane, names.RoleIngress}
	wanted := map[netip.Addr]bool{vip.ParseAddr(c.Endpoint.Host): true}
	for role, value := range c.VIPs {
		for _, addr := range vip.Addrs(role, value) {
			wanted[addr] = true
		}
	}
	for _, pool := range w.pools {
		copied := pool.Pool
		for _, address := range addresses {
			if at := address.at.Add(w.skew); address.pool == pool.Ref && at.After(copied.LastServed) {
				copied.LastServed = at // the allocator measures it without its wall clock
			}
		}
		s.Pools = append(s.Pools, copied)
		roles = append(roles, pool.Roles...)
	}
	for _, name := range sorted(claims) {
		claim := claims[name]
		ours := claim.Owner != nil && claim.Owner.UID == c.UID
		named := slices.ContainsFunc(roles, func(role string) bool { _, ok := slotOf(&c, role, claim); return ok })
		if claim.Namespace == c.Namespace && (ours || named) {
			s.Claims = append(s.Claims, *claim)
			if address, ok := addresses[key(claim.Namespace, cmp.Or(claim.Address, claim.Name))]; ok {
				s.Addresses = append(s.Addresses, address.Address)
				wanted[vip.ParseAddr(address.Value)] = true
			}
		}
	}
	delete(wanted, netip.Addr{})
	for _, addr := range slices.SortedFunc(maps.Keys(wanted), netip.Addr.Compare) {
		s.Rivals = append(s.Rivals, w.rivals(&c, addr)...)
	}
	return s
}

// rivals returns who else holds an address, like the store.
func (w *World) rivals(c *vip.Cluster, addr netip.Addr) []vip.Rival {
	clusters, claims, addresses := w.seen()
	var rivals []vip.Rival
	for _, k := range sorted(addresses) {
		address := addresses[k]
		if vip.ParseAddr(address.Value) != addr {
			continue
		}
		rival := vip.Rival{
			Address: addr, Claim: types.NamespacedName{Namespace: address.Namespace, Name: address.Claim},
			Owned: address.ClaimUID != "", Pool: address.pool, Born: address.Born,
		}
		claim := claims[key(address.Namespace, address.Claim)]
		if holder := ownerIn(clusters, claim); holder != nil &&
			(address.ClaimUID == claim.UID || address.ClaimUID == "") {
			rival.Cluster = holder.Key()
			rival.Field = vip.CarriedIn(claim.Role, holder.Endpoint.Host, holder.VIPs, addr)
		}
		rivals = append(rivals, rival)
	}
	for _, k := range sorted(clusters) {
		other := &clusters[k].Cluster
		if other.UID == c.UID || other.Deleting && !other.InUse {
			continue
		}
		for _, field := range carries(other, addr) {
			if field == vip.EndpointField || w.underway(other, field) {
				rivals = append(rivals, vip.Rival{Address: addr, Cluster: other.Key(), Field: field})
			}
		}
	}
	return rivals
}

// underway reports whether an annotation without a claim behind it is about to get one, or to be overwritten.
func (w *World) underway(c *vip.Cluster, field string) bool {
	_, claims, _ := w.seen()
	role, _ := names.RoleOfAnnotation(field)
	pools := make([]vip.Pool, 0, len(w.pools))
	for _, pool := range w.pools {
		pools = append(pools, pool.Pool)
	}
	choice := vip.Choose(c, pools, role)
	for i := range vip.Addrs(role, c.VIPs[role]) {
		claim := claims[key(c.Namespace, names.ClaimName(c.Name, names.Slot(role, i+1)))]
		if claim == nil || claim.Deleting || claim.Address == "" {
			return choice.Pool != nil && choice.PerCluster() > i
		}
	}
	return false
}

// slotOf returns the slot of a role that a claim is for by its name, and whether it is for any.
func slotOf(c *vip.Cluster, role string, claim *vip.Claim) (string, bool) {
	slot, _, ok := names.SlotOfClaim(claim.Name, c.Name, role)
	return slot, ok
}

// ownerIn returns the Cluster that owns a claim and has not been released.
func ownerIn(clusters map[string]*clusterState, claim *vip.Claim) *vip.Cluster {
	for _, state := range clusters {
		if claim != nil && claim.Owner != nil && state.UID == claim.Owner.UID && (!state.Deleting || state.InUse) {
			return &state.Cluster
		}
	}
	return nil
}

// carries returns the fields in which a Cluster carries an address.
func carries(c *vip.Cluster, addr netip.Addr) []string {
	var fields []string
	if vip.ParseAddr(c.Endpoint.Host) == addr {
		fields = append(fields, vip.EndpointField)
	}
	for _, role := range sorted(c.VIPs) {
		if slices.Contains(vip.Addrs(role, c.VIPs[role]), addr) {
			fields = append(fields, names.Annotation(role))
		}
	}
	return fields
}
