package vip

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Snapshot is everything that a decision about one Cluster rests on.
type Snapshot struct {
	// Now is the moment of the decision.
	Now time.Time

	// Settings are the operator's options.
	Settings Settings

	// Cluster is the Cluster to decide about.
	Cluster Cluster

	// ClusterClass is what the Cluster's class does with VIPs; nil if the class does not exist.
	ClusterClass *ClusterClass

	// ClusterVersion is the apiVersion to use in ownerReferences to the Cluster; empty if unknown.
	ClusterVersion string

	// DNS is what is known of the Cluster's DNS records.
	DNS DNS

	// Pools are the pools that may serve the Cluster, and the pools that its claims refer to. Further pools do no
	// harm.
	Pools []Pool

	// Claims are the claims that the Cluster owns, and those that have the names its claims would have.
	Claims []Claim

	// Addresses are the addresses that the claims refer to.
	Addresses []Address

	// Rivals are all other holders of these addresses, and of those that the Cluster carries.
	Rivals []Rival

	// Memory is what this process remembers of the Cluster.
	Memory
}

// Memory is what an operator remembers of a Cluster and keeps nowhere else. It makes decisions calmer but never
// decides whose an address is, because it is lost with the process.
type Memory struct {
	// Refused is what the API server recently said in refusing an action. The action is not retried while it has an
	// entry.
	Refused map[Key]string

	// Unusable are the addresses, by slot, that the Cluster's claim was last given while someone else used them. No
	// new claim asks for such an address as long as it is in use and the pool offers it.
	Unusable map[string]netip.Addr

	// Probed is the results of the probes that decisions asked for, by address.
	Probed map[netip.Addr]Probed

	// Crowd is how many other Clusters are being served right now, as far as this operator has seen.
	Crowd int
}

// DefaultPort is the port of an endpoint unless options or the Cluster say otherwise: that of kubeadm's API servers.
const DefaultPort int32 = 6443

// Settings are the options of the operator that a decision depends on.
type Settings struct {
	// DefaultPort is the port of an endpoint whose Cluster names none.
	DefaultPort int32

	// DNS says how VIPs are named.
	DNS DNSSettings

	// WatchFilter restricts the operator to Clusters whose watch-filter label has this value; empty means all.
	WatchFilter string
}

// Cluster is what the allocator knows of a Cluster.
type Cluster struct {
	Namespace, Name string
	UID             types.UID
	Created         time.Time

	// Class is the ClusterClass of the topology; its Name is empty for a Cluster without one.
	Class Class

	// Generation is the generation of the spec.
	Generation int64

	// Endpoint is spec.controlPlaneEndpoint.
	Endpoint Endpoint

	// Port is spec.clusterNetwork.apiServerPort; 0 if it is not set.
	Port int32

	// Gate is what is remembered while the control plane is held; the zero value if nothing is.
	Gate Gate

	// Pause says whether the topology pauses the control plane object, and on whose behalf. ControlPlane names that
	// object as kind/name; it is empty until the topology controller has created it.
	Pause        Pause
	ControlPlane string

	// Topology is what the topology controller has rendered.
	Topology Topology

	// Variables are the values of spec.topology.variables as JSON, by name. Values too large to hold a VIP are empty.
	Variables map[string][]byte

	// VIPs are the values of the allocator's annotations, by role: one address, or several separated by commas.
	VIPs map[string]string

	// Written are the UIDs of the claims that the VIPs on the Cluster were written from, by slot. In a copied manifest
	// they are the UIDs of another Cluster's claims and mean nothing (ADR 11).
	Written map[string]types.UID

	// Conditions are the conditions of the allocator. They are output: a decision compares them with the conditions it
	// wants, and draws no other conclusion from them.
	Conditions []Condition

	// WatchFilter is the value of the watch-filter label.
	WatchFilter string

	// Paused says that nobody may touch the Cluster.
	Paused bool

	// Deleting says that deletion was requested.
	Deleting bool

	// Moving says that clusterctl is deleting this copy of a Cluster that lives on elsewhere.
	Moving bool

	// InUse says that Cluster API's finalizer is on: machines may still use the VIPs.
	InUse bool

	// HasFinalizer says that the allocator's finalizer is on.
	HasFinalizer bool

	// Lingers says that finalizers other than those of Cluster API and the allocator are on.
	Lingers bool

	// Cut says that the Cluster has more than the allocator reads of one.
	Cut bool
}

