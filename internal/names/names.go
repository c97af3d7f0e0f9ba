// Package names holds every public string of the allocator: the labels and annotations it reads on pools, the
// annotations, finalizer, conditions and events it writes on Clusters, and the names of the claims it makes. Nothing
// else in the program spells one of these strings.
package names

// Domain prefixes every label, annotation and finalizer of the allocator.
const Domain = "vip.capi.gorizond.io"

// FieldManager is the name under which the allocator's writes appear in managedFields and in events.
const FieldManager = "capi-vip-allocator"

// LeaseName is the name of the Lease that the replicas of the operator compete for, unless a flag says otherwise.
const LeaseName = "capi-vip-allocator-leader"

// ErrorKey is the key of every error in log lines; libraries that use logr write "err".
const ErrorKey = "error"

// Labels and annotations on pools. They configure the allocator; nothing on a Cluster does.
const (
	// ClusterClass is the label with the name of the ClusterClass a pool serves; the value SeeAnnotation says that the
	// annotation of the same key holds a comma-separated list of names.
	ClusterClass = Domain + "/cluster-class"

	// Role is the label with the role a pool serves; the value SeeAnnotation says that the annotation of the same key
	// holds a comma-separated list of roles. Claims carry it too, with their own role.
	Role = Domain + "/role"

	// Priority is the annotation with the rank of a pool among those that match: an integer, higher first, default 0.
	Priority = Domain + "/priority"

	// Namespaces is the annotation with a comma-separated list of the namespaces that a global pool serves.
	Namespaces = Domain + "/namespaces"

	// Clusters is the annotation with a comma-separated list of the Clusters that a pool serves: namespace/name or
	// namespace/*.
	Clusters = Domain + "/clusters"

	// Variables is the annotation with a comma-separated list of path=value: what the variables of a Cluster's topology
	// must be for the pool to serve it.
	Variables = Domain + "/variables"

	// Probe is the annotation with a comma-separated list of TCP ports: before an address of the pool is first written,
	// the operator tries to connect to them, and does not write it if someone answers.
	Probe = Domain + "/probe"

	// PerCluster is the annotation with the number of addresses that a Cluster gets from a pool for each role but the
	// control plane: 1 to MostAddresses, default 1.
	PerCluster = Domain + "/addresses-per-cluster"

	// HostVariable is the annotation with the ClusterClass variable that receives the address of a pool: a name, or a
	// dotted path into an object variable.
	HostVariable = Domain + "/host-variable"

	// PortVariable is likewise the annotation with the ClusterClass variable that receives the port of the control
	// plane endpoint.
	PortVariable = Domain + "/port-variable"

	// SeeAnnotation is the label value that refers to the annotation of the same key.
	SeeAnnotation = "true"
)

// TopologyGate is the annotation on a Cluster whose endpoint is held back until its VIP is in the templates: the
// generation that the topology controller must have rendered, or 0, and, after a colon, the port that the endpoint
// had without a host.
const TopologyGate = Domain + "/topology-gate"

// Claims is the annotation on a Cluster with the UIDs of the claims that its VIPs were written from: slot=UID,
// separated by commas. It is written together with the VIP, and distinguishes what the allocator wrote from what a
// copied manifest brought along.
const Claims = Domain + "/claims"

// ExtensionName is the name of the allocator's ExtensionConfig. Cluster API calls a handler by its own name and this
// one, with a dot between them.
const ExtensionName = "capi-vip-allocator"

// VariableManager is the name under which the variables of a role appear in managedFields. Each role has its own: a
// server-side apply removes what its manager applied before and leaves out now.
func VariableManager(role string) string { return FieldManager + "-" + role }

// AllowDeletion is the annotation whose presence on a claim makes the chart's admission policy let anyone with the
// permission delete it. The operator itself does not read it.
const AllowDeletion = Domain + "/allow-deletion"

// ReleaseFinalizer is held on Clusters that hold or await a VIP, until their claims are gone.
const ReleaseFinalizer = Domain + "/release"

// Strings of Cluster API, from sigs.k8s.io/cluster-api/api/core.
const (
	// ClusterFinalizer is the finalizer Cluster API holds until machines and infrastructure are gone.
	ClusterFinalizer = "cluster.cluster.x-k8s.io"

	// ClusterName is the label that ties an object to its Cluster.
	ClusterName = "cluster.x-k8s.io/cluster-name"

	// WatchFilter is the label by which managers divide Clusters among themselves.
	WatchFilter = "cluster.x-k8s.io/watch-filter"

	// Paused is the annotation whose presence pauses an object.
	Paused = "cluster.x-k8s.io/paused"

	// TopologyReconciled is the condition that says which generation of a Cluster the topology controller has
	// rendered into the objects of the topology.
	TopologyReconciled = "TopologyReconciled"

	// DeleteForMove is the annotation clusterctl puts on the source objects of a move before it deletes them.
	DeleteForMove = "clusterctl.cluster.x-k8s.io/delete-for-move"
)

