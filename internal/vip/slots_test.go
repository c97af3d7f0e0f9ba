package vip_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

const lb = "lb"

// each makes a pool give n addresses to each Cluster.
func each(n int) func(*vip.Pool) { return func(p *vip.Pool) { p.PerCluster = n } }

// free leaves n free addresses in a pool.
func free(n int) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Capacity = vip.Capacity{Known: true, Total: 10, Used: 10 - n, Free: n} }
}

// slotted adds a bound claim for a slot.
func slotted(slot, address string, overrides ...func(*vip.Claim)) viptest.Option {
	role, _, _ := strings.Cut(slot, ".")
	return viptest.WithBound(slot, lb, address,
		append([]func(*vip.Claim){func(c *vip.Claim) { c.Role = role }}, overrides...)...)
}

// written records that the addresses of slots were written from their claims.
func written(slots ...string) viptest.Option {
	return func(s *vip.Snapshot) {
		for _, slot := range slots {
			vip.Effect(&s.Cluster, vip.RecordClaim{Slot: slot, ClaimUID: s.ClaimFor(slot).UID})
		}
	}
}

func TestSeveralAddresses(t *testing.T) {
	const settle = 3 * time.Second
	const ready, waits, full, conflict = "LbVIPReady=true IPAddressAssigned", "LbVIPReady=false WaitingForIPAddress",
		"LbVIPReady=false PoolExhausted", "LbVIPReady=false AddressConflict"
	pool := func(n int, overrides ...func(*vip.Pool)) viptest.Option {
		return viptest.WithPool(lb, lb, append([]func(*vip.Pool){each(n)}, overrides...)...)
	}
	noCP, noIngress := "ControlPlaneVIPReady=false PoolNotFound", "IngressVIPReady=false PoolNotFound"
	two := options(slotted("lb", "10.0.0.1"), slotted("lb.2", "10.0.0.2"))
	served := options(two, viptest.With(held, annotation(lb, "10.0.0.1,10.0.0.2")), written("lb", "lb.2"))
	scenarios{
		"if a Cluster has none, should claim all of them": {
			given: []viptest.Option{pool(3)},
			actions: []string{
				"create vip-lb-prod from lb", "create vip-2-lb-prod from lb", "create vip-3-lb-prod from lb",
			},
			conditions: []string{}, recheck: settle,
		},
		"if the pool has no room for all of them, should claim none": {
			given: []viptest.Option{pool(3, free(2))}, actions: []string{"finalizer on"},
			conditions: []string{noCP, noIngress, full},
		},
		"if they are there, should write them in one, in the order of their numbers": {
			given: []viptest.Option{
				pool(2), slotted("lb.2", "10.0.0.1"), slotted("lb", "10.0.0.2"), viptest.With(held),
			},
			actions: []string{
				"annotate lb=10.0.0.2,10.0.0.1", "record vip-lb-prod", "record vip-2-lb-prod",
			},
			conditions: []string{noCP, noIngress, ready},
		},
		"if one is missing, should write none": {
			given: []viptest.Option{
				pool(2), slotted("lb", "10.0.0.1"), viptest.WithClaim("lb.2", lb, func(c *vip.Claim) { c.Role = lb }),
				viptest.With(held),
			},
			conditions: []string{noCP, noIngress, waits},
		},
		"if one is in use elsewhere, should write none": {
			given: []viptest.Option{
				pool(2), two, viptest.With(held), viptest.WithHolder("10.0.0.2", "other", names.Annotation(lb)),
			},
			conditions: []string{noCP, noIngress, conflict},
		},
		"if all is said, should write nothing": {
			given: []viptest.Option{pool(2), served}, conditions: []string{noCP, noIngress, ready},
		},
		"if the annotation was removed, should restore it": {
			given:      []viptest.Option{pool(2), served, viptest.With(annotation(lb, ""))},
			actions:    []string{"restore lb=10.0.0.1,10.0.0.2"},
			conditions: []string{noCP, noIngress, ready},
		},
		"if an address was added by hand, should restore it": {
			given:      []viptest.Option{pool(2), served, viptest.With(annotation(lb, "10.0.0.1,10.0.0.2,10.0.0.9"))},
			actions:    []string{"restore lb=10.0.0.1,10.0.0.2"},
			conditions: []string{noCP, noIngress, ready},
		},
		"if the number is raised, should claim what is missing, and leave what is there": {
			given:      []viptest.Option{pool(3), served},
			actions:    []string{"create vip-3-lb-prod from lb"},
			conditions: []string{}, recheck: settle,
		},
		"if the annotation is removed meanwhile, should restore what was there": {
			given: []viptest.Option{
				pool(3), served, viptest.With(annotation(lb, "")), viptest.WithClaim("lb.3", lb, func(c *vip.Claim) {
					c.Role = lb
				}),
			},
			actions:    []string{"restore lb=10.0.0.1,10.0.0.2"},
			conditions: []string{noCP, noIngress, waits},
		},
		"if the number is lowered, should take nothing away": {
			given: []viptest.Option{pool(1), served}, conditions: []string{noCP, noIngress, ready},
		},
		"if a claim that is not needed any more was deleted by hand, should write what is left": {
			given: []viptest.Option{
				pool(1), slotted("lb", "10.0.0.1"), viptest.With(held, annotation(lb, "10.0.0.1,10.0.0.2")),
				written("lb"),
			},
			actions:    []string{"restore lb=10.0.0.1"},
			conditions: []string{noCP, noIngress, ready},
		},
		"if the pool of the control plane says so, should not count there": {
			given:      []viptest.Option{viptest.WithPool("cp", cp, each(3))},
			actions:    []string{"create vip-cp-prod from cp"},
			conditions: []string{}, recheck: settle,
		},
		"if the Cluster goes, should release all of them, whatever pools say": {
			given: []viptest.Option{
				pool(1), served, viptest.With(deleting, func(c *vip.Cluster) { c.InUse = false }),
			},
			actions:    []string{"delete vip-2-lb-prod", "delete vip-lb-prod"},
			conditions: []string{"LbVIPReady=false Releasing"},
		},
	}.run(t)
}

