package vip

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// A ClusterClass may bring the VIP into the templates of machines. Control plane providers build the first machine as
// soon as the endpoint is valid and the infrastructure is there, and a machine built from a template without the VIP
// never gets it. The topology controller first writes the VIP into the infrastructure, from where Cluster API may copy
// it to the endpoint, and only then into the control plane. So before the VIP is written anywhere, the allocator
// pauses the control plane object through the topology (the hold). It releases the hold when the topology controller
// reports that it has rendered a generation with everything in it (ADR 7).

// Pause says whether the topology of a Cluster pauses the control plane object.
type Pause int

// The values of Pause.
const (
	PauseNone Pause = iota
	// PauseOwn is the hold.
	PauseOwn
	// PauseForeign is someone else's pause: as good as the hold, but not ours to remove.
	PauseForeign
)

// waitsForTopology reports whether the endpoint has to wait, and if so, adds what to do about it.
func (r *sight) waitsForTopology(o *outcome, v *variables) bool {
	a, c := r.allocation, r.cluster
	if c.Endpoint.Host != "" || !a.rendersVIP(v) {
		return false
	}
	if r.wrote(r.claim, r.slot) && len(o.value) == 0 && !v.missing && !v.foreign {
		return false // the machines have the VIP, and the endpoint was lost since
	}
	if v.foreign {
		o.value = nil
		o.conflict(names.ReasonAddressConflict, "%s; the endpoint is not written", v.warnings[0].Message)
		v.warnings = nil
		return true
	}
	if v.refused != "" {
		o.value = nil
		o.conflict(names.ReasonWriteRefused,
			"%s is allocated; the endpoint follows when the variables can be written: %s", o.Address, v.refused)
		return true
	}
	if c.Pause != PauseNone && a.rendered() {
		return false
	}
	r.waitForHold(o, v)
	o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", a.waitingForTopology(o.Address))
	return true
}

// waitForHold reduces what is to be written to what brings about the hold. Templates that cannot be rendered without
// the VIP get it nevertheless, and the endpoint follows once they are rendered: nothing else would ever end that wait.
func (r *sight) waitForHold(o *outcome, v *variables) {
	failed := r.cluster.Pause != PauseNone && r.cluster.Topology.Observed >= r.cluster.Generation
	switch {
	case r.cluster.Pause == PauseNone:
		v.missing, o.value = false, []Action{r.hold()}
	case failed && v.missing:
		o.value = nil // except for the variables
	case failed && contains[SetAnnotation](o.value) && r.cluster.Pause == PauseOwn:
		o.value = append(o.value, r.hold()) // this moves the generation
	default:
		v.missing, o.value = false, nil
	}
}

func (a *allocation) hold() Action {
	gate := Gate{Generation: a.cluster.Generation + 1, Port: a.cluster.Gate.Port}
	if a.cluster.Endpoint.Host == "" {
		gate.Port = cmp.Or(a.cluster.Endpoint.Port, gate.Port)
	}
	return HoldControlPlane{gate}
}

// rendered reports whether the objects of the topology match the Cluster's current generation. A Cluster whose
// topology was never rendered has no control plane object from which a machine could be built.
func (a *allocation) rendered() bool {
	c := a.cluster
	return c.Topology.Observed >= c.Generation && (c.Topology.Rendered || c.ControlPlane == "")
}

