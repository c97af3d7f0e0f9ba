package soak

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// mostForEach is how many bytes the heap may grow with each Cluster that has come and gone: less than its key in
	// a map would take.
	mostForEach = 40
	// noise is how many bytes two measurements of the same heap may differ by.
	noise = 512 << 10
	// spare is how many goroutines, files and series may come and go: for requests in progress, and for kinds of
	// failures.
	spare = 12
)

// results holds what was seen.
type results struct {
	machine string
	samples []sample
	lived   map[string]int
	took    time.Duration
}

func newResults() *results {
	return &results{machine: measure.DescribeMachine(), lived: map[string]int{}}
}

func (r *results) add(lived map[string]int, took time.Duration) {
	for name, count := range lived {
		r.lived[name] += count
	}
	r.took += took
}

// slope returns how many bytes the heap grows with each cycle: the median over the stretches between the samples.
// What every Cluster leaves behind shows in all of them; a map or a history that grows to its full size once shows in
// one or two.
func slope(samples []sample) float64 {
	growth := make([]float64, 0, len(samples))
	for i := range samples[1:] {
		growth = append(growth,
			float64(samples[i+1].heap-samples[i].heap)/float64(samples[i+1].cycles-samples[i].cycles))
	}
	if len(growth) == 0 {
		return 0 // it was interrupted after the first
	}
	slices.Sort(growth)
	return (growth[(len(growth)-1)/2] + growth[len(growth)/2]) / 2
}

// broken returns what of the Clusters has stayed behind.
func (r *results) broken() error {
	if len(r.samples) < 2 {
		return nil
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	var problems []error
	grown := slope(r.samples) * float64(last.cycles-first.cycles)
	if allowed := noise + mostForEach*float64(last.cycles-first.cycles); grown > allowed {
		problems = append(problems,
			fmt.Errorf("the heap grows by %.0f bytes with each Cluster that comes and goes", slope(r.samples)))
	}
	if last.series > first.series+spare {
		problems = append(problems, fmt.Errorf("the metrics grow from %d series to %d", first.series, last.series))
	}
	if last.goroutines > first.goroutines+spare {
		problems = append(problems,
			fmt.Errorf("there are %d goroutines, and were %d", last.goroutines, first.goroutines))
	}
	if last.files > first.files+spare {
		problems = append(problems, fmt.Errorf("there are %d open files, and were %d", last.files, first.files))
	}
	return errors.Join(problems...)
}

func (r *results) print(out io.Writer) error {
	if len(r.samples) == 0 {
		return nil
	}
	table := [][]string{{"Clusters gone", "heap", "RSS", "goroutines", "series", "open files"}}
	for _, s := range r.samples {
		table = append(table, []string{
			strconv.Itoa(s.cycles), measure.Mebibytes(s.heap), measure.Mebibytes(s.rss), strconv.Itoa(s.goroutines),
			strconv.Itoa(s.series), strconv.Itoa(s.files),
		})
	}
	sections := []measure.Section{
		{Title: "What the operator holds, after a collection and with nothing left to do", Rows: table},
	}
	cycles, growth := r.samples[len(r.samples)-1].cycles, slope(r.samples)
	summary := [][]string{
		{
			"heap for each Cluster that has come and gone", fmt.Sprintf("%.1f bytes", growth),
			measure.Verdict(strconv.Itoa(mostForEach), growth <= mostForEach),
		},
	}
	if r.took > 0 {
		summary = append(summary, []string{"lives in a second", fmt.Sprintf("%.0f", float64(cycles)/r.took.Seconds())})
	}
	for _, name := range slices.Sorted(maps.Keys(r.lived)) {
		summary = append(summary, []string{"a Cluster that " + name, strconv.Itoa(r.lived[name])})
	}
	return measure.Print(out, r.machine, append(sections, measure.Section{Title: "Lives", Rows: summary})...)
}
