package move

import (
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/stretchr/testify/require"
)

// TestMove moves a namespace there, while new Clusters keep appearing at the source, and back, while both operators
// are killed on the way.
func TestMove(t *testing.T) {
	source, target := suite.source, suite.target
	o := newTeam(t, source, "team", 61)
	o.fill(source)
	before := o.holds(source)
	require.Len(t, before.addresses, 7)

	t.Run("if a Cluster is paused, should be refused and leave everything as it is", func(t *testing.T) {
		o := o.in(t)
		o.pause(source, "read-0", true)
		_, err := o.clusterctl(source, "--to-kubeconfig="+target.kubeconfig)
		require.ErrorContains(t, err, "while the following Clusters are paused: team/read-0")
		o.pause(source, "read-0", nil)
		require.Equal(t, before, o.holds(source))
		require.Empty(t, target.ClustersIn("team"))
	})
	t.Run("if the operator is not installed at the target, should be refused", func(t *testing.T) {
		o := o.in(t)
		remove := o.inventory(source)
		_, err := o.clusterctl(source, "--to-kubeconfig="+target.kubeconfig)
		require.ErrorContains(t, err, "provider addon-capi-vip-allocator not found in the target cluster")
		remove()
		require.Equal(t, before, o.holds(source))
	})
	t.Run("if it is only tried, should write nothing", func(t *testing.T) {
		o := o.in(t)
		mark := o.mark(source)
		output, err := o.clusterctl(source, "--dry-run")
		require.NoError(t, err)
		require.Contains(t, output, "This is a dry-run move")
		require.Empty(t, o.since(source, mark).ByUserAgent("clusterctl").Writes())
		require.Equal(t, before, o.holds(source))
	})
	t.Run("if Clusters come at the source meanwhile, "+
		"should keep every VIP and give none of them away", func(t *testing.T) {
		o := o.in(t)
		others := o.others(source)
		o.move(source, target)
		taken := others()
		o.arrived(target, before)
		for _, address := range before.values() {
			require.NotContains(t, taken, address)
		}
		o.used(target, "", "team-"+controlPlane, 2)
		o.used(target, "", "team-"+ingress, 4)
		o.used(target, "team", "own", 1)
	})
	t.Run("if it has moved, should leave nothing at the source but addresses of global pools, "+
		"which are still taken", func(t *testing.T) {
		o := o.in(t)
		require.Empty(t, source.ClustersIn("team"))
		require.Empty(t, source.ClaimsIn("team"))
		require.Len(t, source.AddressesIn("team"), 6)
		for _, address := range source.AddressesIn("team") {
			require.Equal(t, before.addresses[address.GetName()], address.Value())
		}
		// From here on only the target allocates from the pools.
		for _, cluster := range source.ClustersIn(staying) {
			o.delete(source, cluster)
		}
		o.used(source, "", "team-"+controlPlane, 2)
		o.used(source, "", "team-"+ingress, 4)
		o.clear(source)
		o.used(source, "", "team-"+controlPlane, 0)
		o.used(source, "", "team-"+ingress, 0)
	})
	t.Run("if it has moved, should heal, serve and release at the target", func(t *testing.T) {
		o := o.in(t)
		none := map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{names.Annotation(ingress): nil}},
		}
		version := target.Cluster("team", "read-0").GetResourceVersion()
		require.NoError(t, harness.Merge(t.Context(), target.Clusters("team"), "read-0", none))
		o.eventually(target, "the watch tells of it", func() error {
			if target.Cluster("team", "read-0").GetResourceVersion() == version {
				return harness.ErrNotYet
			}
			return nil
		})
		o.arrived(target, before)
		o.cluster(target, "later", o.reads)
		for _, address := range o.provisioned(target, "later").Carried() {
			require.NotContains(t, before.values(), address)
		}
		o.delete(target, target.Cluster("team", "read-1"))
		o.used(target, "", "team-"+controlPlane, 2)
		o.used(target, "", "team-"+ingress, 4)
	})
	before = o.holds(target)
	t.Run("if it moves back from pools that serve nobody and both operators are killed, "+
		"should keep every VIP as well", func(t *testing.T) {
		o := o.in(t)
		for _, at := range []*side{source, target} {
			o.documented(at,
				`kubectl label globalinclusterippools --all vip.capi.gorizond.io/cluster-class-`,
				`kubectl -n team label inclusterippools --all vip.capi.gorizond.io/cluster-class-`)
		}
		o.documented(target, `kubectl get crd -l clusterctl.cluster.x-k8s.io | grep ippools`)
		killed := o.killOnTheWay(target, source)
		o.move(target, source)
		require.NoError(t, <-killed)
		o.arrived(source, before)
		o.cluster(source, "last", o.told)
		o.eventually(source, "no pool serves the next Cluster", func() error {
			return saysNoPool(source.Cluster("team", "last"))
		})
		o.serve(source, "team", "own", o.told)
		o.serve(source, "", "team-"+ingress, names.SeeAnnotation)
		for _, address := range o.provisioned(source, "last").Carried() {
			require.NotContains(t, before.values(), address)
		}
	})
	t.Run("if all Clusters are deleted in the end, should have all addresses back", func(t *testing.T) {
		o := o.in(t)
		o.clear(target)
		for _, cluster := range source.ClustersIn("team") {
			o.delete(source, cluster)
		}
		o.used(source, "team", "own", 0)
		for _, side := range []*side{source, target} {
			o.used(side, "", "team-"+controlPlane, 0)
			o.used(side, "", "team-"+ingress, 0)
		}
	})
}
