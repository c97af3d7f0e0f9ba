package view_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func TestNamedClusters(t *testing.T) {
	f := &view.Facts{Now: viptest.Now}
	for _, name := range [][2]string{{"blue", "berlin"}, {"blue", "hamburg"}, {"green", "berlin"}, {"cluster", "odd"}} {
		f.Snapshots = append(f.Snapshots, viptest.Snapshot(viptest.With(func(c *vip.Cluster) {
			c.Namespace, c.Name = name[0], name[1]
		})))
	}
	a := view.NewAtlas(f)
	for name, test := range map[string]struct {
		namespace string
		arguments []string
		want      []string
		err       string
	}{
		"if nothing is named, should be all of the namespace": {
			"blue", nil, []string{"blue/berlin", "blue/hamburg"}, "",
		},
		"if nothing is named anywhere, should be all": {
			"", nil, []string{"blue/berlin", "blue/hamburg", "cluster/odd", "green/berlin"}, "",
		},
		"if some are named, should keep their order": {
			"blue", []string{"hamburg", "berlin", "hamburg"}, []string{"blue/hamburg", "blue/berlin"}, "",
		},
		"if the namespace stands before it, should go there": {
			"blue", []string{"green/berlin"}, []string{"green/berlin"}, "",
		},
		"if kubectl has printed it, should understand": {
			"blue", []string{"cluster.cluster.x-k8s.io/berlin"}, []string{"blue/berlin"}, "",
		},
		"if the kind stands before it, should understand": {
			"blue", []string{"clusters/berlin"}, []string{"blue/berlin"}, "",
		},
		"if a namespace is called like the kind, should find": {
			"blue", []string{"cluster/odd"}, []string{"cluster/odd"}, "",
		},
		"if all namespaces are meant, should find all of the name": {
			"", []string{"berlin"}, []string{"blue/berlin", "green/berlin"}, "",
		},
		"if it is misspelled, should say what was meant": {
			"blue", []string{"hambrug"}, nil, `there is no Cluster "hambrug" in namespace blue; did you mean hamburg?`,
		},
		"if it is elsewhere, should say where": {
			"green", []string{"hamburg"}, nil,
			`there is no Cluster "hamburg" in namespace green; did you mean blue/hamburg?`,
		},
		"if there is none like it, should say so": {
			"", []string{"x"}, nil, `there is no Cluster "x" in any namespace`,
		},
		"if the namespace is wrong, should say so": {
			"blue", []string{"red/berlin"}, nil,
			`there is no Cluster "berlin" in namespace red; did you mean blue/berlin?`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clusters, err := view.NamedClusters(a, test.namespace, test.arguments)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			var got []string
			for _, c := range clusters {
				got = append(got, c.Namespace+"/"+c.Name)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestNamedPools(t *testing.T) {
	pools := []view.Pool{
		{Kind: "GlobalInClusterIPPool", Name: "ingress"}, {Kind: "InClusterIPPool", Namespace: "team", Name: "ingress"},
		{Kind: "InClusterIPPool", Namespace: "team", Name: "storage"},
	}
	for argument, want := range map[string]int{
		"ingress": 2, "team/ingress": 1, "GlobalInClusterIPPool/ingress": 1,
		"team/InClusterIPPool/storage": 1, "storage": 1,
	} {
		found, err := view.NamedPools(pools, []string{argument})
		require.NoError(t, err)
		assert.Len(t, found, want, argument)
	}
	for argument, want := range map[string]string{
		"storaeg": "did you mean storage?", "/ingress": `there is no pool "/ingress"`,
		"team/none": "kubectl vip pools -A",
	} {
		_, err := view.NamedPools(pools, []string{argument})
		require.ErrorContains(t, err, want)
	}
	all, err := view.NamedPools(pools, nil)
	require.NoError(t, err)
	assert.Len(t, all, 3)
}
