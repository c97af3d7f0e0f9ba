// Package viptest builds snapshots for tests of package vip, and simulates a small world in which its plans are
// carried out.
package viptest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The values that the builders use unless a test says otherwise.
const (
	Namespace   = "tenant"
	ClusterName = "prod"
	ClusterUID  = types.UID("uid-of-prod")
	ClassName   = "bare-metal"
	DefaultPort = 6443

	IPAMGroup  = "ipam.cluster.x-k8s.io"
	GlobalKind = "GlobalInClusterIPPool"
	LocalKind  = "InClusterIPPool"
)

// Now is the moment of every snapshot.
var Now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// Ago returns the moment d before Now.
func Ago(d time.Duration) time.Time { return Now.Add(-d) }

// Option changes a snapshot.
type Option func(*vip.Snapshot)

// Snapshot returns the snapshot of a Cluster that was created an hour ago and has nothing yet, changed by the options.
func Snapshot(options ...Option) vip.Snapshot {
	s := vip.Snapshot{
		Now: Now, Settings: vip.Settings{DefaultPort: DefaultPort},
		Cluster: Cluster(), ClusterClass: &vip.ClusterClass{},
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// Cluster returns a Cluster, changed by the overrides.
func Cluster(overrides ...func(*vip.Cluster)) vip.Cluster {
	c := vip.Cluster{
		Namespace: Namespace, Name: ClusterName, UID: ClusterUID,
		Created: Ago(time.Hour),
		Class:   vip.Class{Namespace: Namespace, Name: ClassName},
		InUse:   true,

		Generation: 1,
	}
	apply(&c, overrides)
	return c
}

// Pool returns a global pool with free addresses that serves the role of the Cluster's class, changed by the overrides.
func Pool(name, role string, overrides ...func(*vip.Pool)) vip.Pool {
	p := vip.Pool{
		Ref:      GlobalRef(name),
		Classes:  []vip.Class{{Name: ClassName}},
		Roles:    []string{role},
		Capacity: vip.Capacity{Known: true, Total: 10, Used: 1, Free: 9},
	}
	apply(&p, overrides)
	return p
}

// Local puts a pool into a namespace.
func Local(namespace string) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Namespace, p.Ref.Kind = namespace, LocalKind }
}

// Full takes a pool's free addresses away.
func Full(p *vip.Pool) { p.Capacity = vip.Capacity{Known: true, Total: 10, Used: 10} }

// GlobalRef refers to a global pool.
func GlobalRef(name string) vip.PoolRef {
	return vip.PoolRef{Group: IPAMGroup, Kind: GlobalKind, Name: name}
}

// LocalRef refers to a namespaced pool.
func LocalRef(name string) vip.PoolRef {
	return vip.PoolRef{Group: IPAMGroup, Kind: LocalKind, Name: name}
}

// Claim returns a claim of the Cluster that has waited a minute for an address of the pool, changed by the overrides.
func Claim(role, pool string, overrides ...func(*vip.Claim)) vip.Claim {
	name := names.ClaimName(ClusterName, role)
	c := vip.Claim{
		Namespace: Namespace, Name: name, ResourceVersion: "7",
		Created: Ago(time.Minute),
		Role:    role,
		Pool:    GlobalRef(pool),
		Owner:   &vip.Owner{Kind: "Cluster", Name: ClusterName, UID: ClusterUID},
	}
	apply(&c, overrides)
	if c.UID == "" { // a claim made anew is a different one
		c.UID = types.UID(fmt.Sprintf("uid-of-%s-%d", name, c.Created.Unix()))
	}
	return c
}

// With changes the Cluster of a snapshot.
func With(overrides ...func(*vip.Cluster)) Option {
	return func(s *vip.Snapshot) { apply(&s.Cluster, overrides) }
}

// At sets the moment of a snapshot.
func At(now time.Time) Option { return func(s *vip.Snapshot) { s.Now = now } }

// WithPool adds a pool; see Pool.
func WithPool(name, role string, overrides ...func(*vip.Pool)) Option {
	return func(s *vip.Snapshot) { s.Pools = append(s.Pools, Pool(name, role, overrides...)) }
}

// WithPools adds the pools most tests use: "cp" for the control plane and "web" for ingress.
func WithPools(overrides ...func(*vip.Pool)) Option {
	return func(s *vip.Snapshot) {
		s.Pools = append(s.Pools, Pool("cp", names.RoleControlPlane, overrides...),
			Pool("web", names.RoleIngress, overrides...))
	}
}

// WithClaim adds a waiting claim; see Claim.
func WithClaim(role, pool string, overrides ...func(*vip.Claim)) Option {
	return func(s *vip.Snapshot) { s.Claims = append(s.Claims, Claim(role, pool, overrides...)) }
}

// WithBound adds a claim and the IPAddress it is bound to.
func WithBound(role, pool, address string, overrides ...func(*vip.Claim)) Option {
	return func(s *vip.Snapshot) {
		claim := Claim(role, pool, overrides...)
		claim.Address = claim.Name
		s.Claims = append(s.Claims, claim)
		s.Addresses = append(s.Addresses, vip.Address{
			Namespace: claim.Namespace, Name: claim.Address, Value: address, Claim: claim.Name, ClaimUID: claim.UID,
			Born: vip.Born{At: claim.Created, Serial: 100},
		})
	}
}

