package view

import (
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// ClusterPlan is what would be allocated for a Cluster.
type ClusterPlan struct {
	Cluster
	// Exists says that the Cluster is there already.
	Exists bool `json:"exists,omitempty"`
	// Summary is one sentence for the whole Cluster.
	Summary string `json:"summary"`
	// Served says that every role that pools offer, and the control plane, would get its VIP.
	Served bool `json:"served"`
	// Actions are what the operator would do, in order.
	Actions []string `json:"actions"`
}

// PlanOf returns the view of a simulation's outcome: the world at its end, and all actions.
func PlanOf(s vip.Snapshot, exists bool, actions []vip.Action, operator *Operator) ClusterPlan {
	running := *operator
	running.State = OperatorRunning // a plan assumes that it runs
	p := ClusterPlan{Cluster: ClusterOf(&s, &running), Exists: exists, Actions: []string{}, Served: true}
	for _, action := range actions {
		p.Actions = append(p.Actions, action.String())
	}
	for _, role := range p.Roles {
		if !role.Ready && !idle(&role) {
			p.Served = false
		}
	}
	switch p.State {
	case StateReady, StatePending:
		p.Summary = "It would get its VIPs."
		if exists && len(actions) == 0 {
			p.Summary = "It has its VIPs, and the manifest would change nothing about them."
		}
	case StatePaused, StateMoving, StateFiltered:
		p.Served = false
		p.Summary, _ = summary(&s, &p.Cluster, operator)
	case StateNoTopology:
		p.Summary, _ = summary(&s, &p.Cluster, operator)
	default:
		p.Summary = "It would wait: " + p.State + "."
		if s.ClusterClass == nil {
			p.Summary = "It would wait: " + noClass(&s)
		}
	}
	if operator.State == OperatorNotRunning {
		p.Summary += " But the operator is not running."
	}
	return p
}
