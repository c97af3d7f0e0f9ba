package harness

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// Unguarded is the annotation of a Cluster whose user breaks an invariant on purpose.
const Unguarded = "harness.gorizond.io/unguarded"

// Guard checks the invariants of all Clusters at every moment: no two carry the same address, a host stays as it is
// once it is set, host and port come together, and a Cluster has at most one claim per address of a role.
type Guard struct {
	mu       sync.Mutex
	holders  map[string]holder
	names    map[types.UID]string
	claims   map[claimKey]string
	inUse    map[types.UID]use
	releases []release
	suspects []suspicion
	breaches []string
	seen     int
}

// holder is the Cluster that carries an address, and its resourceVersion when the guard first saw it do so.
type holder struct {
	uid   types.UID
	since string
}

// use is the resourceVersion at which a Cluster was last seen in use and, for each role that it ever had a VIP for,
// the first one that had it.
type use struct {
	version string
	since   map[string]string
}

// release is a bound claim whose deletion was requested.
type release struct {
	EarlyRelease
	owner         types.UID
	role, version string
}

// EarlyRelease names a claim.
type EarlyRelease struct{ Namespace, Claim string }

type claimKey struct {
	owner types.UID
	slot  string
}

// slotOf returns which of its role's addresses a claim is for, or the role if the claim's name does not say.
func slotOf(claim *Claim) string {
	if slot, _, ok := names.SlotOfClaim(claim.GetName(), claim.ClusterName(), claim.Role()); ok {
		return slot
	}
	return claim.Role()
}

// suspicion is two Clusters that carry one address. It is a breach unless the next event about the first Cluster
// shows that it had given up the address before the other took it: a list, or a queue per object, may report changes
// in another order than they happened.
type suspicion struct {
	address string
	holder  types.UID
	// version is the resourceVersion of the other Cluster.
	version string
	breach  string
}

// NewGuard returns a guard that starts to watch.
func NewGuard(w *World) (*Guard, error) {
	g := newGuard()
	if err := w.OnClaim(g.claimed); err != nil {
		return nil, err
	}
	return g, w.OnCluster(g.changed)
}

func newGuard() *Guard {
	return &Guard{
		holders: map[string]holder{}, names: map[types.UID]string{}, claims: map[claimKey]string{},
		inUse: map[types.UID]use{},
	}
}

// EarlyReleases returns the claims whose deletion was requested while their Cluster had the VIP and Cluster API had
// not finished with it. The guard does not know who requested it: users and the garbage collector may.
func (g *Guard) EarlyReleases() []EarlyRelease {
	g.mu.Lock()
	defer g.mu.Unlock()
	var early []EarlyRelease
	for _, r := range g.releases {
		use := g.inUse[r.owner]
		if since := use.since[r.role]; since != "" && older(since, r.version) && older(r.version, use.version) {
			early = append(early, r.EarlyRelease)
		}
	}
	return early
}

// Breaches returns the breaches so far.
func (g *Guard) Breaches() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := slices.Clone(g.breaches)
	for _, suspicion := range g.suspects {
		found = append(found, suspicion.breach)
	}
	return found
}

// Seen returns how many changes the guard has looked at.
func (g *Guard) Seen() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen
}

func (g *Guard) changed(before, after *Cluster) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen++
	had := map[string]string{}
	if before != nil {
		g.resolve(before, after)
		for address, h := range g.holders {
			if h.uid == before.GetUID() {
				had[address] = h.since
				delete(g.holders, address)
			}
		}
	}
	if after == nil {
		return
	}
	if before != nil && before.GetUID() != after.GetUID() {
		clear(had)
	}
	if _, unguarded := after.GetAnnotations()[Unguarded]; unguarded {
		return
	}
	g.names[after.GetUID()] = after.GetNamespace() + "/" + after.GetName()
	g.endpoint(before, after)
	if after.Released() {
		return // its addresses are free again
	}
	seen := use{version: after.GetResourceVersion(), since: map[string]string{}}
	maps.Copy(seen.since, g.inUse[after.GetUID()].since)
	for key, value := range after.GetAnnotations() {
		if role, ok := names.RoleOfAnnotation(key); ok && len(vip.Addrs(role, value)) > 0 {
			seen.since[role] = cmp.Or(seen.since[role], seen.version)
		}
	}
	g.inUse[after.GetUID()] = seen
	for _, address := range after.Carried() {
		if _, err := netip.ParseAddr(address); err != nil {
			continue // a host name belongs to nobody
		}
		g.hold(address, holder{after.GetUID(), cmp.Or(had[address], after.GetResourceVersion())})
	}
}