// Key returns the namespace and name of the Cluster.
func (c *Cluster) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
}

func (c *Cluster) condition(conditionType string) *Condition {
	for i := range c.Conditions {
		if c.Conditions[i].Type == conditionType {
			return &c.Conditions[i]
		}
	}
	return nil
}

// Class names a ClusterClass. An empty Namespace stands for any.
type Class struct{ Namespace, Name string }

// String returns namespace/name, or the name alone.
func (c Class) String() string {
	if c.Namespace == "" {
		return c.Name
	}
	return c.Namespace + "/" + c.Name
}

// ClusterClass is what a class does with the VIPs of its Clusters.
type ClusterClass struct {
	// ReadsVIP says that its patches read the allocator's annotations or call its runtime extension.
	ReadsVIP bool

	// Variables are the types of the variables that the class declares ("string", "integer", ...), by dotted path.
	Variables map[string]string
}

// Gate is what is remembered on a Cluster until its endpoint is written and the templates contain it.
type Gate struct {
	// Generation is the generation in which the control plane was held; 0 if it was not.
	Generation int64

	// Port is the port that was in the endpoint without a host; 0 if there was none.
	Port int32
}

// Topology is what the topology controller last reported about a Cluster.
type Topology struct {
	// Observed is the generation that the report is about; 0 if there is none.
	Observed int64

	// Rendered says that all templates are as that generation wants them.
	Rendered bool

	// Reason is the topology controller's own word for its state.
	Reason string
}

// Endpoint is a host and a port; either may be unset.
type Endpoint struct {
	Host string
	Port int32
}

// Condition is one of the allocator's conditions on a Cluster.
type Condition struct {
	Type, Reason, Message string
	True                  bool
	// Since is when True last changed.
	Since time.Time
}

// PoolRef names a pool as a claim does; a namespaced pool is in the claim's namespace.
type PoolRef struct{ Group, Kind, Name string }

// String returns kind/name.
func (r PoolRef) String() string { return r.Kind + "/" + r.Name }

// Pool is an IPAM pool and its configuration for the allocator.
type Pool struct {
	Ref PoolRef

	// Namespace is empty for a global pool.
	Namespace string

	// Classes are the ClusterClasses that the pool serves; the name AnyClass stands for all.
	Classes []Class

	// Roles are the valid roles that the pool serves.
	Roles []string

	// Priority ranks the pool among those that match, higher first.
	Priority int

	// Namespaces are the namespaces that a global pool serves; empty means all.
	Namespaces []string

	// Clusters are the Clusters that the pool serves; the name AnyCluster stands for all of a namespace, an empty list
	// for all Clusters.
	Clusters []types.NamespacedName

	// Variables are values that the variables of the Cluster's topology must all have.
	Variables []Variable

	// HostVariable and PortVariable are the dotted paths of the ClusterClass variables that receive address and port;
	// empty for none.
	HostVariable, PortVariable string

	// PerCluster is how many addresses a Cluster gets for each role but the control plane; 0 stands for 1.
	PerCluster int

	// Probe are the TCP ports to try before an address is first written, in order; empty for none.
	Probe []uint16

	// Capacity is what the provider last reported.
	Capacity Capacity

	// KeepsReleased says that the pool holds claims in deletion for a grace period before it reuses their address.
	KeepsReleased bool

	// Deleting says that the pool takes no new claims.
	Deleting bool

	// Offers are the ranges of addresses that the pool may hand out, in order. They are gathered only if an address of
	// the Cluster does not come from its claim; Ranged says that they were.
	Offers []Range
	Ranged bool

	// LastServed is when the provider was last seen to work on a claim of the pool; the zero time if never.
	LastServed time.Time

	// Closed says that the allocator cannot understand a part of the configuration that may have been meant to keep
	// others out, or to say what Clusters get. The pool serves no new Clusters until it is corrected.
	Closed bool

	// Unread says that the pool is closed because the allocator cannot tell which Clusters or variables it is for. It
	// may be for any Cluster, and may be more specific than it looks.
	Unread bool

	// Problems are what is wrong with the configuration, each in a sentence; the valid parts still apply.
	Problems []string
}

