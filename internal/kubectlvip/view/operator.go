package view

import (
	"fmt"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The states of the operator, as far as they can be seen from outside.
const (
	OperatorRunning    = "Running"
	OperatorNotRunning = "NotRunning"
	OperatorUnknown    = "Unknown"
)

// Operator is what could be found out about the operator.
type Operator struct {
	// State is one of OperatorRunning, OperatorNotRunning and OperatorUnknown; Says is the sentence that tells why.
	State string `json:"state"`
	Says  string `json:"says"`

	// Namespace and Deployment are where it runs; empty if no Deployment was found.
	Namespace  string `json:"namespace,omitempty"`
	Deployment string `json:"deployment,omitempty"`
	// Version is the tag of its image, or the label that says its version.
	Version string `json:"version,omitempty"`
	// ServiceAccount is what it runs as.
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Others are further Deployments of the operator that serve the same Clusters, each namespace/name: there must be
	// none.
	Others []string `json:"others,omitempty"`

	// WatchesNamespace restricts it to one namespace; empty means all.
	WatchesNamespace string `json:"watchesNamespace,omitempty"`

	// Settings are its options, or their defaults where they are not known; SettingsKnown says which.
	Settings      vip.Settings `json:"-"`
	SettingsKnown bool         `json:"-"`
}

// LooksAt reports whether the operator is responsible for a Cluster with that namespace and watch-filter label.
func (o *Operator) LooksAt(namespace, watchFilter string) bool {
	return (o.WatchesNamespace == "" || o.WatchesNamespace == namespace) &&
		(o.Settings.WatchFilter == "" || o.Settings.WatchFilter == watchFilter)
}

// Meets reports whether both operators may be responsible for the same Cluster.
func (o *Operator) Meets(other *Operator) bool {
	apart := func(a, b string) bool { return a != "" && b != "" && a != b }
	return !apart(o.WatchesNamespace, other.WatchesNamespace) &&
		!apart(o.Settings.WatchFilter, other.Settings.WatchFilter)
}

// OperatorFor returns the operator responsible for a Cluster, or the first.
func OperatorFor(operators []Operator, namespace, watchFilter string) *Operator {
	for i := range operators {
		if operators[i].LooksAt(namespace, watchFilter) {
			return &operators[i]
		}
	}
	return &operators[0]
}

// Deployment is what was read about a Deployment of the operator.
type Deployment struct {
	Namespace, Name string
	Wanted, Ready   int32
	// Elects says that its replicas compete for a Lease.
	Elects bool
}

// Lease is what was read about the Lease of the operator.
type Lease struct {
	Namespace, Name, Holder string
	Renewed                 time.Time
	Duration                time.Duration
}

// leaseSlack is how much the clocks of this machine and of the operator's may differ.
const leaseSlack = 30 * time.Second

// Judge says whether the operator runs, from its Deployment and its Lease; each is nil if not found. Denied says what
// could not be read; empty if everything could.
func Judge(deployment *Deployment, lease *Lease, denied string, now time.Time) (state, says string) {
	held := lease != nil && lease.Holder != "" && now.Before(lease.Renewed.Add(lease.Duration+leaseSlack))
	switch {
	case held:
		return OperatorRunning, fmt.Sprintf("%s leads and renewed Lease %s/%s %s ago",
			lease.Holder, lease.Namespace, lease.Name, Age(now.Sub(lease.Renewed)))
	case deployment != nil && deployment.Ready > 0 && !deployment.Elects:
		return OperatorRunning, fmt.Sprintf("Deployment %s/%s has %d of %d replicas ready",
			deployment.Namespace, deployment.Name, deployment.Ready, deployment.Wanted)
	case deployment != nil && deployment.Ready == 0:
		return OperatorNotRunning, fmt.Sprintf("Deployment %s/%s has none of %d replicas ready",
			deployment.Namespace, deployment.Name, deployment.Wanted)
	case lease != nil && lease.Holder == "":
		return OperatorNotRunning, fmt.Sprintf("nobody holds Lease %s/%s", lease.Namespace, lease.Name)
	case lease != nil:
		return OperatorNotRunning, fmt.Sprintf("%s renewed Lease %s/%s last %s ago",
			lease.Holder, lease.Namespace, lease.Name, Age(now.Sub(lease.Renewed)))
	case denied != "":
		return OperatorUnknown, "it cannot be seen whether the operator runs: " + denied
	case deployment != nil:
		return OperatorUnknown, fmt.Sprintf("Deployment %s/%s has %d replicas ready, "+
			"and no Lease says which of them leads", deployment.Namespace, deployment.Name, deployment.Ready)
	}
	return OperatorUnknown, "neither a Deployment nor a Lease of the operator was found: " +
		"it is not installed, or runs outside of this cluster without leader election"
}