// hold records which Cluster carries an address, and a suspicion against the first if there are two.
func (g *Guard) hold(address string, later holder) {
	earlier, taken := g.holders[address]
	if !taken || earlier.uid == later.uid {
		g.holders[address] = later
		return
	}
	if older(later.since, earlier.since) { // events out of order
		earlier, later = later, earlier
	}
	g.holders[address] = later
	breach := fmt.Sprintf("%s is carried by %s and, since version %s, by %s",
		address, g.names[earlier.uid], later.since, g.names[later.uid])
	if slices.ContainsFunc(g.suspects, func(s suspicion) bool { return s.breach == breach }) {
		return
	}
	g.suspects = append(g.suspects, suspicion{
		address: address, holder: earlier.uid, version: later.since, breach: breach,
	})
}

// older compares resourceVersions.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

// resolve decides the suspicions about a Cluster as soon as the next event about it arrives.
func (g *Guard) resolve(before, after *Cluster) {
	g.suspects = slices.DeleteFunc(g.suspects, func(s suspicion) bool {
		if s.holder != before.GetUID() {
			return false
		}
		last := after
		if after == nil {
			last = before // its state when it was deleted, or when a watch last reported it
		}
		earlier, same := older(last.GetResourceVersion(), s.version), after != nil && after.GetUID() == s.holder
		if earlier && same && !after.Released() && slices.Contains(after.Carried(), s.address) {
			return false // this proves nothing yet
		}
		innocent := earlier || after != nil && !same
		if !innocent {
			g.breaches = append(g.breaches, s.breach)
		}
		return true
	})
}

func (g *Guard) endpoint(before, after *Cluster) {
	var had vip.Endpoint
	if before != nil && before.GetUID() == after.GetUID() {
		had = endpointOf(before)
	}
	if breach := viptest.EndpointBreach(had, endpointOf(after)); breach != "" {
		g.breach("%s: %s", g.names[after.GetUID()], breach)
	}
}

func endpointOf(c *Cluster) vip.Endpoint {
	endpoint := c.Endpoint()
	return vip.Endpoint{Host: endpoint.Host, Port: int32(endpoint.Port)}
}

func (g *Guard) claimed(before, after *Claim) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen++
	if before != nil {
		if key := (claimKey{before.Owner(), slotOf(before)}); g.claims[key] == before.GetName() {
			delete(g.claims, key)
		}
	}
	if after == nil || after.Owner() == "" {
		return
	}
	if after.GetDeletionTimestamp() != nil && (before == nil || before.GetDeletionTimestamp() == nil) &&
		after.Address() != "" {
		early := EarlyRelease{after.GetNamespace(), after.GetName()}
		g.releases = append(g.releases, release{early, after.Owner(), after.Role(), after.GetResourceVersion()})
	}
	key := claimKey{after.Owner(), slotOf(after)}
	if other, taken := g.claims[key]; taken && other != after.GetName() {
		g.breach("claims %s and %s in %s are both of one Cluster and for %q",
			other, after.GetName(), after.GetNamespace(), key.slot)
	}
	g.claims[key] = after.GetName()
}

func (g *Guard) breach(format string, args ...any) {
	g.breaches = append(g.breaches, fmt.Sprintf(format, args...))
}
