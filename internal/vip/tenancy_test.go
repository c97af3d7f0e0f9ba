package vip_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var (
	anyRoles      = []string{cp, ingress, "storage"}
	anyNamespaces = []string{viptest.Namespace, "other"}
)

// manySnapshots is how many snapshots each run of a property takes: they are cheap, and most are far from any trouble.
const manySnapshots = 20

func one[T any](pick pick, of ...T) T { return of[pick(len(of))] }

func rarely(pick pick) bool { return pick(8) == 0 }

// anySnapshot returns a snapshot that no world need ever reach: any pools, and under the names of the Cluster's
// claims, claims of any owner on any pool in any state. Pools of two namespaces may have the same name.
func anySnapshot(pick pick) vip.Snapshot {
	s := viptest.Snapshot(viptest.With(func(c *vip.Cluster) { anyCluster(c, pick) }))
	refs := []vip.PoolRef{viptest.GlobalRef("gone"), viptest.LocalRef("gone")}
	for _, name := range []string{"a", "b", "c"} {
		for _, namespace := range append([]string{""}, anyNamespaces...) {
			if pick(2) == 0 {
				pool := anyPool(pick, name, namespace)
				s.Pools, refs = append(s.Pools, pool), append(refs, pool.Ref)
			}
		}
	}
	for i, role := range anyRoles {
		if pick(4) == 0 {
			continue
		}
		viptest.WithClaim(role, "", func(c *vip.Claim) { anyClaim(c, pick, refs) })(&s)
		claim := s.Claims[len(s.Claims)-1]
		if claim.Address == "" && !rarely(pick) {
			continue
		}
		s.Addresses = append(s.Addresses, vip.Address{
			Namespace: claim.Namespace, Name: claim.Name, Value: anyAddress(pick),
			Claim:    one(pick, claim.Name, claim.Name, claim.Name, "another"),
			ClaimUID: one(pick, claim.UID, claim.UID, claim.UID, "", "former"),
			Born:     vip.Born{At: claim.Created, Serial: uint64(100 + i)},
		})
	}
	for range pick(5) {
		one(pick,
			viptest.WithHolder(anyAddress(pick), strconv.Itoa(pick(3)), "spec.controlPlaneEndpoint"),
			viptest.WithAssigned(anyAddress(pick), strconv.Itoa(pick(3)),
				vip.Born{At: viptest.Ago(time.Duration(pick(5)) * time.Minute), Serial: uint64(pick(200))}),
		)(&s)
	}
	return s
}

func anyAddress(pick pick) string { return fmt.Sprintf("10.0.0.%d", 1+pick(3)) }

func anyCluster(c *vip.Cluster, pick pick) {
	c.Class = one(pick, c.Class, c.Class, c.Class, vip.Class{Namespace: "other", Name: viptest.ClassName}, vip.Class{})
	c.Endpoint.Host = one(pick, "", "", "by-hand.example.com", anyAddress(pick))
	c.Endpoint.Port = int32(one(pick, 0, 6443))
	c.HasFinalizer, c.InUse, c.Deleting, c.Paused = pick(2) == 0, pick(2) == 0, pick(4) == 0, rarely(pick)
	if pick(3) == 0 {
		values(map[string]string{viptest.HostVariable: strconv.Quote(anyAddress(pick))})(c)
	}
	for _, role := range anyRoles {
		if pick(2) == 0 {
			annotation(role, anyAddress(pick))(c)
		}
		if pick(2) == 0 {
			record(role,
				one(pick, types.UID("former"), "uid-of-"+types.UID(names.ClaimName(viptest.ClusterName, role))))(c)
		}
		if pick(2) == 0 {
			c.Conditions = append(c.Conditions, vip.Condition{
				Type: names.ConditionType(role), True: true, Reason: one(pick, names.ReasonIPAddressAssigned,
					names.ReasonEndpointProvided), Since: viptest.Ago(time.Duration(pick(4)) * time.Minute),
			})
		}
	}
}

func anyPool(pick pick, name, namespace string) vip.Pool {
	pool := viptest.Pool(name, one(pick, anyRoles...), priority(pick(2)))
	if pick(2) == 0 {
		pool.Roles = anyRoles
	}
	pool.Classes = one(pick, pool.Classes, pool.Classes, []vip.Class{{Namespace: "other", Name: viptest.ClassName}},
		[]vip.Class{{Name: "vsphere"}})
	if pool.Deleting = rarely(pick); pick(3) == 0 {
		viptest.Full(&pool)
	}
	if namespace != "" {
		viptest.Local(namespace)(&pool)
	} else {
		pool.Namespaces = one(pick, nil, []string{"other"}, []string{viptest.Namespace},
			[]string{"else", viptest.Namespace})
	}
	return pool
}

