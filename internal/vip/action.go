package vip

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Action is one step of a plan. The actions are a closed set: CreateClaim, AdoptClaim, RenewOwner, ReplaceClaim,
// DeleteClaim, HoldControlPlane, ReleaseControlPlane, KeepPort, SetEndpoint, SetAnnotation, RecordClaim, SetVariables,
// SetRecords, DeleteRecords, AddFinalizer, RemoveFinalizer and Probe, which writes nothing. Each prints itself in one
// line that says why.
type Action interface {
	fmt.Stringer

	// Key identifies what the action does, so that callers can recognise it later.
	Key() Key

	action()
}

// AddFinalizer puts the allocator's finalizer on the Cluster, together with the first write to it.
type AddFinalizer struct{}

// RemoveFinalizer takes the allocator's finalizer off the Cluster.
type RemoveFinalizer struct {
	// Released are the VIPs that went back to their pools; empty when the Cluster stopped waiting for any.
	Released []string
	// Why is the reason, for the log.
	Why string
}

// CreateClaim creates the claim of a role.
type CreateClaim struct {
	Role, Name string
	Pool       PoolRef
}

// AdoptClaim makes the Cluster the owner of a claim that has none.
type AdoptClaim struct {
	Role  string
	Claim Claim
	Why   string
}

// RenewOwner rewrites the ownerReference of one of the Cluster's claims to the version in use.
type RenewOwner struct {
	Role    string
	Claim   Claim
	Version string
}

// ReplaceClaim deletes a claim that waits for a pool in vain, so that a claim on a better pool can take its name. It
// must not be carried out if the claim has changed since.
type ReplaceClaim struct {
	Role  string
	Claim Claim
	Pool  PoolRef
	Why   string
}

// DeleteClaim gives a claim and its address back.
type DeleteClaim struct {
	Role  string
	Claim Claim
	Why   string
}

// SetEndpoint writes host and port of the Cluster's control plane endpoint in one write.
type SetEndpoint struct {
	Endpoint Endpoint
	Claim    string
	ClaimUID types.UID
	Pool     PoolRef
	// Completed says that the host was already set and only the port was missing.
	Completed bool
	// RefusedPort is an invalid port that the Cluster asked for; 0 if it asked for none.
	RefusedPort int32
}

// HoldControlPlane makes the topology pause the control plane object, so that no machine is built from it, and
// remembers that on the Cluster. The write moves the generation, so the topology controller reports when that is done.
// A port that stands in the endpoint without a host is removed until then, because it could end up in an endpoint that
// the infrastructure brings.
type HoldControlPlane struct {
	// Gate holds the generation that this write gives the Cluster, and the port to remember.
	Gate Gate
}

// ReleaseControlPlane removes the hold.
type ReleaseControlPlane struct{ Why string }

// KeepPort remembers the port of an endpoint that has no host yet. As soon as the infrastructure exists, Cluster API
// replaces such an endpoint with the infrastructure's, which is empty.
type KeepPort struct {
	// Gate is what is already remembered, plus the port.
	Gate Gate
}

// SetVariables writes the VIP of a role to variables of the Cluster's topology.
type SetVariables struct {
	Role   string
	Values []Value
	Claim  string
	Pool   PoolRef
}

// SetRecords writes all DNS records of the Cluster.
type SetRecords struct{ Records []Record }

// DeleteRecords deletes the DNS records of the Cluster.
type DeleteRecords struct{ Why string }

// Value is a value for a variable: a string or an int64, depending on the variable's schema.
type Value struct {
	// Path is the name of the variable, or a dotted path into it.
	Path  string
	Value any
}

// SetAnnotation writes the VIP of a role to the Cluster's annotation.
type SetAnnotation struct {
	Role, Value string

	// Claim, its UID and Pool are where the VIP comes from; empty for an endpoint in use that no claim is bound to.
	// With several addresses they describe the first, and Further counts the other claims.
	Claim    string
	ClaimUID types.UID
	Pool     PoolRef
	Further  int

	// Restored says that the annotation was there before and someone removed or changed it.
	Restored bool
}

// RecordClaim records which claim a VIP on the Cluster comes from, if that is not on record yet: after an upgrade from
// a version without such a record, after a move or a restore, which give claims new UIDs, and for every address but
// the first when several are written together.
type RecordClaim struct {
	Role, Slot, Claim string
	ClaimUID          types.UID
}

