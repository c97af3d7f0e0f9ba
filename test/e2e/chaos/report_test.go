package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// report counts what was done and what it showed.
type report struct {
	begin              time.Time
	cases              int
	failures           []string
	operations, faults map[string]int
	requests           map[string]int
	calm, faulty       []time.Duration
	checks             map[string]int
	changes            int
}

func newReport() *report {
	return &report{
		begin: time.Now(), operations: map[string]int{}, faults: map[string]int{}, requests: map[string]int{},
		checks: map[string]int{},
	}
}

func (r *report) failed() int { return len(r.failures) }

// ended counts a case; failure is why it failed, or nil.
func (r *report) ended(seed uint64, failure error) {
	r.cases++
	if failure != nil {
		r.failures = append(r.failures,
			fmt.Sprintf("make chaos %s=%d %s=1: %s", seedVariable, seed, countVariable, failure))
	}
}

// did counts an operation or a fault.
func (r *report) did(name string, fault bool) {
	if fault {
		r.faults[name]++
		return
	}
	r.operations[name]++
}

// quiet records how long it took until everything was as it must be.
func (r *report) quiet(took time.Duration, faults bool) {
	if faults {
		r.faulty = append(r.faulty, took)
		return
	}
	r.calm = append(r.calm, took)
}

// checked counts how often a check found what it must.
func (r *report) checked(what string, times int) { r.checks[what] += times }

// String implements fmt.Stringer.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d cases in %s, %d failed\n", r.cases, time.Since(r.begin).Round(time.Second), len(r.failures))
	for _, failure := range r.failures {
		fmt.Fprintf(&b, "  failed: %s\n", failure)
	}
	table := func(title string, counts map[string]int) {
		sum := 0
		for _, count := range counts {
			sum += count
		}
		fmt.Fprintf(&b, "%s: %d\n", title, sum)
		for _, name := range slices.SortedFunc(maps.Keys(counts),
			func(x, y string) int { return counts[y] - counts[x] }) {
			fmt.Fprintf(&b, "  %6d %s\n", counts[name], name)
		}
	}
	table("operations", r.operations)
	table("faults", r.faults)
	table("requests of the operator that met a fault in the proxy", r.requests)
	fmt.Fprintf(&b, "time to quiet: after faults %s, after operations alone %s\n", spread(r.faulty), spread(r.calm))
	fmt.Fprintf(&b, "changes of Clusters and claims that the guard looked at: %d\n", r.changes)
	table("checks passed", r.checks)
	return b.String()
}

// spread formats the median and the 99th percentile.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(all))
	at := func(share float64) time.Duration {
		return sorted[int(share*float64(len(sorted)-1))].Round(10 * time.Millisecond)
	}
	return fmt.Sprintf("median %s, 99th percentile %s, longest %s (%d times)",
		at(0.5), at(0.99), sorted[len(sorted)-1].Round(10*time.Millisecond), len(sorted))
}
