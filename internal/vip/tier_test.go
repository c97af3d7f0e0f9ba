package vip_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// The pools of a test in the order of their tiers, the most specific first. Their names run from z to a, so the order
// of names would decide otherwise.
func everyTier() []vip.Pool {
	local, named := viptest.Local(viptest.Namespace), clusters(viptest.Namespace+"/"+viptest.ClusterName)
	vlan, anyClass := asks("network=vlan-7"), classes(vip.Class{Name: vip.AnyClass})
	return []vip.Pool{
		cpPool("z-names-local", local, named, priority(-9)), cpPool("y-names", named, priority(-8)),
		cpPool("x-variables-local", local, vlan, priority(-7)), cpPool("w-variables", vlan, priority(-6)),
		cpPool("v-namespace", local, priority(-5)),
		cpPool("u-class", priority(-4)), cpPool("t-any", anyClass, priority(-3)),
	}
}

func onVLAN7(overrides ...func(*vip.Cluster)) vip.Cluster {
	return viptest.Cluster(append([]func(*vip.Cluster){has("network", `"vlan-7"`)}, overrides...)...)
}

func TestTiers(t *testing.T) {
	cluster := onVLAN7()
	tiers := []vip.Tier{
		vip.TierNames, vip.TierNames, vip.TierVariables, vip.TierVariables, vip.TierNamespace,
		vip.TierClass, vip.TierAny,
	}
	for i, want := range tiers {
		t.Run(fmt.Sprintf(
			"if the best pool is of tier %s (%d), should choose it, full or not", want, i,
		), func(t *testing.T) {
			pools := everyTier()[i:]
			choice := vip.Choose(&cluster, pools, names.RoleControlPlane)
			assert.Equal(t, &pools[0], choice.Pool)
			assert.Equal(t, want, choice.Tier)
			assert.Len(t, choice.Candidates, 1)
			viptest.Full(&pools[0])
			choice = vip.Choose(&cluster, pools, names.RoleControlPlane)
			assert.Equal(t, &pools[0], choice.Pool)
			assert.True(t, choice.Exhausted)
			for _, verdict := range vip.Explain(&cluster, pools, names.RoleControlPlane)[1:] {
				assert.Equal(t, vip.VerdictLowerTier, verdict)
			}
			assert.NotEmpty(t, want.String())
			assert.NotEmpty(t, want.Why())
		})
	}
}

func TestWhatMakesATier(t *testing.T) {
	for name, test := range map[string]struct {
		pool vip.Pool
		want vip.Tier
	}{
		"if the pool is for all Clusters of the namespace, should be of the class": {
			cpPool("a", clusters(viptest.Namespace+"/*")), vip.TierClass,
		},
		"if the pool is for the namespace, should be of the class": {
			cpPool("a", namespaces(viptest.Namespace)), vip.TierClass,
		},
		"if the pool names the Cluster and all others, should be of the names": {
			cpPool("a", clusters(viptest.Namespace+"/*", viptest.Namespace+"/"+viptest.ClusterName)), vip.TierNames,
		},
		"if the pool names the class and all others, should be of the class": {
			cpPool("a", classes(vip.Class{Name: vip.AnyClass}, vip.Class{Name: viptest.ClassName})), vip.TierClass,
		},
		"if the pool of the namespace is for any class, should be of the namespace": {
			cpPool("a", viptest.Local(viptest.Namespace), classes(vip.Class{Name: vip.AnyClass})), vip.TierNamespace,
		},
		"if the pool names the Cluster and asks for values, should be of the names": {
			cpPool("a", asks("network=vlan-7"), clusters(viptest.Namespace+"/"+viptest.ClusterName)), vip.TierNames,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := onVLAN7()
			assert.Equal(t, test.want, vip.Choose(&cluster, []vip.Pool{test.pool}, names.RoleControlPlane).Tier)
			assert.Equal(t, test.want, test.pool.BestTier(), "no other Cluster is in a more specific one")
		})
	}
}