// Key says what an action does, whatever the reason: actions with the same key are the same write.
type Key struct{ Verb, Role, Subject string }

// RoleOf returns the role that an action is for, or "" if it is for the Cluster as a whole.
func RoleOf(action Action) string { return action.Key().Role }

// Key implements Action.
func (AddFinalizer) Key() Key { return Key{Verb: "add finalizer"} }

// Key implements Action.
func (RemoveFinalizer) Key() Key { return Key{Verb: "remove finalizer"} }

// Key implements Action.
func (a CreateClaim) Key() Key { return Key{"create claim", a.Role, a.Name + " " + a.Pool.String()} }

// Key implements Action.
func (a AdoptClaim) Key() Key { return Key{"adopt claim", a.Role, string(a.Claim.UID)} }

// Key implements Action.
func (a RenewOwner) Key() Key { return Key{"renew owner", a.Role, string(a.Claim.UID)} }

// Key implements Action.
func (a ReplaceClaim) Key() Key { return Key{"replace claim", a.Role, string(a.Claim.UID)} }

// Key implements Action.
func (a DeleteClaim) Key() Key { return Key{"delete claim", a.Role, string(a.Claim.UID)} }

// Key implements Action.
func (a HoldControlPlane) Key() Key { return Key{"hold control plane", names.RoleControlPlane, ""} }

// Key implements Action.
func (ReleaseControlPlane) Key() Key { return Key{"release control plane", names.RoleControlPlane, ""} }

// Key implements Action.
func (a KeepPort) Key() Key {
	return Key{"keep port", names.RoleControlPlane, strconv.Itoa(int(a.Gate.Port))}
}

// Key implements Action.
func (a SetEndpoint) Key() Key {
	return Key{"set endpoint", names.RoleControlPlane, a.Endpoint.String()}
}

// Key implements Action.
func (a SetVariables) Key() Key { return Key{"set variables", a.Role, fmt.Sprint(a.Values)} }

// Key implements Action.
func (a SetAnnotation) Key() Key { return Key{"set annotation", a.Role, a.Value} }

// Key implements Action.
func (a RecordClaim) Key() Key { return Key{"record claim", a.Role, string(a.ClaimUID)} }

// Key implements Action.
func (a SetRecords) Key() Key { return Key{Verb: "set records", Subject: fmt.Sprint(a.Records)} }

// Key implements Action.
func (DeleteRecords) Key() Key { return Key{Verb: "delete records"} }

func (AddFinalizer) action()        {}
func (RemoveFinalizer) action()     {}
func (CreateClaim) action()         {}
func (AdoptClaim) action()          {}
func (RenewOwner) action()          {}
func (ReplaceClaim) action()        {}
func (DeleteClaim) action()         {}
func (HoldControlPlane) action()    {}
func (ReleaseControlPlane) action() {}
func (KeepPort) action()            {}
func (SetEndpoint) action()         {}
func (SetVariables) action()        {}
func (SetRecords) action()          {}
func (DeleteRecords) action()       {}
func (SetAnnotation) action()       {}
func (RecordClaim) action()         {}

func (AddFinalizer) String() string { return "add finalizer: the Cluster holds or awaits a VIP" }

func (a RemoveFinalizer) String() string { return "remove finalizer: " + a.Why }

func (a CreateClaim) String() string {
	return fmt.Sprintf("create claim %s on %s: role %s needs an address", a.Name, a.Pool, a.Role)
}

func (a AdoptClaim) String() string { return fmt.Sprintf("adopt claim %s: %s", a.Claim.Name, a.Why) }

func (a RenewOwner) String() string {
	return fmt.Sprintf("renew owner of claim %s: it names the Cluster at %s, and %s is in use",
		a.Claim.Name, a.Claim.Owner.Version, a.Version)
}

func (a ReplaceClaim) String() string {
	return fmt.Sprintf("replace claim %s on %s by one on %s: %s", a.Claim.Name, a.Claim.Pool, a.Pool, a.Why)
}

func (a DeleteClaim) String() string { return fmt.Sprintf("delete claim %s: %s", a.Claim.Name, a.Why) }

func (a HoldControlPlane) String() string {
	return fmt.Sprintf("hold the control plane from generation %d on: "+
		"no machine may be built before the templates have the VIP", a.Gate.Generation)
}

func (a ReleaseControlPlane) String() string { return "let the control plane go: " + a.Why }

