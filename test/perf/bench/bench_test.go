package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

func TestObserverNotesTheFirstMoments(t *testing.T) {
	o := &observer{done: (*moments).served, clusters: map[string]*moments{}, owners: map[string]string{}}
	o.expect("c")
	claim := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "vip-cp-c"},
		"status":   map[string]any{"addressRef": map[string]any{"name": "vip-cp-c"}},
	}}
	cluster := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{
			"name": "c", "annotations": map[string]any{"vip.capi.gorizond.io/ingress": "10.0.0.2"},
		},
		"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "10.0.0.1"}},
	}}
	begin := time.Now()
	assert.Equal(t, 1, o.missing())
	for i := range 2 {
		o.claim(claim, begin.Add(time.Duration(i)*time.Minute))
		o.cluster(cluster, begin.Add(time.Second+time.Duration(i)*time.Minute))
	}
	seen := o.one("c")
	assert.Equal(t, time.Second, seen.share())
	assert.Zero(t, o.missing())
}

func TestReportNamesEveryTarget(t *testing.T) {
	now := time.Now()
	m := &moments{
		created: now, boundControlPlane: now, boundOther: now, endpoint: now.Add(20 * time.Millisecond), ingress: now,
	}
	with := &storm{
		took: 12 * time.Second, moments: []*moments{m}, shares: []measure.Share{{}},
		conflicts: map[string]int{"patch clusters": 3},
		writes: map[string]int{
			"patch clusters.cluster.x-k8s.io": 2, "create ipaddressclaims.ipam.cluster.x-k8s.io": 2,
		},
	}
	r := &results{
		options:         &options{clusters: []int{1}, singles: 1},
		floorSingles:    &singles{moments: []*moments{m}},
		operatorSingles: &singles{moments: []*moments{m}, shares: []measure.Share{{}}},
		siege: &siege{
			quiet: measure.Sample[time.Duration]{time.Second}, crowded: measure.Sample[time.Duration]{2 * time.Second},
			edited: measure.Sample[time.Duration]{3 * time.Second}, after: harness.Usage{PeakRSS: 1 << 30},
		},
		pairs: []pair{{size: 1, floor: &storm{took: 10 * time.Second}, operator: with}},
	}
	var out bytes.Buffer
	require.NoError(t, r.print(&out))
	for _, expected := range []string{
		`own share as a client sees it.* 20.0 ms / 20.0 ms +15 ms / 60 ms +MISS`,
		`own share as the API server sees it +0.0 ms / 0.0 ms +15 ms / 60 ms +pass`,
		`ratio of the two, pair by pair +1.20 +1.10 +MISS`,
		`writes per Cluster +4.00 +6 +pass`,
		`of which on the Cluster +2.00 +3 +pass`,
		`writes when settled +0 +0 +pass`,
		`at its peak +0.0 MiB +80 MiB +pass`,
		`patch clusters +3, floor 0`,
		`beside hostile Clusters +2000.0 ms / 2000.0 ms +twice the quiet p99 +pass`,
		`while they change \(0 changes\) +3000.0 ms / 3000.0 ms +twice the quiet p99 +MISS`,
		`memory at its peak +1024.0 MiB +512 MiB .* +MISS`,
	} {
		assert.Regexp(t, expected, out.String())
	}
}

func TestOptionsAreRefusedTogether(t *testing.T) {
	err := measure.Parse(&options{}, "--clusters=0,10", "--only=storm,other", "--repeat=0")
	require.ErrorContains(t, err, "--clusters: 0")
	require.ErrorContains(t, err, `"other"`)
	require.ErrorContains(t, err, "--repeat")
}
