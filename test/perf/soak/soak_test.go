package soak

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// TestSoak is the short form: enough Clusters come and go to fill the caches of events, and some more.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Cleanup(func() { assert.NoError(t, harness.CleanBuilds()) })
	o := &options{}
	require.NoError(t, measure.Parse(o, "--warmup=12000", "--every=1000", "--cycles=6000"))
	o.progress = t.Output()
	r, err := run(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, r.print(t.Output()))
	assert.Len(t, r.samples, 7)
	assert.NoError(t, r.broken())
}

func TestBroken(t *testing.T) {
	grown := func(change func(i int, s *sample)) *results {
		r := newResults()
		for i := range 11 {
			s := sample{cycles: i * 10_000, heap: 10 << 20, goroutines: 100, series: 100, files: 40}
			change(i, &s)
			r.samples = append(r.samples, s)
		}
		return r
	}
	for name, test := range map[string]struct {
		change func(int, *sample)
		want   string
	}{
		"if nothing grows, should be content": {func(int, *sample) {}, ""},
		"if the heap goes up and down, should be content": {
			func(i int, s *sample) { s.heap += int64(i%3) << 16 }, "",
		},
		"if the heap grows once, should be content": {
			func(i int, s *sample) { s.heap += int64(min(i, 2)) << 20 }, "",
		},
		"if a Cluster leaves 100 bytes behind, should say so": {
			func(i int, s *sample) { s.heap += int64(i) * 10_000 * 100 }, "by 100 bytes with each Cluster",
		},
		"if a Cluster leaves a series behind, should say so": {
			func(i int, s *sample) { s.series += i * 10_000 }, "from 100 series to 100100",
		},
		"if goroutines stay behind, should say so": {
			func(i int, s *sample) { s.goroutines += i * 5 }, "150 goroutines",
		},
		"if files stay open, should say so": {
			func(i int, s *sample) { s.files += i * 5 }, "90 open files",
		},
		"if requests come and go, should not mind a few files": {func(i int, s *sample) { s.files += i }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := grown(test.change)
			require.NoError(t, r.print(&bytes.Buffer{}))
			err := r.broken()
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestPrintAfterAnInterrupt(t *testing.T) {
	r := newResults()
	r.samples = append(r.samples, sample{heap: 10 << 20})
	var out bytes.Buffer
	require.NoError(t, r.print(&out))
	assert.Contains(t, out.String(), "10.0 MiB")
	assert.NoError(t, r.broken())
}

func TestParseOptions(t *testing.T) {
	err := measure.Parse(&options{}, "--cycles=10", "--every=5")
	require.ErrorContains(t, err, "three times")
	o := &options{}
	require.NoError(t, measure.Parse(o))
	assert.Equal(t, 100_000, o.cycles)
}

func TestChoose(t *testing.T) {
	all := []life{{name: "a", often: 2}, {name: "b", often: 1}}
	for number, want := range []string{"a", "a", "b"} {
		assert.Equal(t, want, choose(all, number).name)
	}
}
