package harness

import (
	"fmt"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Unguarded is the annotation of a Cluster that breaks an invariant on purpose, by the hand of its user.
const Unguarded = "harness.gorizond.io/unguarded"

// Guard watches over the invariants of all Clusters at every moment: no two carry one address, a host that is set stays
// what it is, and host and port come together.
type Guard struct {
	mu       sync.Mutex
	holders  map[string]types.UID
	names    map[types.UID]string
	breaches []string
}

// NewGuard begins to watch.
func NewGuard(w *World) (*Guard, error) {
	g := &Guard{holders: map[string]types.UID{}, names: map[types.UID]string{}}
	return g, w.OnCluster(g.changed)
}

// Breaches returns what was broken so far.
func (g *Guard) Breaches() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.breaches...)
}

func (g *Guard) changed(before, after *Cluster) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before != nil {
		for address, holder := range g.holders {
			if holder == before.GetUID() {
				delete(g.holders, address)
			}
		}
	}
	if after == nil {
		return
	}
	if _, unguarded := after.GetAnnotations()[Unguarded]; unguarded {
		return
	}
	name := after.GetNamespace() + "/" + after.GetName()
	g.endpoint(name, before, after)
	if after.GetDeletionTimestamp() != nil && !after.InUse() {
		return // its addresses are free again
	}
	g.names[after.GetUID()] = name
	for _, address := range after.Carried() {
		if _, err := netip.ParseAddr(address); err != nil {
			continue // a host name is nobody's property
		}
		if holder, taken := g.holders[address]; taken && holder != after.GetUID() {
			g.breach("%s is carried by %s and by %s", address, g.names[holder], name)
		}
		g.holders[address] = after.GetUID()
	}
}

func (g *Guard) endpoint(name string, before, after *Cluster) {
	endpoint := after.Endpoint()
	if endpoint.Host != "" && endpoint.Port == 0 {
		g.breach("%s has the host %s without a port", name, endpoint.Host)
	}
	if before == nil || before.GetUID() != after.GetUID() {
		return
	}
	if had := before.Endpoint(); had.Host != "" && had != endpoint {
		g.breach("the endpoint of %s changed from %v to %v", name, had, endpoint)
	}
}

func (g *Guard) breach(format string, args ...any) {
	g.breaches = append(g.breaches, fmt.Sprintf(format, args...))
}
