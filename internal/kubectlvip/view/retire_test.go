package view_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestRetire(t *testing.T) {
	const role = "storage"
	bound := viptest.WithBound(role, "fast", "10.0.0.30")
	carries := viptest.With(func(c *vip.Cluster) { c.VIPs = map[string]string{role: "10.0.0.30"} })
	unlabelled := viptest.WithPool("fast", role, func(p *vip.Pool) { p.Roles = nil })
	all := view.Retired{
		Namespace: viptest.Namespace, Name: viptest.ClusterName, Claim: "vip-storage-prod",
		Pool:       "GlobalInClusterIPPool/fast",
		Annotation: names.Annotation(role), Address: "10.0.0.30",
	}
	claimOnly, annotationOnly := all, all
	claimOnly.Annotation, claimOnly.Address = "", ""
	annotationOnly.Claim, annotationOnly.Pool = "", ""
	for name, test := range map[string]struct {
		given     []viptest.Option
		namespace string
		class     string
		want      []view.Retired
		// kept is part of the reason why the Cluster keeps what it has; empty if it does not.
		kept string
	}{
		"if no pool serves the role any more, should take claim and annotation": {
			given: []viptest.Option{unlabelled, bound, carries}, want: []view.Retired{all},
		},
		"if nothing was written yet, should take the claim": {
			given: []viptest.Option{unlabelled, bound}, want: []view.Retired{claimOnly},
		},
		"if the claim is gone, should take the annotation": {
			given: []viptest.Option{unlabelled, carries}, want: []view.Retired{annotationOnly},
		},
		"if the claim goes already, should take the annotation": {
			given: []viptest.Option{
				unlabelled,
				viptest.WithBound(role, "fast", "10.0.0.30", func(c *vip.Claim) { c.Deleting = true }), carries,
			},
			want: []view.Retired{annotationOnly},
		},
		"if a restore took the owner away, should take it": {
			given: []viptest.Option{
				unlabelled, viptest.WithBound(role, "fast", "10.0.0.30", func(c *vip.Claim) { c.Owner = nil }), carries,
			},
			want: []view.Retired{all},
		},
		"if the role is misspelled on the pool, should take it": {
			given: []viptest.Option{viptest.WithPool("fast", names.RoleIngress), bound, carries},
			want:  []view.Retired{all},
		},
		"if a pool serves the role, should keep it and name the pool": {
			given: []viptest.Option{viptest.WithPool("fast", role), bound, carries}, kept: "GlobalInClusterIPPool/fast",
		},
		"if another pool serves the role, should keep it": {
			given: []viptest.Option{unlabelled, viptest.WithPool("slow", role, viptest.Full), bound},
			kept:  "GlobalInClusterIPPool/slow",
		},
		"if the pool is closed by a slip, should keep it": {
			given: []viptest.Option{viptest.WithPool("fast", role, func(p *vip.Pool) { p.Closed = true }), bound},
			kept:  "GlobalInClusterIPPool/fast",
		},
		"if a pool serves another class in it, should take it": {
			given: []viptest.Option{
				viptest.WithPool("fast", role, func(p *vip.Pool) { p.Classes = []vip.Class{{Name: "other"}} }),
				bound, carries,
			},
			want: []view.Retired{all},
		},
		"if the Cluster is paused, should keep it": {
			given: []viptest.Option{unlabelled, bound, viptest.With(func(c *vip.Cluster) { c.Paused = true })},
			kept:  "paused",
		},
		"if the claim is another's, should keep the annotation": {
			given: []viptest.Option{unlabelled, viptest.WithBound(role, "fast", "10.0.0.30",
				func(c *vip.Claim) { c.Owner.UID = "another" }), carries}, kept: "belongs to something else",
		},
		"if the Cluster has nothing of it, should leave it out": {given: []viptest.Option{unlabelled}},
		"if the Cluster is being deleted, should leave it out": {
			given: []viptest.Option{unlabelled, bound, viptest.With(func(c *vip.Cluster) { c.Deleting = true })},
		},
		"if it is in another namespace, should leave it out": {
			given: []viptest.Option{unlabelled, bound}, namespace: "other",
		},
		"if it is in the namespace, should take it": {
			given: []viptest.Option{unlabelled, bound}, namespace: viptest.Namespace, want: []view.Retired{claimOnly},
		},
		"if it is of another class, should leave it out": {
			given: []viptest.Option{unlabelled, bound}, class: "other",
		},
		"if it is of the class, should take it": {
			given: []viptest.Option{unlabelled, bound}, class: viptest.ClassName, want: []view.Retired{claimOnly},
		},
		"if it is of the class of that namespace, should take it": {
			given: []viptest.Option{unlabelled, bound}, class: viptest.Namespace + "/" + viptest.ClassName,
			want: []view.Retired{claimOnly},
		},
		"if the class is that of another namespace, should leave it": {
			given: []viptest.Option{unlabelled, bound}, class: "other/" + viptest.ClassName,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := viptest.Snapshot(test.given...)
			f := &view.Facts{Snapshots: []vip.Snapshot{s}}
			for _, pool := range s.Pools {
				f.Pools = append(f.Pools, view.PoolFacts{Pool: pool})
			}
			r := view.Retire(f, test.namespace, test.class, role)
			assert.Equal(t, append([]view.Retired{}, test.want...), r.Clusters)
			if test.kept == "" {
				assert.Empty(t, r.Kept)
				return
			}
			require.Len(t, r.Kept, 1)
			assert.Contains(t, r.Kept[0].Why, test.kept)
		})
	}
}
