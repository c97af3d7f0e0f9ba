package vip

import (
	"cmp"
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// A ClusterClass may bring the VIP into the templates of machines. Control plane providers build the first machine as soon
// as the endpoint is valid and the infrastructure is there, so an endpoint that is valid before the templates are rendered
// may give machines that do not know it. Neither the annotation nor a variable says when they are; the topology
// controller does, of a generation of the Cluster. So what the templates need is written first, together with something
// that moves the generation, and the endpoint only when that generation is rendered.
//
// A port without a host is taken away meanwhile: once the infrastructure is there, Cluster API takes such an endpoint away
// itself, and with a late cache it would take away what was written in the meantime.

// held reports whether the endpoint has to be held back, and adds what there is to do about that.
func (r *sight) held(o *outcome, v *variables) bool {
	a, c := r.allocation, r.cluster
	if c.Endpoint.Host != "" || !a.rendersVIP(v) {
		return false
	}
	if r.wrote(r.claim, o.Role) && len(o.value) == 0 && !v.missing && v.host == "" {
		return false // the machines have it, and the endpoint was lost since
	}
	if v.host != "" {
		o.value = nil
		o.conflict(names.ReasonAddressConflict, "%s; the endpoint is not written", v.warnings[0].Message)
		v.warnings = nil
		return true
	}
	if v.refused != "" {
		o.value = nil
		o.conflict(names.ReasonWriteRefused, "%s is allocated; the endpoint follows when the variables can be written: %s", o.Address, v.refused)
		return true
	}
	begun := c.Gate.Generation > 0 && c.Gate.Generation <= c.Generation && len(o.value) == 0 // a generation to come is that of another copy
	switch {
	case v.missing:
	case !begun:
		o.value = append(o.value, HoldEndpoint{Gate{Generation: c.Generation + 1, Port: cmp.Or(c.Endpoint.Port, c.Gate.Port)}})
	case c.Topology.Rendered && c.Topology.Observed >= max(c.Gate.Generation, a.variablesSince(v)):
		return false
	}
	o.waiting(names.ReasonWaitingForTopology, r.withholdTopology(), "%s", a.waitingForTopology(o.Address))
	return true
}

// keepPort has the port that the user gave without a host remembered while the VIP is awaited: Cluster API may take it away
// at any time.
func (a *allocation) keepPort(o *outcome) {
	port, gate := a.cluster.Endpoint.Port, a.cluster.Gate
	if o.Role != names.RoleControlPlane || !o.holds || a.cluster.Endpoint.Host != "" || port == 0 || port == gate.Port ||
		contains[SetEndpoint](o.value) || contains[HoldEndpoint](o.value) || contains[SetVariables](o.value) {
		return
	}
	gate.Port = port
	o.value = append(o.value, KeepPort{gate})
}

// variablesSince returns a generation in which the variables hold what they shall, or 0 if none receives the VIP. It is not
// that of the gate: somebody may have taken the values away and had templates rendered without them since.
func (a *allocation) variablesSince(v *variables) int64 {
	if len(v.values) == 0 {
		return 0
	}
	return a.cluster.Generation
}

// rendersVIP reports whether the Cluster's class brings the VIP into templates.
func (a *allocation) rendersVIP(v *variables) bool {
	return a.ClusterClass != nil && (a.ClusterClass.ReadsVIP || len(v.values) > 0 || v.host != "")
}

// classMissing reports whether the Cluster's class is not there. Cluster API's webhook then refuses whatever is written to
// the Cluster, but for its status, and takes seconds for it.
func (a *allocation) classMissing() bool { return a.cluster.Class.Name != "" && a.ClusterClass == nil }

func (a *allocation) waitingForTopology(address string) string {
	if a.ClusterClass == nil {
		return fmt.Sprintf("%s is allocated; ClusterClass %s is not there, create it or correct the Cluster", address, a.cluster.Class)
	}
	said := "it has not said anything of this Cluster"
	if reason := a.cluster.Topology.Reason; reason != "" {
		said = fmt.Sprintf("its condition %s says %s of generation %d", names.TopologyReconciled, reason, a.cluster.Topology.Observed)
	}
	return fmt.Sprintf("%s is allocated; the endpoint follows when the topology controller has rendered it into the templates of ClusterClass %s (%s)",
		address, a.cluster.Class, said)
}

// port returns the port of the endpoint: the Cluster's if it has a valid one, or had when it was held back, else the one
// given if that is valid, else the default.
func (a *allocation) port(given int32) int32 {
	if current := a.cluster.Endpoint.Port; validPort(current) {
		return current
	}
	if held := a.cluster.Gate.Port; validPort(held) {
		return held
	}
	if !validPort(given) {
		given = 0
	}
	return cmp.Or(given, a.Settings.DefaultPort)
}
