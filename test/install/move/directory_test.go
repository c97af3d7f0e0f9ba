package move

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDirectory writes a namespace to files, and restores it in another management cluster.
func TestDirectory(t *testing.T) {
	source, target := suite.source, suite.target
	o := newTeam(t, source, "saved", 62)
	o.fill(source)
	before := o.holds(source)
	dir := t.TempDir()

	_, err := o.clusterctl(source, "--to-directory="+dir)
	require.NoError(t, err)
	o.arrived(source, before)
	o.delete(source, source.Cluster("saved", "read-0")) // the source still works

	mark := o.mark(target)
	_, err = o.clusterctl(source, "--from-directory="+dir, "--to-kubeconfig="+target.kubeconfig)
	require.NoError(t, err)
	o.arrived(target, before)
	o.untouched(target, mark)
	o.used(target, "", "saved-"+controlPlane, 2)
	o.used(target, "", "saved-"+ingress, 4)
	o.used(target, "saved", "own", 1)
	for _, at := range []*side{source, target} {
		for _, cluster := range at.ClustersIn("saved") {
			o.delete(at, cluster)
		}
		o.used(at, "", "saved-"+controlPlane, 0)
		o.used(at, "", "saved-"+ingress, 0)
		o.used(at, "saved", "own", 0)
	}
}
