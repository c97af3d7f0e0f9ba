// Package view turns what was read from a cluster into what kubectl vip says of it. It is pure: facts go in, plain data
// comes out, which is printed as JSON and YAML as it stands and by package render for people. What is decided about a
// Cluster it takes from package vip and never decides itself.
package view

import (
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Facts are what was read from a cluster at one moment.
type Facts struct {
	// Now is the moment.
	Now time.Time
	// LostSince is when the API server was last heard of, if it does not answer any more: the facts are of then.
	LostSince time.Time

	// Snapshots are what the decision about each Cluster rests on, by namespace and name.
	Snapshots []vip.Snapshot

	// Pools are all pools that could be read, whether they are configured for the allocator or not; all that there are,
	// and that a Cluster which was read could be served by, if PoolsKnown.
	Pools      []PoolFacts
	PoolsKnown bool

	// Claims and Addresses are all that could be read, also those that others made.
	Claims    []ClaimFacts
	Addresses []AddressFacts

	// Classes are the ClusterClasses that exist; they mean something only if ClassesKnown.
	Classes      []vip.Class
	ClassesKnown bool

	// Operator is what could be found out about the operator, Also about further ones, which look at other Clusters.
	Operator Operator
	Also     []Operator

	// Platform says which versions were met.
	Platform Platform

	// Limits say what could not be read, each in a sentence; what is said from the facts may be wrong for that.
	Limits []string
}

// operators are all operators, the first one first.
func (f *Facts) operators() []Operator { return append([]Operator{f.Operator}, f.Also...) }

// operatorOf returns the operator that a Cluster is the business of, or the first.
func (f *Facts) operatorOf(c *vip.Cluster) *Operator {
	return OperatorFor(f.operators(), c.Namespace, c.WatchFilter)
}

// PoolFacts are a pool and what the decision does not need to know of it. Its Offers are always filled where known.
type PoolFacts struct {
	vip.Pool

	// Paused says that the provider leaves the pool alone.
	Paused bool

	// Space is all that the pool names, Excluded and Reserved are the parts of it that it gives to nobody, and Gateway
	// is the subnet's; all in order, and empty for the pools of other providers.
	Space, Excluded, Reserved []vip.Range
	Gateway                   netip.Addr
}

// ClaimFacts are a claim and the name of the Cluster it is for; empty if it names none.
type ClaimFacts struct {
	vip.Claim
	Cluster string
}

// AddressFacts are an IPAddress and the pool it comes from.
type AddressFacts struct {
	vip.Address
	Pool     vip.PoolRef
	Deleting bool
}

// Platform says which versions are in use.
type Platform struct {
	// Plugin is the version of this program.
	Plugin string `json:"plugin"`
	// Kubernetes is the version of the API server; empty if it is not known.
	Kubernetes string `json:"kubernetes,omitempty"`
	// APIs are the groups and versions in use.
	APIs string `json:"apis,omitempty"`
	// Missing are the kinds that no usable version serves.
	Missing []string `json:"missing,omitempty"`
}

// snapshot returns the snapshot of a Cluster, or false.
func (f *Facts) snapshot(namespace, name string) (vip.Snapshot, bool) {
	i := slices.IndexFunc(f.Snapshots, func(s vip.Snapshot) bool {
		return s.Cluster.Namespace == namespace && s.Cluster.Name == name
	})
	if i < 0 {
		return vip.Snapshot{}, false
	}
	return f.Snapshots[i], true
}

// clusters returns the Clusters by namespace and name.
func (f *Facts) clusters() map[types.NamespacedName]*vip.Cluster {
	clusters := make(map[types.NamespacedName]*vip.Cluster, len(f.Snapshots))
	for i := range f.Snapshots {
		clusters[f.Snapshots[i].Cluster.Key()] = &f.Snapshots[i].Cluster
	}
	return clusters
}

// claims returns the claims by namespace and name.
func (f *Facts) claims() map[types.NamespacedName]*ClaimFacts {
	claims := make(map[types.NamespacedName]*ClaimFacts, len(f.Claims))
	for i := range f.Claims {
		claims[types.NamespacedName{Namespace: f.Claims[i].Namespace, Name: f.Claims[i].Name}] = &f.Claims[i]
	}
	return claims
}

// claimKey names the claim that the address is for.
func (a *AddressFacts) claimKey() types.NamespacedName {
	return types.NamespacedName{Namespace: a.Namespace, Name: a.Claim}
}

// poolName names a pool for people: Kind/name, with the namespace before it where it has one.
func poolName(p *vip.Pool) string {
	if p.Namespace == "" {
		return p.Ref.String()
	}
	return p.Namespace + "/" + p.Ref.String()
}
