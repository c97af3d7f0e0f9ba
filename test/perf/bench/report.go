package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// results holds all measurements.
type results struct {
	options                       *options
	machine                       string
	floorSingles, operatorSingles *singles
	pairs                         []pair
	siege                         *siege
}

func (r *results) print(out io.Writer) error {
	var sections []measure.Section
	if r.floorSingles != nil && r.operatorSingles != nil {
		sections = append(sections, measure.Section{
			Title: fmt.Sprintf("(a) One Cluster at a time on a plane at rest, %d times: median / p99",
				r.options.singles),
			Rows: r.singleRows(),
		})
	}
	for _, size := range r.options.clusters {
		pairs := slices.DeleteFunc(slices.Clone(r.pairs), func(p pair) bool { return p.size != size })
		if len(pairs) > 0 {
			sections = append(sections, measure.Section{
				Title: fmt.Sprintf("Storm of %d Clusters with two roles, %d times: median (least to most)",
					size, len(pairs)),
				Rows: r.stormRows(size, pairs),
			})
		}
	}
	if r.siege != nil {
		sections = append(sections, measure.Section{
			Title: fmt.Sprintf("%d hostile Clusters with %d annotations each in another namespace: "+
				"median / p99 of %d Clusters",
				r.options.hostile, lies, r.options.singles),
			Rows: r.siege.rows(),
		})
	}
	return measure.Print(out, r.machine, sections...)
}

func (r *results) singleRows() [][]string {
	seen := func(s *singles, of func(*moments) time.Duration) string {
		return figure(measure.Collect(s.moments, of))
	}
	own := measure.Collect(r.operatorSingles.moments, (*moments).share)
	server := measure.Collect(r.operatorSingles.shares, measure.Share.All)
	rows := [][]string{
		{"floor: creation to both claims bound", seen(r.floorSingles, (*moments).toBound), ""},
		{"creation to both claims bound", seen(r.operatorSingles, (*moments).toBound), ""},
		{"creation to endpoint", seen(r.operatorSingles, (*moments).toEndpoint), ""},
		{"creation to ingress", seen(r.operatorSingles, (*moments).toIngress), ""},
	}
	for _, share := range []struct {
		what string
		measure.Sample[time.Duration]
	}{
		{"own share as a client sees it: address bound to endpoint written", own},
		{"own share as the API server sees it", server},
	} {
		met := share.Median() <= 15*time.Millisecond && share.P99() <= 60*time.Millisecond
		rows = append(rows, []string{share.what, figure(share.Sample), measure.Verdict("15 ms / 60 ms", met)})
	}
	rows = append(rows, partsOf(r.operatorSingles.shares, "  ")...)
	return append(rows, []string{
		"machine used by others (noise)", fmt.Sprintf("%.0f%%", 100*r.operatorSingles.costs.Foreign), "",
	})
}

// figure formats the median and the 99th percentile in milliseconds.
func figure(s measure.Sample[time.Duration]) string {
	return measure.Millis(s.Median()) + " / " + measure.Millis(s.P99())
}

// partsOf shows where the operator's shares were spent, in indented rows.
func partsOf(shares []measure.Share, indent string) [][]string {
	reaction := measure.Collect(shares, func(s measure.Share) time.Duration { return s.Reaction })
	request := measure.Collect(shares, func(s measure.Share) time.Duration { return s.Request })
	return [][]string{
		{indent + "of which until the write arrives at the API server", figure(reaction), ""},
		{indent + "of which in the API server and Cluster API's webhooks", figure(request), ""},
	}
}

// floorDoes says what ends the measurement of the floor.
func (r *results) floorDoes() string {
	if r.options.floorWrites {
		return "all claims are bound and endpoints written"
	}
	return "all claims are bound"
}

func (r *results) stormRows(size int, pairs []pair) [][]string {
	each := func(of func(pair) time.Duration) measure.Sample[time.Duration] { return measure.Collect(pairs, of) }
	ratios := measure.Collect(pairs, func(p pair) float64 { return float64(p.operator.took) / float64(p.floor.took) })
	rows := [][]string{
		{
			"(b) floor: time until " + r.floorDoes(),
			measure.Spread(each(func(p pair) time.Duration { return p.floor.took }), measure.Seconds), "",
		},
		{
			"(b) time until all are served",
			measure.Spread(each(func(p pair) time.Duration { return p.operator.took }), measure.Seconds), "",
		},
		{
			"(b) ratio of the two, pair by pair", measure.Spread(ratios, measure.TwoDigits),
			measure.Verdict("1.10", ratios.Median() <= 1.10),
		},
	}
	rows = append(rows, inStorm(pairs)...)
	rows = append(rows, writeRows(size, pairs)...)
	rows = append(rows, resourceRows(size, pairs)...)
	return append(rows, conflictRows(pairs)...)
}

// inStorm shows how a single Cluster fares in the storm.
func inStorm(pairs []pair) [][]string {
	var waits measure.Sample[time.Duration]
	var shares []measure.Share
	for _, p := range pairs {
		waits = append(waits, measure.Collect(p.operator.moments, (*moments).toEndpoint)...)
		shares = append(shares, p.operator.shares...)
	}
	return append([][]string{
		{
			"    creation to endpoint of a Cluster, median / p99",
			measure.Seconds(waits.Median()) + " / " + measure.Seconds(waits.P99()), "",
		},
		{
			"    own share in the storm (API server), median / p99",
			figure(measure.Collect(shares, measure.Share.All)), "",
		},
	}, partsOf(shares, "      ")...)
}

