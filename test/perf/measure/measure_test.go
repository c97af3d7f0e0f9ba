package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

func TestSample(t *testing.T) {
	for name, test := range map[string]struct {
		sample              Sample[int]
		median, p99, lo, hi int
	}{
		"if nothing was measured, should be zero":          {},
		"if there is one value, should be that everywhere": {Sample[int]{7}, 7, 7, 7, 7},
		"if the number is even, should take the lower one": {Sample[int]{4, 1, 3, 2}, 2, 4, 1, 4},
		"if there are many, should take the nearest rank":  {hundred(), 50, 99, 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.median, test.sample.Median())
			assert.Equal(t, test.p99, test.sample.P99())
			assert.Equal(t, test.lo, test.sample.Least())
			assert.Equal(t, test.hi, test.sample.Most())
		})
	}
}

func hundred() Sample[int] {
	var s Sample[int]
	for i := range 100 {
		s = append(s, 100-i)
	}
	return s
}

func TestShares(t *testing.T) {
	begin := time.Now()
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	bound := plane.Entry{
		User: IPAMUser, Verb: "patch", Resource: "ipaddressclaims", Subresource: "status", Namespace: "n",
		Name: "vip-cp-c",
		Time: at(10), Duration: 5 * time.Millisecond, Code: 200,
	}
	patch := plane.Entry{
		User: harness.User, Verb: "patch", Resource: "clusters", Namespace: "n", Name: "c",
		Duration: 8 * time.Millisecond, Code: 200,
	}
	finalizer, endpoint, restored, refused := patch, patch, patch, patch
	finalizer.URI, finalizer.Time = "/clusters/c?fieldManager=x&force=true", at(1)
	refused.Code, refused.Time = 422, at(16)
	endpoint.Time = at(18)
	restored.Time = at(900)

	list := Shares(plane.Entries{finalizer, bound, refused, endpoint, restored}, "n")
	assert.Equal(t, []Share{{Reaction: 3 * time.Millisecond, Request: 8 * time.Millisecond}}, list)
	assert.Empty(t, Shares(plane.Entries{finalizer, bound}, "n"), "nothing was written")
	assert.Empty(t, Shares(plane.Entries{bound, endpoint}, "other"), "another run")
}

func TestOperatorWrites(t *testing.T) {
	entries := plane.Entries{
		{User: harness.User, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 200},
		{User: harness.User, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 422},
		{User: harness.User, Verb: "create", Resource: "events", Code: 201},
		{User: harness.User, Verb: "get", Group: "cluster.x-k8s.io", Resource: "clusters", Code: 200},
		{
			User: CAPIUser, Verb: "patch", Group: "cluster.x-k8s.io", Resource: "clusters",
			Subresource: "status", Code: 409,
		},
	}
	writes, refused := OperatorWrites(entries)
	assert.Equal(t, map[string]int{"patch clusters.cluster.x-k8s.io": 2}, writes)
	assert.Equal(t, 1, refused)
	assert.Equal(t, map[string]int{"patch clusters.cluster.x-k8s.io/status": 1}, Conflicts(entries, CAPIUser))
}