// Owner is the controlling owner of a claim, or any owner if none controls.
type Owner struct {
	Kind, Name string
	UID        types.UID

	// Version is the apiVersion in the claim's ownerReference.
	Version string
}

// Claim is an IPAddressClaim.
type Claim struct {
	Namespace, Name string
	UID             types.UID
	ResourceVersion string
	Created         time.Time

	// Role is the value of the role label.
	Role string

	// Pool is the pool that the claim asks; a claim cannot change it.
	Pool PoolRef

	// Owner is nil for a claim without an owner.
	Owner *Owner

	// Address is the name of the IPAddress that the provider assigned; empty while the claim waits.
	Address string

	// Trouble is what the provider says keeps it from assigning an address; nil if it says nothing.
	Trouble *Trouble

	// Deleting says that deletion was requested, at DeletedAt.
	Deleting  bool
	DeletedAt time.Time
}

// Trouble is the reason and message of a claim's Ready condition that is False.
type Trouble struct{ Reason, Message string }

// Address is an IPAddress.
type Address struct {
	Namespace, Name string

	// Value is spec.address, verbatim.
	Value string

	// Claim is the name of the claim that the address was made for, and ClaimUID the UID of the claim that owns it;
	// empty for an address without an owner, as after a restore. The name alone proves nothing: a deleted claim may
	// have had it too.
	Claim    string
	ClaimUID types.UID

	// Born orders addresses by age.
	Born Born
}

// Born says when an IPAddress was created: the second of its creation, by the clock of the API server that created it,
// and its position in the order of storage.
type Born struct {
	At     time.Time
	Serial uint64
}

// clockSkew is how far the clocks of several API servers may differ. Within it the order of storage tells which of two
// IPAddresses is earlier. Beyond it the time does, because editing an IPAddress stores it anew.
const clockSkew = time.Minute

// Before reports whether b came before other. Of two that differ, exactly one comes before the other, so two operators
// cannot disagree. Watchers see IPAddresses in the order of storage: whoever sees the later of two sees both.
func (b Born) Before(other Born) bool {
	if distance := b.At.Sub(other.At).Abs(); distance > clockSkew || b.Serial == other.Serial {
		return b.At.Before(other.At)
	}
	return b.Serial < other.Serial
}

// Rival is a holder of an address other than the claim that asks for it: a Cluster that carries it, an IPAddress that
// assigns it to another claim, or both.
type Rival struct {
	// Address is what both want.
	Address netip.Addr

	// Cluster is the Cluster that carries the address, or that owns the claim; empty if there is none.
	Cluster types.NamespacedName

	// Field is where the Cluster carries it: "spec.controlPlaneEndpoint" or the key of an annotation; empty if
	// nowhere.
	Field string

	// Claim is the claim that an IPAddress assigns the address to; empty for a Cluster that just carries it.
	Claim types.NamespacedName

	// Owned says that the claim owns the IPAddress.
	Owned bool

	// Pool is the pool that the IPAddress comes from.
	Pool PoolRef

	// Born is the age of the IPAddress.
	Born Born
}

// String names the rival, whatever namespace it is in; it is meant for administrators only.
func (r *Rival) String() string {
	var parts []string
	if r.Cluster.Name != "" {
		parts = append(parts, "Cluster "+r.Cluster.String())
	}
	if r.Field != "" {
		parts = append(parts, "in "+r.Field)
	}
	if r.Claim.Name != "" {
		parts = append(parts, fmt.Sprintf("by claim %s on %s", r.Claim, r.Pool))
	}
	return strings.Join(parts, " ")
}
