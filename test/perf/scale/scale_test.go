package scale

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// TestScale is the short form: few Clusters, and only what must hold on any machine. The operator writes nothing
// while nothing happens or at a start, looks at each Cluster once for each reason, and a pool wakes only the Clusters
// that it concerns.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real control plane")
	}
	o := &options{}
	require.NoError(t, measure.Parse(o, "--sizes=100,250", "--reconcile-period=2s", "--settled=7s",
		"--settled-smaller=7s", "--restarts=1", "--newcomers=2"))
	o.progress = t.Output()
	r, err := run(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, r.print(t.Output()))
	require.Len(t, r.sizes, 2)
	for _, f := range r.sizes {
		assert.GreaterOrEqual(t, f.settled.looks, 2*f.size, "it was watched for several reconcile periods")
		assert.Len(t, f.wakings, 5)
		assert.Len(t, f.checks, asks)
		assert.Len(t, f.fetches, asks)
	}
	assert.NoError(t, r.broken())
}

func TestBroken(t *testing.T) {
	sound := func() *figures {
		return &figures{
			size: 100, settled: settled{looks: 200, atMost: 300}, starts: []start{{looks: 100}},
			wakings: []waking{{what: "it rains", concerned: 7, looks: 7}},
		}
	}
	for name, test := range map[string]struct {
		change func(*figures)
		want   string
	}{
		"if all holds, should be content": {func(*figures) {}, ""},
		"if a settled operator writes, should say what": {
			func(f *figures) { f.settled.writes = map[string]int{"patch clusters": 1} }, "patch clusters:1",
		},
		"if a settled operator is busy, should say so": {
			func(f *figures) { f.settled.looks = 301 }, "301 times, and 300 are enough",
		},
		"if an operator that starts writes, should say what": {
			func(f *figures) { f.starts[0].writes = map[string]int{"create events": 2} }, "create events:2",
		},
		"if an operator that starts looks twice, should say so": {
			func(f *figures) { f.starts[0].looks = 200 }, "that starts looks at Clusters 200 times",
		},
		"if a pool wakes others too, should say so": {
			func(f *figures) { f.wakings[0].looks = 100 }, "when it rains, which concerns 7 Clusters",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			test.change(f)
			err := (&results{sizes: []*figures{f}}).broken()
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestTemplate(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"kind": "Cluster",
		"metadata": map[string]any{
			"name": modelCluster, "uid": "u", "resourceVersion": "7", "generation": int64(3), "managedFields": []any{},
			"creationTimestamp": "2026-01-01T00:00:00Z",
		},
		"status": map[string]any{"observedGeneration": int64(3), "conditions": []any{
			map[string]any{"type": "A", "observedGeneration": int64(2)},
		}},
	}}
	made, err := newTemplate(clusters, object)
	require.NoError(t, err)
	const status = `"status":{"conditions":[{"observedGeneration":1,"type":"A"}],"observedGeneration":1}`
	assert.JSONEq(t, `{"kind":"Cluster","metadata":{"name":"scale-model-cluster"},`+status+`}`, made.created)
	assert.JSONEq(t, `{"kind":"Cluster","metadata":{"name":"scale-model-cluster","uid":"SCALE-UID",`+
		`"resourceVersion":"SCALE-RESOURCE-VERSION"},`+status+`}`, made.updated)
	assert.Equal(t, "u", string(object.GetUID()), "the model stays as it is")
}

func TestTenantsShareNoAddress(t *testing.T) {
	seen := map[string]bool{}
	for number := range 600 {
		for i := range perTenant {
			for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
				address := tenant{number: number}.address(role, i)
				require.False(t, seen[address], address)
				seen[address] = true
			}
		}
	}
}

func TestParseOptions(t *testing.T) {
	for args, want := range map[string]string{
		"--sizes=0": "not between", "--sizes=200,100": "only grows", "--restarts=0": "at least 1",
		"--settled=1s": "at least the --reconcile-period",
	} {
		err := measure.Parse(&options{}, args)
		require.ErrorContains(t, err, want)
	}
	o := &options{}
	require.NoError(t, measure.Parse(o))
	assert.Equal(t, 10*time.Minute, o.settled)
}
