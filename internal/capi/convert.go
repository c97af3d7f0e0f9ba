package capi

import (
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Snapshot returns what the decision needs to know of the Cluster.
func (c *Cluster) Snapshot() vip.Cluster {
	_, paused := c.Annotations[names.Paused]
	_, moving := c.Annotations[names.DeleteForMove]
	return vip.Cluster{
		Namespace:    c.Namespace,
		Name:         c.Name,
		UID:          c.UID,
		Created:      c.CreationTimestamp.Time,
		Class:        c.Class(),
		Generation:   c.Generation,
		Endpoint:     vip.Endpoint(c.Spec.ControlPlaneEndpoint),
		Port:         c.Spec.ClusterNetwork.APIServerPort,
		Gate:         parseGate(c.Annotations[names.TopologyGate]),
		Pause:        c.Spec.Topology.ControlPlane.pause(),
		ControlPlane: c.Spec.ControlPlaneRef.String(),
		Topology:     c.topology(),
		Variables:    c.Variables(),
		VIPs:         c.VIPs(),
		Written:      c.Written(),
		Conditions:   c.OwnConditions(),
		WatchFilter:  c.Labels[names.WatchFilter],
		Paused:       paused || ptr.Deref(c.Spec.Paused, false),
		Deleting:     c.DeletionTimestamp != nil,
		Moving:       moving,
		InUse:        slices.Contains(c.Finalizers, names.ClusterFinalizer),
		HasFinalizer: slices.Contains(c.Finalizers, names.ReleaseFinalizer),
		Lingers: slices.ContainsFunc(c.Finalizers, func(finalizer string) bool {
			return finalizer != names.ClusterFinalizer && finalizer != names.ReleaseFinalizer
		}),
		Cut: c.Cut,
	}
}

// Key returns the Cluster's namespace and name.
func (c *Cluster) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
}

// Class returns the ClusterClass of the topology; the name is empty if there is none. A class without a namespace of
// its own is in the Cluster's.
func (c *Cluster) Class() vip.Class {
	topology := c.Spec.Topology
	class := vip.Class{Namespace: topology.ClassRef.Namespace, Name: topology.ClassRef.Name}
	if class.Name == "" {
		class = vip.Class{Namespace: topology.ClassNamespace, Name: topology.Class}
	}
	if class.Namespace == "" {
		class.Namespace = c.Namespace
	}
	return class
}

// VIPs returns the values of the allocator's annotations, by role.
func (c *Cluster) VIPs() map[string]string {
	var vips map[string]string
	for key, value := range c.Annotations {
		if role, ok := names.RoleOfAnnotation(key); ok {
			if vips == nil {
				vips = map[string]string{}
			}
			vips[role] = value
		}
	}
	return vips
}

// Written returns the UIDs of the claims that the VIPs on the Cluster were written from, by slot.
func (c *Cluster) Written() map[string]types.UID { return parseRecord(c.Annotations[names.Claims]) }

// conditions returns the metav1 conditions of the Cluster, wherever its version keeps them.
func (c *Cluster) conditions() *[]metav1.Condition {
	if c.Status.V1Beta2 != nil {
		return &c.Status.V1Beta2.Conditions
	}
	return &c.Status.Conditions
}

// conditionsPath returns the JSON pointer to the list that conditions returns.
func (c *Cluster) conditionsPath() string {
	if c.Status.V1Beta2 != nil {
		return "/status/v1beta2/conditions"
	}
	return "/status/conditions"
}

// place returns the index of a condition of the view in the Cluster's list.
func (s *ClusterStatus) place(i int) int {
	if s.Places == nil {
		return i
	}
	return s.Places[i]
}

// own reports whether a condition is the allocator's. The type alone does not say so: another controller may report on
// a VIP too.
func own(condition metav1.Condition) bool {
	return names.IsConditionType(condition.Type) && names.IsReason(condition.Reason)
}

// OwnConditions returns the conditions of the allocator.
func (c *Cluster) OwnConditions() []vip.Condition {
	var conditions []vip.Condition
	for _, condition := range *c.conditions() {
		if own(condition) {
			conditions = append(conditions, vip.Condition{
				Type:    condition.Type,
				True:    condition.Status == metav1.ConditionTrue,
				Reason:  condition.Reason,
				Message: condition.Message,
				Since:   condition.LastTransitionTime.Time,
			})
		}
	}
	return conditions
}

// Snapshot returns what the decision needs to know of the claim.
func (c *Claim) Snapshot() vip.Claim {
	claim := vip.Claim{
		Namespace:       c.Namespace,
		Name:            c.Name,
		UID:             c.UID,
		ResourceVersion: c.ResourceVersion,
		Created:         c.CreationTimestamp.Time,
		Role:            c.Role(),
		Pool:            c.Spec.PoolRef.Snapshot(),
		Address:         c.Status.AddressRef.Name,
	}
	if ready := c.ready(); ready != nil && ready.Status == metav1.ConditionFalse {
		claim.Trouble = &vip.Trouble{Reason: ready.Reason, Message: ready.Message}
	}
	if owner := c.owner(); owner != nil {
		claim.Owner = &vip.Owner{Kind: owner.Kind, Name: owner.Name, UID: owner.UID, Version: owner.APIVersion}
	}
	if c.DeletionTimestamp != nil {
		claim.Deleting, claim.DeletedAt = true, c.DeletionTimestamp.Time
	}
	return claim
}