// ReleaseAddress is the finalizer that the in-cluster IPAM provider holds on a claim until the address is back in the
// pool, from sigs.k8s.io/cluster-api-ipam-provider-in-cluster/pkg/ipamutil.
const ReleaseAddress = "ipam.cluster.x-k8s.io/ReleaseAddress"

// Condition reasons. A condition of the allocator is True only with one of the first two.
const (
	// ReasonIPAddressAssigned says that the VIP is allocated and written.
	ReasonIPAddressAssigned = "IPAddressAssigned"

	// ReasonEndpointProvided says that someone else set the endpoint's host, and that a pool would have matched.
	ReasonEndpointProvided = "EndpointProvided"

	// ReasonWaitingForIPAddress says that the claim exists and the IPAM provider has not answered it.
	ReasonWaitingForIPAddress = "WaitingForIPAddress"

	// ReasonPoolNotFound says that no pool serves this class and role.
	ReasonPoolNotFound = "PoolNotFound"

	// ReasonPoolExhausted says that every matching pool is full.
	ReasonPoolExhausted = "PoolExhausted"

	// ReasonAddressConflict says that the allocated address cannot be written: someone else holds it, or it differs
	// from the endpoint in use.
	ReasonAddressConflict = "AddressConflict"

	// ReasonAddressInUse says that something answers on the allocated address, and no Cluster accounts for it.
	ReasonAddressInUse = "AddressInUse"

	// ReasonClaimConflict says that a claim of the needed name exists and is not this Cluster's.
	ReasonClaimConflict = "ClaimConflict"

	// ReasonWaitingForTopology says that the VIP is allocated, and that the endpoint is held back until the topology
	// controller has rendered it into the templates.
	ReasonWaitingForTopology = "WaitingForTopology"

	// ReasonWriteRefused says that the API server, or an admission webhook or policy, refuses what is to be written.
	ReasonWriteRefused = "WriteRefused"

	// ReasonReleasing says that the Cluster is being deleted and the VIP goes back when Cluster API is done.
	ReasonReleasing = "Releasing"

	// ReasonReleased says that the VIP is back in its pool, and that something else still holds the Cluster in
	// deletion.
	ReasonReleased = "Released"
)

// IsReason reports whether reason is one of the reasons of the allocator's conditions.
func IsReason(reason string) bool {
	switch reason {
	case ReasonIPAddressAssigned, ReasonEndpointProvided, ReasonWaitingForIPAddress, ReasonPoolNotFound,
		ReasonPoolExhausted, ReasonAddressConflict, ReasonAddressInUse, ReasonClaimConflict,
		ReasonWaitingForTopology, ReasonWriteRefused, ReasonReleasing, ReasonReleased:
		return true
	}
	return false
}

// Event reasons of normal events; warnings carry the reason of their condition.
const (
	EventVIPAllocated         = "VIPAllocated"
	EventIngressAnnotationSet = "IngressAnnotationSet"
	EventAnnotationRestored   = "AnnotationRestored"
	EventVIPReleased          = "VIPReleased"

	// EventEndpointInPoolRange is the warning on a Cluster whose endpoint was set by hand to an address that a pool may
	// hand out to another.
	EventEndpointInPoolRange = "EndpointInPoolRange"

	// EventVIPTakenAway is the warning that someone removed the VIP from a Cluster whose templates render it: they
	// may have been rendered without it.
	EventVIPTakenAway = "VIPTakenAway"

	// EventVariableNotWritten is the warning on a Cluster whose ClusterClass variable cannot receive the VIP: someone
	// gave it another value, or its schema wants another type.
	EventVariableNotWritten = "VariableNotWritten"

	// EventAddressShared is the warning on a Cluster whose VIP or endpoint was assigned to someone else as well.
	EventAddressShared = "AddressShared"

	// EventWriteRefused is the warning that the API server, or an admission webhook, refuses what is to be written to
	// a Cluster or for it.
	EventWriteRefused = "WriteRefused"

	// EventWritesContested is the warning that someone keeps undoing what is written to a Cluster, so that it is
	// written to less often.
	EventWritesContested = "WritesContested"

	// EventClusterTooLarge is the warning on a Cluster that has more annotations or variable values than are read.
	EventClusterTooLarge = "ClusterTooLarge"

	// EventInvalidPoolConfiguration is the warning on a pool whose labels or annotations cannot be understood.
	EventInvalidPoolConfiguration = "InvalidPoolConfiguration"
)
