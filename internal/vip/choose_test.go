package vip_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func cpPool(name string, overrides ...func(*vip.Pool)) vip.Pool {
	return viptest.Pool(name, names.RoleControlPlane, overrides...)
}

func priority(n int) func(*vip.Pool) { return func(p *vip.Pool) { p.Priority = n } }

func classes(classes ...vip.Class) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Classes = classes }
}

func namespaces(namespaces ...string) func(*vip.Pool) {
	return func(p *vip.Pool) { p.Namespaces = namespaces }
}

func clusters(entries ...string) func(*vip.Pool) {
	return func(p *vip.Pool) {
		for _, entry := range entries {
			namespace, name, _ := strings.Cut(entry, "/")
			p.Clusters = append(p.Clusters, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
}

func TestChoose(t *testing.T) {
	local := viptest.Local(viptest.Namespace)
	unknown := func(p *vip.Pool) { p.Capacity = vip.Capacity{} }
	empty := func(p *vip.Pool) { p.Capacity = vip.Capacity{Known: true} }
	deleting := func(p *vip.Pool) { p.Deleting = true }
	closed := func(p *vip.Pool) { p.Closed = true }
	tests := map[string]struct {
		pools     []vip.Pool
		want      string
		exhausted bool
		// verdicts are those on the pools, in order.
		verdicts []vip.Verdict
	}{
		"if there is no pool, should choose none": {},
		"if a pool serves another role, should choose none": {
			pools:    []vip.Pool{viptest.Pool("web", names.RoleIngress)},
			verdicts: []vip.Verdict{vip.VerdictOtherRole},
		},
		"if a pool serves another class, should choose none": {
			pools:    []vip.Pool{cpPool("a", classes(vip.Class{Name: "vsphere"}))},
			verdicts: []vip.Verdict{vip.VerdictOtherClass},
		},
		"if a pool serves several classes, should find the Cluster's among them": {
			pools: []vip.Pool{cpPool("a", classes(vip.Class{Name: "vsphere"}, vip.Class{Name: viptest.ClassName}))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if the class is qualified by its namespace, should choose the pool": {
			pools: []vip.Pool{cpPool("a", classes(vip.Class{Namespace: viptest.Namespace, Name: viptest.ClassName}))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if the class is qualified by another namespace, should not choose the pool": {
			pools:    []vip.Pool{cpPool("a", classes(vip.Class{Namespace: "other", Name: viptest.ClassName}))},
			verdicts: []vip.Verdict{vip.VerdictOtherClass},
		},
		"if a pool serves any class, should choose it": {
			pools: []vip.Pool{cpPool("a", classes(vip.Class{Name: vip.AnyClass}))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a pool names the Cluster, should choose it": {
			pools: []vip.Pool{cpPool("a", clusters("x/y", viptest.Namespace+"/"+viptest.ClusterName))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a pool names all Clusters of the namespace, should choose it": {
			pools: []vip.Pool{cpPool("a", clusters(viptest.Namespace+"/*"))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a pool names another Cluster of the namespace, should not choose it": {
			pools:    []vip.Pool{cpPool("a", clusters(viptest.Namespace+"/other"))},
			verdicts: []vip.Verdict{vip.VerdictOtherCluster},
		},
		"if a pool names a Cluster of that name in another namespace, should not choose it": {
			pools:    []vip.Pool{cpPool("a", clusters("x/"+viptest.ClusterName, "x/*"))},
			verdicts: []vip.Verdict{vip.VerdictOtherNamespace},
		},
		"if a pool names the Cluster, but other namespaces, should not choose it": {
			pools:    []vip.Pool{cpPool("a", namespaces("x"), clusters(viptest.Namespace+"/"+viptest.ClusterName))},
			verdicts: []vip.Verdict{vip.VerdictOtherNamespace},
		},
		"if a namespaced pool is in another namespace, should not choose it": {
			pools:    []vip.Pool{cpPool("a", viptest.Local("other"))},
			verdicts: []vip.Verdict{vip.VerdictOtherNamespace},
		},
		"if a global pool serves other namespaces, should not choose it": {
			pools:    []vip.Pool{cpPool("a", namespaces("x", "y"))},
			verdicts: []vip.Verdict{vip.VerdictOtherNamespace},
		},
		"if a global pool names the namespace, should choose it": {
			pools: []vip.Pool{cpPool("a", namespaces("x", viptest.Namespace))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a namespaced pool carries the namespaces annotation, should ignore it": {
			pools: []vip.Pool{cpPool("a", local, namespaces("x"))},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a pool of the namespace matches, should prefer it to a global one of any priority": {
			pools: []vip.Pool{cpPool("a", priority(100)), cpPool("b", local), cpPool("c", priority(100))},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictLowerTier, vip.VerdictChosen, vip.VerdictLowerTier},
		},
		"if a pool of the namespace is full, should wait and not spill over to a global one": {
			pools: []vip.Pool{cpPool("a"), cpPool("b", local, viptest.Full)},
			want:  "b", exhausted: true, verdicts: []vip.Verdict{vip.VerdictLowerTier, vip.VerdictChosen},
		},
		"if priorities differ, should choose the highest": {
			pools: []vip.Pool{cpPool("a"), cpPool("b", priority(5)), cpPool("c", priority(-5))},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictOutranked, vip.VerdictChosen, vip.VerdictOutranked},
		},
		"if all priorities are negative, should still choose the highest": {
			pools: []vip.Pool{cpPool("a", priority(-2)), cpPool("b", priority(-1))},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictOutranked, vip.VerdictChosen},
		},
		"if priorities are equal, should choose the first name": {
			pools: []vip.Pool{cpPool("b"), cpPool("a")},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictOutranked, vip.VerdictChosen},
		},
		"if the first pool is full, should choose the next with a free address": {
			pools: []vip.Pool{cpPool("a", priority(1), viptest.Full), cpPool("b"), cpPool("c")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictFull, vip.VerdictChosen, vip.VerdictOutranked},
		},
		"if all pools are full, should choose the first and say so": {
			pools: []vip.Pool{cpPool("b", viptest.Full), cpPool("a", viptest.Full)},
			want:  "a", exhausted: true, verdicts: []vip.Verdict{vip.VerdictFull, vip.VerdictChosen},
		},
		"if a pool has no addresses at all, should call it exhausted": {
			pools: []vip.Pool{cpPool("a", empty)},
			want:  "a", exhausted: true, verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if the provider has not counted yet, should take the pool as free": {
			pools: []vip.Pool{cpPool("a", viptest.Full, unknown)},
			want:  "a", verdicts: []vip.Verdict{vip.VerdictChosen},
		},
		"if a pool is being deleted, should not choose it": {
			pools: []vip.Pool{cpPool("a", deleting), cpPool("b")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictDeleting, vip.VerdictChosen},
		},
		"if a pool is closed, should not choose it": {
			pools: []vip.Pool{cpPool("a", closed), cpPool("b")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictClosed, vip.VerdictChosen},
		},
		"if a pool of the namespace is closed, should not spill over to a global one": {
			pools:    []vip.Pool{cpPool("b"), cpPool("a", local, closed), cpPool("c")},
			verdicts: []vip.Verdict{vip.VerdictLowerTier, vip.VerdictClosed, vip.VerdictLowerTier},
		},
		"if one of two pools of the namespace is closed, should choose the other": {
			pools: []vip.Pool{cpPool("a", local, closed), cpPool("b", local), cpPool("c")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictClosed, vip.VerdictChosen, vip.VerdictLowerTier},
		},
		"if the closed pool of a namespace is another one's, should choose a global one": {
			pools: []vip.Pool{cpPool("a", viptest.Local("elsewhere"), closed), cpPool("b")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictOtherNamespace, vip.VerdictChosen},
		},
		"if a closed pool of the namespace is being deleted, should choose a global one": {
			pools: []vip.Pool{cpPool("a", local, closed, deleting), cpPool("b")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictDeleting, vip.VerdictChosen},
		},
		"if the only pool of the namespace is being deleted, should choose a global one": {
			pools: []vip.Pool{cpPool("a", local, deleting), cpPool("b")},
			want:  "b", verdicts: []vip.Verdict{vip.VerdictDeleting, vip.VerdictChosen},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cluster := viptest.Cluster()
			choice := vip.Choose(&cluster, tt.pools, names.RoleControlPlane)
			got := ""
			if choice.Pool != nil {
				got = choice.Pool.Ref.Name
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.exhausted, choice.Exhausted)
			assert.Equal(t, append([]vip.Verdict{}, tt.verdicts...),
				vip.Explain(&cluster, tt.pools, names.RoleControlPlane))
		})
	}
}

func TestChooseRanksCandidates(t *testing.T) {
	cluster := viptest.Cluster()
	pools := []vip.Pool{
		cpPool("d"), cpPool("global", priority(9)), cpPool("c", viptest.Local(viptest.Namespace), viptest.Full),
		cpPool("b", viptest.Local(viptest.Namespace)), cpPool("a", viptest.Local(viptest.Namespace), priority(-1)),
	}
	var got []string
	for _, pool := range vip.Choose(&cluster, pools, names.RoleControlPlane).Candidates {
		got = append(got, pool.Ref.Name)
	}
	assert.Equal(t, []string{"b", "c", "a"}, got,
		"the pools of the namespace alone, full ones too, by priority and then by name")
}
