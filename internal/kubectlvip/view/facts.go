// Package view turns what was read from a cluster into what kubectl vip says about it. It is pure: facts go in and
// plain data comes out. JSON and YAML print that data as is, and package render prints it for people. Decisions about
// a Cluster come from package vip, never from here.
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
	// LostSince is when the API server last answered, if it no longer does: the facts are of that time.
	LostSince time.Time

	// Snapshots are the inputs of the decision about each Cluster, sorted by namespace and name.
	Snapshots []vip.Snapshot

	// Pools are all pools that could be read, whether or not they are configured for the allocator. If PoolsKnown,
	// they include every pool that could serve a Cluster which was read.
	Pools      []PoolFacts
	PoolsKnown bool

	// Claims and Addresses are all that could be read, including those that others made.
	Claims    []ClaimFacts
	Addresses []AddressFacts

	// Classes are the ClusterClasses that exist; meaningful only if ClassesKnown.
	Classes      []vip.Class
	ClassesKnown bool

	// Operator is what could be found out about the operator, Also about others, which look at other Clusters.
	Operator Operator
	Also     []Operator

	// Platform says which versions were found.
	Platform Platform

	// Limits say what could not be read, each in a sentence; conclusions from the facts may be wrong because of it.
	Limits []string
}

// operators returns all operators, Operator first.
func (f *Facts) operators() []Operator { return append([]Operator{f.Operator}, f.Also...) }

// operatorOf returns the operator responsible for a Cluster, or the first.
func (f *Facts) operatorOf(c *vip.Cluster) *Operator {
	return OperatorFor(f.operators(), c.Namespace, c.WatchFilter)
}

// PoolFacts are a pool and what the decision does not need to know about it. Its Offers are always filled if known.
type PoolFacts struct {
	vip.Pool

	// Paused says that the provider leaves the pool alone.
	Paused bool

	// Space is every address that the pool names, Excluded and Reserved are the parts that it gives to nobody, and
	// Gateway is the subnet's. All are in order, and empty for pools of other providers.
	Space, Excluded, Reserved []vip.Range
	Gateway                   netip.Addr
}

// ClaimFacts are a claim and the name of the Cluster that it is for; empty if it names none.
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

// snapshot returns the snapshot of a Cluster; it reports false if there is none.
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

// claimKey returns the key of the claim that the address is for.
func (a *AddressFacts) claimKey() types.NamespacedName {
	return types.NamespacedName{Namespace: a.Namespace, Name: a.Claim}
}

// poolName names a pool for people: Kind/name, after the namespace if it has one.
func poolName(p *vip.Pool) string {
	if p.Namespace == "" {
		return p.Ref.String()
	}
	return p.Namespace + "/" + p.Ref.String()
}
