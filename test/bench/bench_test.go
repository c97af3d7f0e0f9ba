package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/test/harness"
	"github.com/gorizond/capi-vip-allocator/test/plane"
)

func TestSample(t *testing.T) {
	for name, test := range map[string]struct {
		sample              sample[int]
		median, p99, lo, hi int
	}{
		"if nothing was measured, should be zero":          {},
		"if there is one value, should be that everywhere": {sample[int]{7}, 7, 7, 7, 7},
		"if the number is even, should take the lower one": {sample[int]{4, 1, 3, 2}, 2, 4, 1, 4},
		"if there are many, should take the nearest rank":  {hundred(), 50, 99, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.median, test.sample.median())
			assert.Equal(t, test.p99, test.sample.p99())
			assert.Equal(t, test.lo, test.sample.least())
			assert.Equal(t, test.hi, test.sample.most())
		})
	}
}

func hundred() sample[int] {
	var s sample[int]
	for i := range 100 {
		s = append(s, 100-i)
	}
	return s
}

func TestShares(t *testing.T) {
	begin := time.Now()
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	bound := plane.Entry{
		User: ipamUser, Verb: "patch", Resource: "ipaddressclaims", Subresource: "status", Namespace: "n", Name: "vip-cp-c",
		Time: at(10), Duration: 5 * time.Millisecond, Code: 200,
	}
	patch := plane.Entry{User: harness.User, Verb: "patch", Resource: "clusters", Namespace: "n", Name: "c", Duration: 8 * time.Millisecond, Code: 200}
	finalizer, endpoint, restored, refused := patch, patch, patch, patch
	finalizer.URI, finalizer.Time = "/clusters/c?fieldManager=x&force=true", at(1)
	refused.Code, refused.Time = 422, at(16)
	endpoint.Time = at(18)
	restored.Time = at(900)

	list := shares(plane.Entries{finalizer, bound, refused, endpoint, restored}, "n")
	assert.Equal(t, []share{{reaction: 3 * time.Millisecond, request: 8 * time.Millisecond}}, list)
	assert.Empty(t, shares(plane.Entries{finalizer, bound}, "n"), "nothing was written")
	assert.Empty(t, shares(plane.Entries{bound, endpoint}, "other"), "another run")
}

func TestOperatorWrites(t *testing.T) {
	entries := plane.Entries{
		{User: harness.User, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 200},
		{User: harness.User, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 422},
		{User: harness.User, Verb: "create", Resource: "events", Code: 201},
		{User: harness.User, Verb: "get", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 200},
		{User: capiUser, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters", Subresource: "status", Code: 409},
	}
	writes, refused := operatorWrites(entries)
	assert.Equal(t, map[string]int{"patch clusters.cluster.x-k8s.io": 2}, writes)
	assert.Equal(t, 1, refused)
	assert.Equal(t, map[string]int{"patch clusters.cluster.x-k8s.io/status": 1}, conflicts(entries, capiUser))
}

func TestObserverNotesTheFirstMoments(t *testing.T) {
	o := &observer{done: (*moments).served, clusters: map[string]*moments{}, owners: map[string]string{}}
	o.expect("c")
	claim := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "vip-cp-c"}, "status": map[string]any{"addressRef": map[string]any{"name": "vip-cp-c"}},
	}}
	cluster := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "c", "annotations": map[string]any{"vip.capi.gorizond.io/ingress": "10.0.0.2"}},
		"spec":     map[string]any{"controlPlaneEndpoint": map[string]any{"host": "10.0.0.1"}},
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
	m := &moments{created: now, boundControlPlane: now, boundOther: now, endpoint: now.Add(20 * time.Millisecond), ingress: now}
	with := &storm{
		took: 12 * time.Second, moments: []*moments{m}, shares: []share{{}}, conflicts: map[string]int{"patch clusters": 3},
		writes: map[string]int{"patch clusters.cluster.x-k8s.io": 2, "create ipaddressclaims.ipam.cluster.x-k8s.io": 2},
	}
	r := &results{
		options:      &options{clusters: []int{1}, singles: 1},
		floorSingles: &singles{moments: []*moments{m}}, operatorSingles: &singles{moments: []*moments{m}, shares: []share{{}}},
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
	} {
		assert.Regexp(t, expected, out.String())
	}
}

func TestOptionsAreRefusedTogether(t *testing.T) {
	_, err := parseOptions([]string{"--clusters=0,10", "--only=storm,other", "--repeat=0"})
	require.ErrorContains(t, err, "--clusters: 0")
	require.ErrorContains(t, err, `"other"`)
	require.ErrorContains(t, err, "--repeat")
}