func TestWhatKeepsOthersOut(t *testing.T) {
	local, named := viptest.Local(viptest.Namespace), clusters(viptest.Namespace+"/"+viptest.ClusterName)
	closed := func(p *vip.Pool) { p.Closed = true }
	unread := func(p *vip.Pool) { p.Closed, p.Unread = true, true }
	large := asks("large=x")
	for name, test := range map[string]struct {
		pools []vip.Pool
		want  string
	}{
		"if a closed pool of the namespace names the Cluster, should keep the others of it out": {
			[]vip.Pool{cpPool("a", local, closed, named), cpPool("b", local)}, "",
		},
		"if it names another Cluster, should not mind": {
			[]vip.Pool{cpPool("a", local, closed, clusters(viptest.Namespace+"/x")), cpPool("b", local), cpPool("c")},
			"b",
		},
		"if it asks for another value, should not mind": {
			[]vip.Pool{cpPool("a", local, closed, asks("network=x")), cpPool("c")}, "c",
		},
		"if it is closed for something else, should not keep a more specific global one out": {
			[]vip.Pool{cpPool("a", local, closed), cpPool("b", named)}, "b",
		},
		"if nobody knows whom it is for, should keep all global ones out": {
			[]vip.Pool{cpPool("a", local, unread), cpPool("b", named), cpPool("c", asks("network=vlan-7"))}, "",
		},
		"if nobody knows whom it is for, should leave the others of the namespace alone": {
			[]vip.Pool{cpPool("a", local, unread), cpPool("b", local), cpPool("c")}, "b",
		},
		"if it keeps a global one out, should not spill over to one that is less specific": {
			[]vip.Pool{cpPool("a", local, unread), cpPool("b", local), cpPool("c", named)}, "",
		},
		"if nobody knows about a global one either, should not spill over": {
			[]vip.Pool{cpPool("a", local, unread), cpPool("b", local), cpPool("c", large)}, "",
		},
		"if nobody knows whom that of another namespace is for, should not mind": {
			[]vip.Pool{cpPool("a", viptest.Local("x"), unread), cpPool("b", named)}, "b",
		},
		"if nobody knows whom that of another class is for, should not mind": {
			[]vip.Pool{cpPool("a", local, unread, classes(vip.Class{Name: "x"})), cpPool("b")}, "b",
		},
		"if nobody knows whom that in deletion is for, should not mind": {
			[]vip.Pool{cpPool("a", local, unread, func(p *vip.Pool) { p.Deleting = true }), cpPool("b")}, "b",
		},
		"if nobody knows whom a global pool is for, should not mind": {
			[]vip.Pool{cpPool("a", unread), cpPool("b")}, "b",
		},
		"if a closed global pool names the Cluster, should not mind": {
			[]vip.Pool{cpPool("a", closed, named), cpPool("b")}, "b",
		},
		"if a value that is asked for is not known, should keep less specific pools out": {
			[]vip.Pool{cpPool("a", large), cpPool("b", local), cpPool("c")}, "",
		},
		"if a value is not known, should choose another pool of the tier": {
			[]vip.Pool{cpPool("a", large), cpPool("b", asks("network=vlan-7")), cpPool("c")}, "b",
		},
		"if a value is not known and a pool names the Cluster, should choose that": {
			[]vip.Pool{cpPool("a", large), cpPool("b", named)}, "b",
		},
		"if a value is not known and another one differs, should not mind": {
			[]vip.Pool{cpPool("a", asks("large=x", "network=y")), cpPool("b")}, "b",
		},
		"if a value is not known to a closed global pool, should not mind": {
			[]vip.Pool{cpPool("a", large, closed), cpPool("b")}, "b",
		},
		"if a value is not known to a pool of another role, should not mind": {
			[]vip.Pool{viptest.Pool("a", ingress, large), cpPool("b")}, "b",
		},
		"if a value is not known to a pool of the namespace, should keep a global one of it out": {
			[]vip.Pool{cpPool("a", large, local), cpPool("b", asks("network=vlan-7"))}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := onVLAN7(has("large", ""))
			got := ""
			if pool := vip.Choose(&cluster, test.pools, names.RoleControlPlane).Pool; pool != nil {
				got = pool.Ref.Name
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// randomPools returns pools that differ in everything that decides.
func randomPools(t *rapid.T) []vip.Pool {
	pick := drawn(t)
	var pools []vip.Pool
	for i := range 1 + pick(8) {
		pool := cpPool(string(rune('a'+i)), priority(pick(3)-1))
		change := func(share int, changes ...func(*vip.Pool)) { // applies one of changes in one of share cases
			if pick(share) == 0 {
				changes[pick(len(changes))](&pool)
			}
		}
		change(2, viptest.Local(viptest.Namespace), viptest.Local("elsewhere"))
		change(2, classes(vip.Class{Name: vip.AnyClass}), classes(vip.Class{Name: "x"}),
			classes(vip.Class{Name: "x"}, vip.Class{Name: vip.AnyClass}))
		change(2, clusters(viptest.Namespace+"/*"), clusters(viptest.Namespace+"/"+viptest.ClusterName),
			clusters(viptest.Namespace+"/x"), clusters("x/*"))
		change(2, asks("network=vlan-7"), asks("network=vlan-8"), asks("large=x"), asks("network=vlan-7", "large=x"),
			asks("network=vlan-8", "large=x"))
		change(3, namespaces(viptest.Namespace), namespaces("x"))
		change(2, viptest.Full)
		change(5, func(p *vip.Pool) { p.Deleting = true })
		change(4, func(p *vip.Pool) { p.Closed = true }, func(p *vip.Pool) {
			p.Closed, p.Unread, p.Clusters, p.Variables = true, true, nil, nil
		})
		pools = append(pools, pool)
	}
	return pools
}

// standing restates the contract: how specific a pool is for the Cluster of the test, 0 if it is not for it, and
// whether it may serve it.
func standing(p *vip.Pool) (specific int, serves bool) {
	has := func(values ...string) bool {
		return slices.ContainsFunc(p.Variables, func(v vip.Variable) bool {
			return slices.Contains(values, v.String())
		})
	}
	entry := func(namespace, name string) bool {
		return slices.Contains(p.Clusters, types.NamespacedName{Namespace: namespace, Name: name})
	}
	named, class := entry(viptest.Namespace, viptest.ClusterName),
		slices.Contains(p.Classes, vip.Class{Name: viptest.ClassName})
	local := p.Namespace == viptest.Namespace
	switch {
	case !class && !slices.Contains(p.Classes, vip.Class{Name: "*"}), p.Namespace != "" && !local, p.Deleting,
		has("network=vlan-8"),
		!local && len(p.Namespaces) > 0 && !slices.Contains(p.Namespaces, viptest.Namespace),
		len(p.Clusters) > 0 && !named && !entry(viptest.Namespace, "*"):
		return 0, false
	case named:
		specific = 6
	case len(p.Variables) > 0:
		specific = 4
	case local:
		specific = 2
	case class:
		specific = 1
	default:
		specific = 0
	}
	if local {
		specific++
	}
	return 1 + specific, !p.Closed && !has("large=x")
}

// Whatever pools there are, in whatever order: Choose picks from the most specific ones that serve, full or not. It
// never uses a less specific one while these serve, or while an unreadable pool might.
func TestTiersNeverSpillOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pools := randomPools(t)
		cluster := onVLAN7(has("large", ""))
		best, floor, shut, bestLocal := 0, 0, false, false
		for i := range pools {
			specific, serves := standing(&pools[i])
			global := pools[i].Namespace == ""
			switch {
			case serves && specific > best:
				best, bestLocal = specific, !global
			case serves:
			case specific > 0 && (!pools[i].Closed || !global):
				floor = max(floor, specific)
				shut = shut || pools[i].Unread
			}
		}
		choice := vip.Choose(&cluster, pools, names.RoleControlPlane)
		for _, pool := range choice.Candidates {
			specific, serves := standing(pool)
			require.True(t, serves)
			require.GreaterOrEqual(t, specific, floor, "%s", pool.Ref)
			require.LessOrEqual(t, choice.Tier, pool.BestTier(), "%s", pool.Ref)
			require.False(t, shut && pool.Namespace == "", "%s", pool.Ref)
			require.Equal(t, best, specific, "%s", pool.Ref)
		}
		require.Equal(t, len(choice.Candidates) > 0, choice.Pool != nil)
		require.Equal(t, choice.Pool != nil, choice.Tier != vip.TierNone)
		if best > 0 && best >= floor && (!shut || bestLocal) {
			require.NotNil(t, choice.Pool)
		}
		shuffled := rapid.Permutation(pools).Draw(t, "pools")
		other := vip.Choose(&cluster, shuffled, names.RoleControlPlane)
		require.Equal(t, choice, other, "the order means nothing")
		requireSameInAnyOrder(t, vip.Snapshot{
			Now: viptest.Now, Settings: vip.Settings{DefaultPort: viptest.DefaultPort}, Cluster: cluster,
			ClusterClass: &vip.ClusterClass{}, Pools: pools,
		})
		for i := range pools { // free addresses decide within a tier, never about it
			viptest.Full(&pools[i])
		}
		full := vip.Choose(&cluster, pools, names.RoleControlPlane)
		require.Equal(t, choice.Tier, full.Tier)
		require.Len(t, full.Candidates, len(choice.Candidates))
	})
}

// Whatever becomes of the pools, a served Cluster keeps what it has.
func TestServedWhateverThePools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot := viptest.Snapshot(viptest.Served())
		for _, pool := range randomPools(t) {
			if rapid.Bool().Draw(t, "is the pool of the claim") {
				pool.Ref = viptest.GlobalRef("cp")
			}
			snapshot.Pools = append(snapshot.Pools, pool)
		}
		require.Empty(t, viptest.Breaches(&snapshot, vip.Decide(snapshot)))
		for _, action := range vip.Decide(snapshot).Actions {
			switch action.(type) {
			case vip.DeleteClaim, vip.ReplaceClaim, vip.SetEndpoint:
				t.Fatalf("%s", action)
			}
		}
	})
}
