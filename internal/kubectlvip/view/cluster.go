package view

import (
	"cmp"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/spread"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The states of a Cluster. The reasons of the allocator's conditions are states too: that of the first role that lacks
// a VIP and should have one.
const (
	// StateReady says that the Cluster has all its VIPs.
	StateReady = "Ready"
	// StatePending says that the decision is made and the operator has yet to write it.
	StatePending = "Pending"
	// StateOperatorNotRunning says that the operator has something to do for the Cluster, but does not run.
	StateOperatorNotRunning = "OperatorNotRunning"
	// StatePaused says that nobody may touch the Cluster.
	StatePaused = "Paused"
	// StateMoving says that clusterctl deletes this copy of a Cluster that lives on elsewhere.
	StateMoving = "Moving"
	// StateFiltered says that the operator leaves the Cluster to others, by its watch filter or namespace.
	StateFiltered = "Filtered"
	// StateNoTopology says that the Cluster has no ClusterClass, so no pool can serve it.
	StateNoTopology = "NoTopology"
	// StateDeleting says that the Cluster is being deleted.
	StateDeleting = "Deleting"
	// StateGone is the state of a Cluster that a watch has shown and that no longer exists.
	StateGone = "Gone"
)

// Cluster is a Cluster in a list.
type Cluster struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Class is namespace/name of the ClusterClass; empty without a topology.
	Class string `json:"class,omitempty"`
	// Endpoint is host:port; empty while the host is not set.
	Endpoint string `json:"endpoint,omitempty"`
	// State is Ready, Pending, OperatorNotRunning, Paused, Moving, Filtered, Deleting or NoTopology, or the reason why
	// a role has no VIP; of a Cluster that went while it was watched, Gone.
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	Roles   []Role    `json:"roles"`
}

// Role is one VIP of a Cluster.
type Role struct {
	Role string `json:"role"`
	// Ready says that the role needs nothing more.
	Ready bool `json:"ready"`
	// Reason and Message are those of the condition that the decision calls for now.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Address is the VIP as soon as it is known, written or not; several with commas between them, once all are there.
	Address string `json:"address,omitempty"`
	// Pool is Kind/name of the pool and Claim the claim's name; empty if there is none.
	Pool  string `json:"pool,omitempty"`
	Claim string `json:"claim,omitempty"`
	// Holder is who keeps the address from being the VIP, in whatever namespace that is.
	Holder string `json:"holder,omitempty"`

	// slot is the address of the role that these fields describe.
	slot string
}

