package vip_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// drawn lets rapid decide what happens.
func drawn(t *rapid.T) pick {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
}

// lived returns a random world in which a number of things have happened.
func lived(pick pick) *viptest.World {
	w, pools := randomWorld(pick)
	for range 10 + pick(60) {
		happen(w, pools, pick)
	}
	return w
}

// Whatever happens in whatever order, with plans that are carried out late, in part or not at all: no two Clusters
// hold the same address, no Cluster has two claims for a role, no host is overwritten, host and port appear together,
// no address goes back too soon, and Clusters that are not served are left alone. In the end everything comes to rest
// with nothing lost, nothing leaked and nothing left to write.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w, pools := randomWorld(pick)
		for range 20 + pick(100) {
			happen(w, pools, pick)
			require.Empty(t, w.Violations, "%s", w.Log.String())
		}
		require.Empty(t, atRest(w), "%s", w.Log.String())
	})
}

// After all Clusters are deleted, every address is free again.
func TestEverythingIsReturned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w, pools := randomWorld(pick)
		for range 20 + pick(60) {
			happen(w, pools, pick)
		}
		for _, k := range w.Clusters() {
			w.Edit(k, "unpauses", func(c *vip.Cluster) { c.Paused = false })
			w.Delete(k)
		}
		require.Empty(t, atRest(w), "%s", w.Log.String())
		require.Empty(t, w.Clusters(), "%s", w.Log.String())
		require.Empty(t, w.Assigned(), "%s", w.Log.String())
	})
}

// Whatever version Clusters are served at, and whenever that changes: at rest, claims name their owners at that
// version, and nothing is written any more.
func TestOwnersAreRenewed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w, pools := randomWorld(pick)
		w.Serve(v1beta1)
		for range 20 + pick(60) {
			if pick(10) == 0 {
				w.Serve([]string{v1beta1, v1beta2}[pick(2)])
			}
			happen(w, pools, pick)
			require.Empty(t, w.Violations, "%s", w.Log.String())
		}
		w.Serve(v1beta2)
		require.Empty(t, atRest(w), "%s", w.Log.String())
	})
}

// The order in which a snapshot lists things does not matter.
func TestShuffledSnapshotGivesTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := lived(drawn(t))
		for _, k := range w.Clusters() {
			requireSameInAnyOrder(t, w.Snapshot(k))
		}
	})
}

func requireSameInAnyOrder(t *rapid.T, snapshot vip.Snapshot) {
	want := vip.Decide(snapshot)
	require.Equal(t, want, vip.Decide(snapshot), "the same snapshot")
	shuffled := snapshot
	shuffled.Pools = rapid.Permutation(snapshot.Pools).Draw(t, "pools")
	shuffled.Claims = rapid.Permutation(snapshot.Claims).Draw(t, "claims")
	shuffled.Addresses = rapid.Permutation(snapshot.Addresses).Draw(t, "addresses")
	shuffled.Rivals = rapid.Permutation(snapshot.Rivals).Draw(t, "rivals")
	shuffled.Cluster.Conditions = rapid.Permutation(snapshot.Cluster.Conditions).Draw(t, "conditions")
	got := vip.Decide(shuffled)
	if !want.Status.Changed { // the conditions may then stay in their order
		assert.ElementsMatch(t, want.Status.Conditions, got.Status.Conditions)
		got.Status.Conditions = want.Status.Conditions
	}
	require.Equal(t, want, got)
}

// A plan at rest stays at rest however much time passes, unless something changes, so nobody needs to decide again.
func TestRestIsForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		w := lived(pick)
		for _, k := range w.Clusters() {
			snapshot := w.Snapshot(k)
			plan := vip.Decide(snapshot)
			if !plan.AtRest() {
				continue
			}
			snapshot.Now = snapshot.Now.Add(
				[]time.Duration{time.Millisecond, time.Second, time.Minute, 24 * time.Hour}[pick(4)],
			)
			require.Equal(t, plan, vip.Decide(snapshot))
		}
	})
}

// Superfluous objects in a snapshot do no harm.
func TestForeignThingsDoNoHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := lived(drawn(t))
		for _, k := range w.Clusters() {
			snapshot := w.Snapshot(k)
			want := vip.Decide(snapshot)
			snapshot.Pools = append(slices.Clone(snapshot.Pools),
				cpPool("elsewhere", viptest.Local("elsewhere"), priority(9)),
				cpPool("vsphere", classes(vip.Class{Name: "windows"}), priority(9)))
			viptest.WithClaim("storage", "elsewhere", owner("Cluster", "x", "x"),
				func(c *vip.Claim) { c.Name = "theirs" })(&snapshot)
			viptest.WithHolder("198.51.100.1", "x", "spec.controlPlaneEndpoint")(&snapshot)
			require.Equal(t, want, vip.Decide(snapshot))
		}
	})
}

// Choose returns the one pool that beats all others, whatever the order of the list.
func TestChooseIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		var pools []vip.Pool
		for i := range pick(6) {
			pool := cpPool(string(rune('a'+i)), priority(pick(3)-1))
			if pick(2) == 0 {
				viptest.Local(viptest.Namespace)(&pool)
			}
			if pick(2) == 0 {
				viptest.Full(&pool)
			}
			pools = append(pools, pool)
		}
		cluster := viptest.Cluster()
		choice := vip.Choose(&cluster, pools, names.RoleControlPlane)
		require.Equal(t, len(pools) > 0, choice.Pool != nil)
		for _, pool := range pools {
			require.False(t, beats(&pool, choice.Pool), "%s beats %s", pool.Ref, choice.Pool.Ref)
		}
	})
}

// beats restates the contract, with one expression per rule: tier, then a free address, then priority, then name.
func beats(a, b *vip.Pool) bool {
	if (a.Namespace != "") != (b.Namespace != "") {
		return a.Namespace != ""
	}
	if a.Capacity.Full() != b.Capacity.Full() {
		return !a.Capacity.Full()
	}
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.Ref.Name < b.Ref.Name
}