// letGo removes the hold when the templates have the VIP, or do not use it. Until then the role's condition does not
// say that all is well.
func (r *sight) letGo(o *outcome, v *variables) {
	c := r.cluster
	switch {
	case o.Role != names.RoleControlPlane || !o.Ready:
	case c.Pause == PauseOwn && r.rendersVIP(v) && contains[SetEndpoint](o.value):
		o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", r.waitingForRelease())
	case c.Endpoint.Host == "" || v.missing:
	case c.Pause == PauseOwn && r.rendersVIP(v) && contains[SetAnnotation](o.value):
		// Someone took the VIP away while the control plane was held: a generation that contains it again must be
		// rendered.
		o.value = append(o.value, r.hold())
		o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", r.waitingForRelease())
	case c.Pause == PauseOwn && r.rendersVIP(v) && (!c.Topology.Rendered || !r.rendered()):
		o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", r.waitingForRelease())
	case c.Pause == PauseOwn:
		o.value = append(o.value, ReleaseControlPlane{Why: "the templates have the VIP"})
	case c.Pause == PauseNone && c.Gate.Generation > 0 && r.rendersVIP(v):
		r.tooEarly(o)
	}
}

// tooEarly reports that an endpoint became valid before the templates had the VIP. The hold prevents that, so either
// someone removed the hold, or an operator of an earlier version was at work.
func (r *sight) tooEarly(o *outcome) {
	o.conflict(names.ReasonWaitingForTopology,
		"the endpoint %s became valid before the templates had it, "+
			"so a machine of the control plane may be without its VIP; look whether its kube-vip has an address, "+
			"replace the machine if not, and then remove the annotation %s",
		r.cluster.Endpoint, names.TopologyGate)
}

// dropHold removes the hold if no VIP is on its way into the templates.
func (a *allocation) dropHold(o *outcome) {
	onTheWay := []Phase{
		PhaseBound, PhaseUnknown, PhaseAnswered, PhaseDeleting, PhaseUnclaimed, PhaseUnbound,
		PhaseMisplaced, PhaseProbing,
	}
	if o.Role != names.RoleControlPlane || a.cluster.Pause != PauseOwn || slices.Contains(onTheWay, o.Phase) {
		return
	}
	o.value = append(o.value, ReleaseControlPlane{Why: "no VIP is on its way into the templates"})
}

func (a *allocation) waitingForRelease() string {
	return fmt.Sprintf("the endpoint is set; the control plane is held until the topology controller has rendered "+
		"the VIP into the templates of ClusterClass %s (%s)", a.cluster.Class, a.topologySaid())
}

// keepPort remembers the port that the user gave without a host while the VIP is awaited: Cluster API may remove it at
// any time.
func (a *allocation) keepPort(o *outcome) {
	port, gate := a.cluster.Endpoint.Port, a.cluster.Gate
	if o.Role != names.RoleControlPlane || !o.holds ||
		a.cluster.Endpoint.Host != "" || port == 0 || port == gate.Port ||
		contains[SetEndpoint](o.value) || contains[HoldControlPlane](o.value) || contains[SetVariables](o.value) {
		return
	}
	gate.Port = port
	o.value = append(o.value, KeepPort{gate})
}

// rendersVIP reports whether the Cluster's class brings the VIP into templates.
func (a *allocation) rendersVIP(v *variables) bool {
	return a.ClusterClass != nil && (a.ClusterClass.ReadsVIP || len(v.values) > 0 || v.foreign)
}

// classMissing reports whether the Cluster's class does not exist. Cluster API's webhook then refuses every write to
// the Cluster except to its status, and takes seconds to do so.
func (a *allocation) classMissing() bool { return a.cluster.Class.Name != "" && a.ClusterClass == nil }

func (a *allocation) waitingForTopology(address string) string {
	if a.ClusterClass == nil {
		return fmt.Sprintf("%s is allocated; ClusterClass %s does not exist, "+
			"create it or correct the Cluster's spec.topology", address, a.cluster.Class)
	}
	return fmt.Sprintf("%s is allocated; it is written when the topology controller has paused the control plane, "+
		"so that no machine is built without it (%s)",
		address, a.topologySaid())
}

func (a *allocation) topologySaid() string {
	if reason := a.cluster.Topology.Reason; reason != "" {
		return fmt.Sprintf("its condition %s says %s of generation %d",
			names.TopologyReconciled, reason, a.cluster.Topology.Observed)
	}
	return "it has not said anything of this Cluster"
}