func writeRows(size int, pairs []pair) [][]string {
	perCluster := func(writes int) float64 { return float64(writes) / float64(size) }
	all := measure.Collect(pairs, func(p pair) float64 { return perCluster(measure.Total(p.operator.writes)) })
	onCluster := func(p pair) float64 {
		writes := 0
		for request, count := range p.operator.writes {
			if strings.Contains(request, " clusters.cluster.x-k8s.io") {
				writes += count
			}
		}
		return perCluster(writes)
	}
	clusters := measure.Collect(pairs, onCluster)
	rows := [][]string{
		{
			"(c) operator's writes per Cluster", measure.Spread(all, measure.TwoDigits),
			measure.Verdict("6", all.Most() <= 6),
		},
		{
			"(c) of which on the Cluster", measure.Spread(clusters, measure.TwoDigits),
			measure.Verdict("3", clusters.Most() <= 3),
		},
	}
	for _, request := range requests(pairs, func(p pair) map[string]int { return p.operator.writes }) {
		counts := measure.Collect(pairs, func(p pair) float64 { return perCluster(p.operator.writes[request]) })
		rows = append(rows, []string{"    " + request, measure.Spread(counts, measure.TwoDigits), ""})
	}
	refused := measure.Collect(pairs, func(p pair) int { return p.operator.refused })
	settled := measure.Collect(pairs, func(p pair) int { return measure.Total(p.operator.settledWrites) })
	return append(rows,
		[]string{"    of which refused, in the whole storm", measure.Spread(refused, measure.Integer), ""},
		[]string{
			"(c) operator's writes when settled", measure.Spread(settled, measure.Integer),
			measure.Verdict("0", settled.Most() == 0),
		},
	)
}

func resourceRows(size int, pairs []pair) [][]string {
	const targetSize, targetMemory = 1000, 80 << 20
	peak := measure.Collect(pairs, func(p pair) int64 { return p.operator.memory.PeakRSS })
	settled := measure.Collect(pairs, func(p pair) int64 { return p.operator.settledMemory })
	idle := measure.Collect(pairs, func(p pair) float64 { return 100 * p.operator.settledCPU })
	target := ""
	if size <= targetSize {
		target = measure.Verdict("80 MiB", peak.Most() <= targetMemory)
	}
	rows := [][]string{
		{"(d) operator's memory at its peak", measure.Spread(peak, measure.Mebibytes), target},
		{"(d) operator's memory when settled", measure.Spread(settled, measure.Mebibytes), ""},
		{
			"(d) operator's CPU when settled, of one core",
			measure.Spread(idle, func(p float64) string { return fmt.Sprintf("%.1f%%", p) }), "",
		},
	}
	names := map[string]struct{}{}
	for _, p := range pairs {
		for name := range p.operator.costs.CPU {
			names[name] = struct{}{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		floor := measure.Collect(pairs, func(p pair) time.Duration { return p.floor.costs.CPU[name] })
		with := measure.Collect(pairs, func(p pair) time.Duration { return p.operator.costs.CPU[name] })
		rows = append(rows, []string{
			"    CPU time until served: " + name,
			fmt.Sprintf("%s, floor %s", measure.Seconds(with.Median()), measure.Seconds(floor.Median())), "",
		})
	}
	noise := func(s *storm) float64 { return 100 * s.costs.Foreign }
	return append(rows, []string{"    machine used by others (noise)", fmt.Sprintf("%.0f%%, floor %.0f%%",
		measure.Collect(pairs, func(p pair) float64 { return noise(p.operator) }).Median(),
		measure.Collect(pairs, func(p pair) float64 { return noise(p.floor) }).Median()), ""})
}

func conflictRows(pairs []pair) [][]string {
	with := measure.Collect(pairs, func(p pair) int { return measure.Total(p.operator.conflicts) })
	floor := measure.Collect(pairs, func(p pair) int { return measure.Total(p.floor.conflicts) })
	rows := [][]string{
		{"(e) conflicts of Cluster API, floor", list(floor), ""},
		{"(e) conflicts of Cluster API, with the operator", list(with), ""},
	}
	for _, request := range requests(pairs, func(p pair) map[string]int { return p.operator.conflicts }) {
		with := measure.Collect(pairs, func(p pair) int { return p.operator.conflicts[request] })
		floor := measure.Collect(pairs, func(p pair) int { return p.floor.conflicts[request] })
		rows = append(rows, []string{"    " + request, list(with) + ", floor " + list(floor), ""})
	}
	return rows
}

// requests returns the requests that occur in any of the pairs, most frequent first.
func requests(pairs []pair, counts func(pair) map[string]int) []string {
	sums := map[string]int{}
	for _, p := range pairs {
		for request, count := range counts(p) {
			sums[request] += count
		}
	}
	return slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
	})
}

func list(counts measure.Sample[int]) string { return strings.Trim(fmt.Sprint([]int(counts)), "[]") }
