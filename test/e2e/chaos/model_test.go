package chaos

import (
	"fmt"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// model is what has been done so far, as far as it decides what can be done next and what must be true. It does not
// depend on what the components made of it, so that a seed always gives the same operations.
type model struct {
	clusters []*cluster
	pools    []*pool
	// down are the components that are not running.
	down map[plane.Component]bool
	// disturbed says that something is out of order, apart from user operations.
	disturbed bool
}

type state string

const (
	absent state = "absent"
	alive  state = "alive"
	// leaving is a Cluster whose deletion was requested; it goes unless it is paused or held.
	leaving state = "leaving"
)

// cluster is a name for a Cluster, which may or may not exist.
type cluster struct {
	name  string
	state state
	// foreign says why the operator must ignore the Cluster; it is always alive and never touched.
	foreign foreign
	// squats are the annotations with which a foreign Cluster pretends to have VIPs.
	squats map[string]string
	// fresh says that the Cluster was created since the last quiet and may not have its VIPs yet.
	fresh bool
	// coming says that the Cluster is created as soon as its predecessor is gone.
	coming bool
	paused bool
	// held says that its infrastructure blocks its deletion.
	held bool
	// lost are the roles whose claim was deleted, by hand or by a foreground deletion.
	lost map[string]bool
	// tampered says that its control plane's annotation was changed by hand.
	tampered bool
	// byHand is the host that a user wants it to have, if it has none.
	byHand string
	// follows says that it was created the moment another of its name was gone.
	follows bool
	// orphaned says that an ownerless claim had the name of its control plane's claim.
	orphaned bool
}

// foreign is a reason not to touch a Cluster.
type foreign string

const (
	noTopology  foreign = "no topology"
	otherFilter foreign = "another watch-filter"
	noPool      foreign = "a class that no pool serves"
)

// pool is a pool of the case.
type pool struct {
	name, namespace string
	roles           []string
	// wanted says that its labels should name the class of the case, serves that they do: the provider refuses all
	// changes of a pool while some used addresses are outside it.
	wanted, serves bool
	// first and size are its addresses.
	first, size int
	// guests are claims of others that take addresses of it.
	guests []string
	paused bool
}

func newModel(namespace string) model {
	m := model{down: map[plane.Component]bool{}}
	for i := range 6 {
		m.clusters = append(m.clusters, &cluster{name: fmt.Sprintf("c%d", i), state: absent, lost: map[string]bool{}})
	}
	for name, why := range map[string]foreign{"plain": noTopology, "other": otherFilter, "unserved": noPool} {
		m.clusters = append(m.clusters, &cluster{name: name, state: alive, foreign: why, lost: map[string]bool{}})
	}
	slices.SortFunc(m.clusters, func(a, b *cluster) int { return slices.Compare([]string{a.name}, []string{b.name}) })
	m.pools = []*pool{
		{
			name: namespace + "-cp", roles: []string{names.RoleControlPlane}, wanted: true, serves: true,
			first: 10, size: 4,
		},
		{name: namespace + "-in", roles: []string{names.RoleIngress}, wanted: true, serves: true, first: 30, size: 4},
	}
	return m
}

// choose returns the names whose Clusters match.
func (m *model) choose(such func(*cluster) bool) []*cluster {
	var chosen []*cluster
	for _, c := range m.clusters {
		if c.foreign == "" && such(c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// editable reports whether the Cluster lives, and it is certain which one that is.
func editable(c *cluster) bool { return c.state == alive && !c.coming }

func (c *cluster) forget() {
	*c = cluster{name: c.name, state: absent, lost: map[string]bool{}, orphaned: c.orphaned}
}

// create makes the name a living Cluster.
func (c *cluster) create() {
	orphaned := c.orphaned
	c.forget()
	c.state, c.fresh, c.orphaned = alive, true, orphaned
}

// quiet records that everything is as it must be.
func (m *model) quiet() {
	m.disturbed = false
	for _, c := range m.clusters {
		c.fresh, c.coming = false, false
		if c.state == leaving && !c.stays() {
			c.forget()
		}
	}
}

// stays reports whether a Cluster whose deletion was requested does not go.
func (c *cluster) stays() bool { return c.paused || c.held }

// serving returns the pools that serve a role: those of the namespace if there are any, else the global ones.
func (m *model) serving(role string) []*pool {
	var global, own []*pool
	for _, p := range m.pools {
		switch {
		case !p.serves || !slices.Contains(p.roles, role):
		case p.namespace == "":
			global = append(global, p)
		default:
			own = append(own, p)
		}
	}
	if len(own) > 0 {
		return own
	}
	return global
}

// poolNamed returns a pool, or nil.
func (m *model) poolNamed(name string) *pool {
	for _, p := range m.pools {
		if p.name == name {
			return p
		}
	}
	return nil
}