// record records that the VIP of a role was written from a claim.
func record(role string, claim types.UID) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		if c.Written == nil {
			c.Written = map[string]types.UID{}
		}
		c.Written[role] = claim
	}
}

func anyClaim(c *vip.Claim, pick pick, refs []vip.PoolRef) {
	c.UID = types.UID("uid-of-" + c.Name)
	c.Pool = one(pick, refs...)
	c.Created = viptest.Ago(time.Duration(pick(200)) * time.Second)
	c.Owner = one(pick, c.Owner, c.Owner, nil, &vip.Owner{
		Kind: "Cluster", Name: viptest.ClusterName, UID: "uid-of-former",
	}, &vip.Owner{Kind: "Machine", Name: "m", UID: "uid-of-m"})
	if pick(2) == 0 {
		c.Address = c.Name
	}
	if c.Deleting = rarely(pick); c.Deleting {
		c.DeletedAt = viptest.Ago(time.Second)
	}
	if rarely(pick) {
		c.Trouble = &vip.Trouble{Reason: "PoolExhausted", Message: "full"}
	}
}

// Whatever the snapshot: no claim is created, adopted or replaced onto a pool that is not for the Cluster's namespace,
// and no claim whose address a living Cluster needs is given up or moved.
func TestNoPlanBreaksTenancyOrGivesUpWhatIsNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range manySnapshots {
			s := anySnapshot(drawn(t))
			plan := vip.Decide(s)
			require.Empty(t, viptest.Breaches(&s, plan), "%+v", s)
		}
	})
}

// Whatever the snapshot: the order of its lists does not matter.
func TestAnySnapshotInAnyOrderGivesTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range manySnapshots {
			requireSameInAnyOrder(t, anySnapshot(drawn(t)))
		}
	})
}

// A Cluster keeps what it holds, whatever becomes of the pools: relabelled, moved to other classes, roles or tenants,
// given another rank, emptied, deleted, gone, or outdone by better ones. It may get more addresses.
func TestBoundClaimsStayWhateverBecomesOfPools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w, pools := randomWorld(pick)
		require.True(t, w.Settle(), "%s", w.Log.String())
		held := w.Held()
		before := map[string]vip.Cluster{}
		for _, k := range w.Clusters() {
			before[k] = *w.Cluster(k)
		}
		for range 1 + pick(12) {
			if pick(6) == 0 {
				pools = append(pools, w.AddPool(anyPool(pick, fmt.Sprintf("new-%d", len(pools)),
					one(pick, "", "tenant", "other")), "10.0.9.1", "10.0.9.2"))
			}
			shake(w, pools[pick(len(pools))], pick)
			if pick(2) == 0 {
				w.Crash()
			}
			require.True(t, w.Settle(), "%s", w.Log.String())
			require.Empty(t, w.Violations, "%s", w.Log.String())
		}
		require.Subset(t, w.Held(), held, "%s", w.Log.String())
		for k, was := range before {
			if is := w.Cluster(k); was.Endpoint.Host != "" {
				require.Equal(t, was.Endpoint, is.Endpoint, "%s", w.Log.String())
			}
			for role, value := range was.VIPs { // a pool that now gives more addresses adds some
				now := vip.Addrs(role, w.Cluster(k).VIPs[role])
				require.Subset(t, now, vip.Addrs(role, value), "%s", w.Log.String())
			}
		}
	})
}

// shake changes a pool in any way that an administrator can.
func shake(w *viptest.World, pool *viptest.PoolState, pick pick) {
	w.Change(pool, "shakes", func(p *viptest.PoolState) {
		switch pick(7) {
		case 0:
			p.Roles = one(pick, anyRoles[:1], anyRoles[1:], nil)
		case 1:
			p.Classes = one(pick, nil, []vip.Class{{Name: "vsphere"}}, []vip.Class{{Name: viptest.ClassName}})
		case 2:
			if p.Namespace == "" {
				p.Namespaces = one(pick, nil, []string{"tenant"}, []string{"other"}, []string{"nobody"})
			}
		case 3:
			p.Priority = pick(3) - 1
		case 4:
			p.Deleting = !p.Deleting
		case 5:
			p.Range = nil
		case 6:
			p.Range = append(p.Range, fmt.Sprintf("10.0.1.%d", 1+len(p.Range)))
		}
	})
}