func (a KeepPort) String() string {
	return fmt.Sprintf("keep port %d for the endpoint to come", a.Gate.Port)
}

func (a SetVariables) String() string {
	values := make([]string, 0, len(a.Values))
	for _, v := range a.Values {
		values = append(values, fmt.Sprintf("%s=%v", v.Path, v.Value))
	}
	return fmt.Sprintf("set variables %s: claim %s is bound", strings.Join(values, ", "), a.Claim)
}

func (a SetRecords) String() string {
	records := make([]string, 0, len(a.Records))
	for _, r := range a.Records {
		records = append(records, fmt.Sprintf("%s %s %s", r.Name, r.Type, r.Target))
	}
	return "set DNS records " + strings.Join(records, ", ")
}

func (a DeleteRecords) String() string { return "delete DNS records: " + a.Why }

func (a SetEndpoint) String() string {
	why := "claim " + a.Claim + " is bound"
	if a.Completed {
		why = "it had no valid port"
	}
	if a.RefusedPort != 0 {
		why += fmt.Sprintf(", and port %d of the Cluster is out of range", a.RefusedPort)
	}
	return fmt.Sprintf("set endpoint %s: %s", a.Endpoint, why)
}

func (a SetAnnotation) String() string {
	verb := "set"
	if a.Restored {
		verb = "restore"
	}
	if a.Claim == "" {
		return fmt.Sprintf("%s annotation %s=%s: the endpoint is in use, and no claim is bound to it",
			verb, a.Role, a.Value)
	}
	if a.Further > 0 {
		return fmt.Sprintf("%s annotation %s=%s: %s are bound", verb, a.Role, a.Value, ClaimsText(a.Claim, a.Further))
	}
	return fmt.Sprintf("%s annotation %s=%s: claim %s is bound", verb, a.Role, a.Value, a.Claim)
}

// ClaimsText names a claim and the number of further ones, for people to read.
func ClaimsText(claim string, further int) string {
	if further == 0 {
		return "claim " + claim
	}
	return fmt.Sprintf("claim %s and %d more", claim, further)
}

func (a RecordClaim) String() string {
	return fmt.Sprintf("record claim %s: the VIP of role %s comes from it", a.Claim, a.Role)
}

// String returns host:port, with an IPv6 host in brackets.
func (e Endpoint) String() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Plan is what to do for a Cluster.
type Plan struct {
	// Actions are to be carried out in order. AddFinalizer, HoldControlPlane, ReleaseControlPlane, KeepPort,
	// SetEndpoint, SetAnnotation and RecordClaim follow one another and make up one write. SetVariables is a write of
	// its own, and includes AddFinalizer if that is the only other one.
	Actions []Action

	// Warnings are what someone should look into although this Cluster is fine so far.
	Warnings []Warning

	// Status is the state of the roles and the conditions that report it.
	Status Status
}

// Warning is a danger that someone can avert.
type Warning struct{ Reason, Message string }

// Addresses returns the addresses that the plan writes to the Cluster.
func (p Plan) Addresses() []netip.Addr {
	var addresses []netip.Addr
	add := func(value string) {
		if addr := ParseAddr(value); addr.IsValid() && !slices.Contains(addresses, addr) {
			addresses = append(addresses, addr)
		}
	}
	for _, action := range p.Actions {
		switch a := action.(type) {
		case SetEndpoint:
			add(a.Endpoint.Host)
		case SetAnnotation:
			for _, addr := range Addrs(a.Role, a.Value) {
				add(addr.String())
			}
		case SetVariables:
			for _, value := range a.Values {
				if text, ok := value.Value.(string); ok {
					add(text)
				}
			}
		}
	}
	return addresses
}

// Empty reports whether the plan writes nothing.
func (p Plan) Empty() bool { return len(p.Actions) == 0 && !p.Status.Changed }

// AtRest reports whether the plan writes nothing, waits for nothing and warns of nothing. A later decision says the
// same as long as nothing but the time changes.
func (p Plan) AtRest() bool {
	return p.Empty() && !p.Status.Waiting && p.Status.Recheck == 0 && len(p.Warnings) == 0
}

// String returns one line for each action and for each condition that changes.
func (p Plan) String() string {
	var b strings.Builder
	for _, action := range p.Actions {
		b.WriteString(action.String())
		b.WriteByte('\n')
	}
	for _, change := range p.Status.Changes {
		b.WriteString(change.String())
		b.WriteByte('\n')
	}
	return b.String()
}
