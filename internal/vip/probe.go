package vip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// A pool may require that nobody answers on an address before it is first written. The decision asks for a probe and
// goes on when it learns the result. Until then, and if someone answered, it does not write the address.

// Probe asks whether someone answers on an address. It writes nothing. Whoever carries out the plan starts the probe
// in the background and passes the result to a later decision, as Memory.Probed.
type Probe struct {
	Role    string
	Address netip.Addr
	// Ports are the TCP ports to try.
	Ports []uint16
	Pool  PoolRef
}

// Probed is the result of the last probe of an address.
type Probed struct {
	// Ports are the ports that were tried.
	Ports []uint16

	// Free says that nobody answered.
	Free bool

	// Failed is why the probe could not tell whether someone would answer; empty if it could.
	Failed string

	// Again says that it is time for another probe.
	Again bool
}

// Key implements Action.
func (a Probe) Key() Key { return Key{"probe", a.Role, a.Address.String()} }

func (Probe) action() {}

func (a Probe) String() string {
	return fmt.Sprintf("probe %s on %s: %s wants to know whether someone answers",
		a.Address, portsText(a.Ports), a.Pool)
}

func portsText(ports []uint16) string {
	texts := make([]string, len(ports))
	for i, port := range ports {
		texts[i] = strconv.Itoa(int(port))
	}
	if len(texts) == 1 {
		return "port " + texts[0]
	}
	return "ports " + strings.Join(texts, ", ")
}

// Split returns the plan without its probes, and the probes.
func (p Plan) Split() (writes Plan, probes []Probe) {
	writes = p
	writes.Actions = nil
	for _, action := range p.Actions {
		if probe, ok := action.(Probe); ok {
			probes = append(probes, probe)
			continue
		}
		writes.Actions = append(writes.Actions, action)
	}
	return writes, probes
}

// toProbe returns the ports to try before the claim's address is written; nil if the pool asks for none, or if the
// Cluster carries or has carried the address: then the Cluster itself would answer.
func (r *sight) toProbe() []uint16 {
	pool := r.poolOf(r.claim)
	if pool == nil || len(pool.Probe) == 0 || !r.first() || r.inVariable() {
		return nil
	}
	return pool.Probe
}

// inVariable reports whether a variable of the Cluster already holds the claim's address.
func (r *sight) inVariable() bool {
	v := r.variablesOf(r)
	return !v.missing && slices.ContainsFunc(v.values, func(value Value) bool {
		return same(value.Value, r.addr.String())
	})
}

// probed returns the result of the probe of an address on the ports, and whether there was one.
func (r *sight) probed(addr netip.Addr, ports []uint16) (Probed, bool) {
	probed, ok := r.Probed[addr]
	return probed, ok && slices.Equal(probed.Ports, ports)
}

// phaseProbed finds out whether the address may be written as far as probes are concerned.
func (r *sight) phaseProbed() Phase {
	ports := r.toProbe()
	if ports == nil {
		return PhaseBound
	}
	switch probed, ok := r.probed(r.addr, ports); {
	case !ok:
		return PhaseProbing
	case !probed.Free:
		return PhaseInUse
	}
	return PhaseBound
}

// doProbing: the condition waits, since a probe takes only a moment. It stays as it is until then, even after a
// restart.
func (r *sight) doProbing(o *outcome) {
	r.keepHost(o)
	o.Address = r.addr.String()
	r.probe(o, r.addr, r.claim.Pool, r.toProbe())
	o.waiting(names.ReasonWaitingForIPAddress, settle, "%s from %s is being probed before it is written",
		o.Address, r.claim.Pool)
}

// doInUse: the claim stays, so that nobody else is given the address, and the address is probed again from time to
// time.
func (r *sight) doInUse(o *outcome) {
	ports := r.toProbe()
	probed, _ := r.probed(r.addr, ports)
	o.Address = r.addr.String()
	if probed.Again {
		r.probe(o, r.addr, r.claim.Pool, ports)
	}
	if probed.Failed != "" {
		o.conflict(names.ReasonAddressInUse,
			"it cannot be told whether %s from %s is in use: %s; "+
				"let the operator reach the address, or remove the annotation %s from the pool",
			o.Address, r.claim.Pool, probed.Failed, names.Probe)
		return
	}
	o.conflict(names.ReasonAddressInUse,
		"%s from %s is in use: something that no Cluster here accounts for answers on it; free it there, "+
			"or delete claim %s and add %s to excludedAddresses of %s; a new claim follows when both are done",
		o.Address, r.claim.Pool, r.claim.Name, o.Address, r.claim.Pool)
}

func (r *sight) probe(o *outcome, addr netip.Addr, pool PoolRef, ports []uint16) {
	o.claim = append(o.claim, Probe{Role: r.role, Address: addr, Ports: ports, Pool: pool})
}

// answered returns the address that the Cluster's last claim was given while someone answered on it, and that a new
// claim may get again; the zero Addr if there is none, or if nobody answers any more.
func (r *sight) answered() netip.Addr {
	addr, ok := r.Unusable[r.slot]
	pool := r.choice.Pool
	if !ok || !pool.Ranged || !pool.mayOffer(addr) || len(pool.Probe) == 0 {
		return netip.Addr{}
	}
	if probed, ok := r.probed(addr, pool.Probe); !ok || probed.Free {
		return netip.Addr{}
	}
	return addr
}

// doAnswering: a claim would again get the address that someone answers on, until the pool stops offering it or nobody
// answers.
func (r *sight) doAnswering(o *outcome) {
	pool, addr := r.choice.Pool, r.answered()
	o.Pool, o.Address = pool.Ref, addr.String()
	if probed, _ := r.probed(addr, pool.Probe); probed.Again {
		r.probe(o, addr, pool.Ref, pool.Probe)
	}
	o.conflict(names.ReasonAddressInUse,
		"something answers on %s, and %s still offers it; add it to excludedAddresses there, and a new claim follows",
		addr, pool.Ref)
}