// A Cluster's own addresses may overlap: if two slots have one address, one of them yields.
func TestSeveralAddressesOverlap(t *testing.T) {
	snapshot := viptest.Snapshot(viptest.WithPool(lb, lb, each(2)), slotted("lb", "10.0.0.1"),
		slotted("lb.2", "10.0.0.1"),
		viptest.With(held, annotation(lb, "10.0.0.1")), written("lb"))
	for i := range snapshot.Claims {
		claim := snapshot.Claims[i]
		born := snapshot.Addresses[i].Born
		born.Serial = uint64(2 - i) // the one written from its claim is the later one
		snapshot.Addresses[i].Born = born
		snapshot.Rivals = append(snapshot.Rivals, vip.Rival{
			Address: netip.MustParseAddr("10.0.0.1"), Cluster: snapshot.Cluster.Key(), Field: names.Annotation(lb),
			Claim: types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}, Owned: true,
			Pool: claim.Pool, Born: born,
		})
	}
	plan := vip.Decide(snapshot)
	assert.Empty(t, plan.Actions)
	assert.Equal(t, names.ReasonAddressConflict, viptest.Condition(plan, lb).Reason)
	assert.Contains(t, viptest.Condition(plan, lb).Message, "address 2 of 2: 10.0.0.1")
}

// What is on record of a Cluster has to be read.
func TestTooManyAddresses(t *testing.T) {
	var options []viptest.Option
	for _, role := range strings.Fields("a b c d e f g h i j") {
		options = append(options, viptest.WithPool(role, role, each(names.MostAddresses), func(p *vip.Pool) {
			p.Capacity.Known = false
		}))
	}
	snapshot := viptest.Snapshot(options...)
	plan := vip.Decide(snapshot)
	assert.LessOrEqual(t, len(plan.Actions), vip.MostSlots+10)
	assert.Contains(t, plan.Warnings, vip.Warning{
		Reason: names.EventClusterTooLarge,
		Message: "pools give the Cluster more than 128 addresses, and it gets no further ones; " +
			"lower their annotation vip.capi.gorizond.io/addresses-per-cluster",
	})
	for i := range snapshot.Pools {
		snapshot.Pools[i].PerCluster = 4
	}
	assert.Empty(t, vip.Decide(snapshot).Warnings, "lowered, as it says")
}