// ready returns the condition in which the provider reports on the claim, or nil if there is none. It prefers the
// newer form over the older; see ClaimStatus.
func (c *Claim) ready() *metav1.Condition {
	var lists [][]metav1.Condition
	if newer := c.Status.V1Beta2; newer != nil {
		lists = append(lists, newer.Conditions)
	}
	lists = append(lists, c.Status.Conditions)
	if older := c.Status.Deprecated; older != nil && older.V1Beta1 != nil {
		lists = append(lists, older.V1Beta1.Conditions)
	}
	for _, conditions := range lists {
		for i := range conditions {
			if conditions[i].Type == readyCondition {
				return &conditions[i]
			}
		}
	}
	return nil
}

// owner returns the controlling owner, or the first one if none controls.
func (c *Claim) owner() *metav1.OwnerReference {
	if controller := metav1.GetControllerOfNoCopy(c); controller != nil || len(c.OwnerReferences) == 0 {
		return controller
	}
	return &c.OwnerReferences[0]
}

// OwnerUID returns the UID of the owner that decides whose claim it is, or "" if nobody owns it.
func (c *Claim) OwnerUID() types.UID {
	if owner := c.owner(); owner != nil {
		return owner.UID
	}
	return ""
}

// Cluster returns the Cluster that the claim is for: that of spec.clusterName, as for the IPAM provider; else the
// owner, because the label holds a hash in place of a long name; else that of the label.
func (c *Claim) Cluster() types.NamespacedName {
	name := c.Spec.ClusterName
	if owner := c.owner(); name == "" && owner != nil && owner.Kind == KindCluster {
		name = owner.Name
	}
	if name == "" {
		name = c.Labels[names.ClusterName]
	}
	return types.NamespacedName{Namespace: c.Namespace, Name: name}
}

// Role returns the role in the claim's label.
func (c *Claim) Role() string { return c.Labels[names.Role] }

// Snapshot returns the reference in the terms of the decision.
func (r PoolReference) Snapshot() vip.PoolRef {
	return vip.PoolRef{Group: r.APIGroup, Kind: r.Kind, Name: r.Name}
}

// Snapshot returns what the decision needs to know of the address.
func (a *Address) Snapshot() vip.Address {
	return vip.Address{
		Namespace: a.Namespace,
		Name:      a.Name,
		Value:     a.Spec.Address,
		Claim:     a.Spec.ClaimRef.Name,
		ClaimUID:  a.claimUID(),
		Born:      a.Born(),
	}
}

// claimUID returns the UID of the claim that owns the address, or "" if none does. By Cluster API's contract for IPAM
// providers, the claim is one of the owners; the pool is another.
func (a *Address) claimUID() types.UID {
	for _, owner := range a.OwnerReferences {
		if owner.Kind == KindClaim {
			return owner.UID
		}
	}
	return a.ClaimUID
}

// Born returns the age of the address. Providers write an IPAddress once, so its resourceVersion is that of its
// creation; if one was edited, its creation time, in seconds, still decides in almost all cases.
func (a *Address) Born() vip.Born {
	serial, err := strconv.ParseUint(a.ResourceVersion, 10, 64)
	if err != nil {
		serial = 0 // this API server's versions are not numbers: the order of creation has to do
	}
	return vip.Born{At: a.CreationTimestamp.Time, Serial: serial}
}

// readyCondition is the condition in which a provider reports on a claim (Cluster API's IPAM contract).
const readyCondition = "Ready"

// InCluster reports whether the pool is one of the in-cluster IPAM provider, whose spec the view knows.
func (p *Pool) InCluster() bool {
	gvk := p.GroupVersionKind()
	return gvk.Group == IPAMGroup && (gvk.Kind == KindPool || gvk.Kind == KindGlobalPool)
}

// Ref returns the pool as a claim names it.
func (p *Pool) Ref() vip.PoolRef {
	gvk := p.GroupVersionKind()
	return vip.PoolRef{Group: gvk.Group, Kind: gvk.Kind, Name: p.Name}
}

// Snapshot returns what the decision needs to know of the pool. lastServed is when one of its addresses was last seen
// being assigned.
func (p *Pool) Snapshot(lastServed time.Time) vip.Pool {
	pool := vip.Pool{
		Ref:           p.Ref(),
		Namespace:     p.Namespace,
		KeepsReleased: p.Spec.AddressReuseGracePeriodSeconds > 0,
		Deleting:      p.DeletionTimestamp != nil,
		LastServed:    lastServed,
	}
	if capacity := p.Status.IPAddresses; capacity != nil {
		pool.Capacity = vip.Capacity{
			Known: true, Total: capacity.Total, Used: capacity.Used, OutOfRange: capacity.OutOfRange,
			// The provider subtracts addresses used out of range, though they take up no free one.
			Free: capacity.Free + capacity.OutOfRange,
		}
	}
	poolconfig.Of(&p.ObjectMeta).Configure(&pool)
	return pool
}