// List returns the Clusters of a namespace; all if it is empty.
func List(f *Facts, namespace string) []Cluster {
	var snapshots []*vip.Snapshot
	for i := range f.Snapshots {
		if s := &f.Snapshots[i]; namespace == "" || s.Cluster.Namespace == namespace {
			snapshots = append(snapshots, s)
		}
	}
	clusters := make([]Cluster, len(snapshots))
	spread.Each(len(snapshots), func(i int) {
		clusters[i] = ClusterOf(snapshots[i], f.operatorOf(&snapshots[i].Cluster))
	})
	slices.SortFunc(clusters, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return clusters
}

// ClusterOf returns the view of a Cluster.
func ClusterOf(s *vip.Snapshot, operator *Operator) Cluster {
	c := &s.Cluster
	judged := judge(s, operator)
	row := Cluster{Namespace: c.Namespace, Name: c.Name, State: judged.state, Created: c.Created, Roles: []Role{}}
	if c.Class.Name != "" {
		row.Class = c.Class.String()
	}
	if c.Endpoint.Host != "" {
		row.Endpoint = c.Endpoint.String()
	}
	if released(s) {
		return row // another Cluster may have its addresses by now
	}
	row.Roles = append(row.Roles, rolesOf(judged.plan)...)
	for _, role := range carriedRoles(c) {
		if !slices.ContainsFunc(row.Roles, func(r Role) bool { return r.Role == role.Role }) {
			row.Roles = append(row.Roles, role)
		}
	}
	return row
}

// released reports whether a Cluster has given its VIPs back although it still exists: Cluster API has finished with
// it, and its claims are gone.
func released(s *vip.Snapshot) bool {
	c := &s.Cluster
	return c.Deleting && !c.InUse && !slices.ContainsFunc(s.Claims, func(claim vip.Claim) bool {
		return claim.Owner != nil && claim.Owner.UID == c.UID
	})
}

// rolesOf returns the roles of a plan.
func rolesOf(plan vip.Plan) []Role {
	roles := make([]Role, len(plan.Status.Roles))
	for i, status := range plan.Status.Roles {
		roles[i] = Role{
			Role: status.Role, Ready: status.Ready, Reason: status.Reason, Message: status.Message,
			Address: status.Address, Claim: status.Claim, slot: status.Slot,
		}
		if status.Pool.Name != "" {
			roles[i].Pool = status.Pool.String()
		}
		if status.Rival != nil {
			roles[i].Holder = status.Rival.String()
		}
	}
	return roles
}

// carriedRoles returns the VIPs that a Cluster carries although nothing is decided about them.
func carriedRoles(c *vip.Cluster) []Role {
	var roles []Role
	if host := c.Endpoint.Host; host != "" {
		roles = append(roles, Role{Role: names.RoleControlPlane, Address: host})
	}
	others := []Role{}
	for role, address := range c.VIPs {
		if role != names.RoleControlPlane || c.Endpoint.Host == "" {
			others = append(others, Role{Role: role, Address: address})
		}
	}
	slices.SortFunc(others, func(a, b Role) int { return cmp.Compare(a.Role, b.Role) })
	return append(roles, others...)
}

// judgement is the decision about a Cluster and the state that follows from it.
type judgement struct {
	state string
	// plan is the decision; for a Cluster that is held up, what it would be.
	plan vip.Plan
	// heldUp says that the plan is not carried out while the state lasts.
	heldUp bool
}

// judge decides about a Cluster. While the allocator must not touch it, the plan is for when it may again.
func judge(s *vip.Snapshot, operator *Operator) judgement {
	c := &s.Cluster
	elsewhere := operator.WatchesNamespace != "" && operator.WatchesNamespace != c.Namespace
	filtered := s.Settings.WatchFilter != "" && s.Settings.WatchFilter != c.WatchFilter
	free := *s
	free.Cluster.Paused, free.Settings.WatchFilter = false, ""
	plan := vip.Decide(free)
	switch {
	case c.Moving:
		return judgement{state: StateMoving, plan: plan, heldUp: true}
	case c.Paused:
		return judgement{state: StatePaused, plan: plan, heldUp: true}
	case filtered, elsewhere:
		return judgement{state: StateFiltered, plan: plan, heldUp: true}
	case c.Deleting:
		return judgement{state: StateDeleting, plan: plan}
	case c.Class.Name == "" && !c.HasFinalizer:
		return judgement{state: StateNoTopology, plan: plan}
	}
	stopped := operator.State == OperatorNotRunning
	for _, role := range rolesOf(plan) {
		switch {
		case role.Ready, idle(&role):
		case stopped && waits(role.Reason) &&
			slices.ContainsFunc(plan.Actions, func(a vip.Action) bool { return vip.RoleOf(a) != "" }):
			return judgement{state: StateOperatorNotRunning, plan: plan}
		default:
			return judgement{state: role.Reason, plan: plan}
		}
	}
	// Messages alone may differ if the operator is of another release than this program.
	switch {
	case len(plan.Actions) == 0 && len(plan.Status.Changes) == 0:
	case stopped:
		return judgement{state: StateOperatorNotRunning, plan: plan}
	default:
		return judgement{state: StatePending, plan: plan}
	}
	return judgement{state: StateReady, plan: plan}
}

// waits reports whether a role lacks a VIP for a reason that passes once everyone does their part.
func waits(reason string) bool {
	return reason == names.ReasonWaitingForIPAddress || reason == names.ReasonWaitingForTopology
}

// idle reports whether nothing waits for a role: no pool offers it, and it is not the control plane.
func idle(role *Role) bool {
	return role.Role != names.RoleControlPlane && role.Reason == names.ReasonPoolNotFound && role.Address == "" &&
		role.Claim == ""
}