// WithHolder adds a rival: another Cluster that carries an address in a field.
func WithHolder(address, cluster, field string) Option {
	return func(s *vip.Snapshot) {
		s.Rivals = append(s.Rivals, vip.Rival{
			Address: netip.MustParseAddr(address),
			Cluster: types.NamespacedName{Namespace: "other", Name: cluster}, Field: field,
		})
	}
}

// WithAssigned adds a rival: another IPAddress with the same address, of the given age and owned by its claim, changed
// by the overrides.
func WithAssigned(address, claim string, born vip.Born, overrides ...func(*vip.Rival)) Option {
	return func(s *vip.Snapshot) {
		rival := vip.Rival{
			Address: netip.MustParseAddr(address), Owned: true,
			Claim: types.NamespacedName{Namespace: "other", Name: claim}, Pool: GlobalRef("overlapping"), Born: born,
		}
		apply(&rival, overrides)
		s.Rivals = append(s.Rivals, rival)
	}
}

// Carried makes the Cluster of a rival's claim carry the address in a field.
func Carried(cluster, field string) func(*vip.Rival) {
	return func(r *vip.Rival) {
		r.Cluster, r.Field = types.NamespacedName{Namespace: "other", Name: cluster}, field
	}
}

// Served returns an option for a Cluster that has both VIPs and whose world is at rest, except for what later options
// change: 10.0.0.10 for the control plane, 10.0.0.20 for ingress.
func Served() Option {
	return func(s *vip.Snapshot) {
		for _, option := range []Option{
			WithPools(), WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
			WithBound(names.RoleIngress, "web", "10.0.0.20"),
		} {
			option(s)
		}
		Carry(s)
		for i := range s.Cluster.Conditions {
			s.Cluster.Conditions[i].Since = Ago(30 * time.Second)
		}
	}
}

// Recorded records that the VIPs on the Cluster come from its claims.
func Recorded(s *vip.Snapshot) {
	for _, claim := range s.Claims {
		record(&s.Cluster, claim.Role, claim.UID)
	}
}

// Carry writes to the Cluster of a snapshot what the plan for it says, as the writer would.
func Carry(s *vip.Snapshot) {
	plan := vip.Decide(*s)
	for _, action := range plan.Actions {
		Write(&s.Cluster, action)
	}
	if plan.Status.Changed {
		s.Cluster.Conditions = plan.Status.Conditions
	}
}

// Write applies an action to a Cluster.
func Write(c *vip.Cluster, action vip.Action) { vip.Effect(c, action) }

// record records the claim that the VIP of a role was written from.
func record(c *vip.Cluster, role string, claim types.UID) {
	vip.Effect(c, vip.RecordClaim{Role: role, Slot: role, ClaimUID: claim})
}

// Brief renders the actions of a plan for comparison: what they do, but not why.
func Brief(plan vip.Plan) []string {
	lines := []string{}
	for _, action := range plan.Actions {
		lines = append(lines, brief(action))
	}
	return lines
}

func brief(action vip.Action) string {
	switch a := action.(type) {
	case vip.AddFinalizer:
		return "finalizer on"
	case vip.RemoveFinalizer:
		return "finalizer off"
	case vip.CreateClaim:
		return fmt.Sprintf("create %s from %s", a.Name, a.Pool.Name)
	case vip.AdoptClaim:
		return "adopt " + a.Claim.Name
	case vip.RenewOwner:
		return "renew owner of " + a.Claim.Name
	case vip.ReplaceClaim:
		return fmt.Sprintf("replace %s from %s", a.Claim.Name, a.Pool.Name)
	case vip.DeleteClaim:
		return "delete " + a.Claim.Name
	case vip.HoldControlPlane:
		hold := fmt.Sprintf("hold from generation %d with port %d", a.Gate.Generation, a.Gate.Port)
		return strings.TrimSuffix(hold, " with port 0")
	case vip.ReleaseControlPlane:
		return "let go"
	case vip.KeepPort:
		return fmt.Sprintf("keep port %d", a.Gate.Port)
	case vip.SetVariables:
		return fmt.Sprintf("variables %v", a.Values)
	case vip.RecordClaim:
		return "record " + a.Claim
	case vip.Probe:
		return fmt.Sprintf("probe %s on %v", a.Address, a.Ports)
	case vip.SetRecords:
		return fmt.Sprintf("records %v", a.Records)
	case vip.DeleteRecords:
		return "records away"
	case vip.SetEndpoint:
		return "endpoint " + a.Endpoint.String()
	case vip.SetAnnotation:
		if a.Restored {
			return fmt.Sprintf("restore %s=%s", a.Role, a.Value)
		}
		return fmt.Sprintf("annotate %s=%s", a.Role, a.Value)
	}
	return fmt.Sprintf("unknown %T", action)
}

// Conditions renders the conditions a plan wants: "ControlPlaneVIPReady=false PoolNotFound".
func Conditions(plan vip.Plan) []string {
	lines := []string{}
	for _, condition := range plan.Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%t %s", condition.Type, condition.True, condition.Reason))
	}
	return lines
}

// Condition returns the condition of a role in a plan, or the zero value.
func Condition(plan vip.Plan, role string) vip.Condition {
	for _, condition := range plan.Status.Conditions {
		if condition.Type == names.ConditionType(role) {
			return condition
		}
	}
	return vip.Condition{}
}

func apply[T any](object *T, overrides []func(*T)) {
	for _, override := range overrides {
		override(object)
	}
}
