package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// results are all measurements.
type results struct {
	options                       *options
	machine                       string
	floorSingles, operatorSingles *singles
	pairs                         []pair
}

// row is a line of the report: what was measured, its figures, and the target with pass or miss.
type row struct{ what, figure, target string }

// verdict prints a target and whether it was met.
func verdict(target string, met bool) string {
	if met {
		return target + "  pass"
	}
	return target + "  MISS"
}

func (r *results) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	section := func(title string, rows []row) {
		_, _ = fmt.Fprintf(w, "\n%s\n", title) // a failed write shows when the table is flushed
		for _, row := range rows {
			_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\n", row.what, row.figure, row.target)
		}
	}
	_, _ = fmt.Fprintf(w, "Machine: %s\n", r.machine)
	if r.floorSingles != nil && r.operatorSingles != nil {
		section(fmt.Sprintf("(a) One Cluster at a time on a plane at rest, %d times: median / p99", r.options.singles), r.singleRows())
	}
	for _, size := range r.options.clusters {
		pairs := slices.DeleteFunc(slices.Clone(r.pairs), func(p pair) bool { return p.size != size })
		if len(pairs) > 0 {
			section(fmt.Sprintf("Storm of %d Clusters with two roles, %d times: median (least to most)", size, len(pairs)), r.stormRows(size, pairs))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	return nil
}

func (r *results) singleRows() []row {
	figure := func(s sample[time.Duration]) string { return millis(s.median()) + " / " + millis(s.p99()) }
	seen := func(s *singles, measure func(*moments) time.Duration) string {
		return figure(collect(s.moments, measure))
	}
	own := collect(r.operatorSingles.moments, (*moments).share)
	server := collect(r.operatorSingles.shares, share.all)
	reaction := collect(r.operatorSingles.shares, func(s share) time.Duration { return s.reaction })
	request := collect(r.operatorSingles.shares, func(s share) time.Duration { return s.request })
	rows := []row{
		{"floor: creation to both claims bound", seen(r.floorSingles, (*moments).toBound), ""},
		{"creation to both claims bound", seen(r.operatorSingles, (*moments).toBound), ""},
		{"creation to endpoint", seen(r.operatorSingles, (*moments).toEndpoint), ""},
		{"creation to ingress", seen(r.operatorSingles, (*moments).toIngress), ""},
	}
	for _, share := range []struct {
		what string
		sample[time.Duration]
	}{{"own share as a client sees it: address bound to endpoint written", own}, {"own share as the API server sees it", server}} {
		met := share.median() <= 15*time.Millisecond && share.p99() <= 60*time.Millisecond
		rows = append(rows, row{share.what, figure(share.sample), verdict("15 ms / 60 ms", met)})
	}
	return append(rows,
		row{"  of which until the write arrives at the API server", figure(reaction), ""},
		row{"  of which in the API server and Cluster API's webhooks", figure(request), ""},
		row{"machine used by others (noise)", fmt.Sprintf("%.0f%%", 100*r.operatorSingles.costs.foreign), ""},
	)
}

// floorDoes says what the floor is measured by.
func (r *results) floorDoes() string {
	if r.options.floorWrites {
		return "all claims are bound and endpoints written"
	}
	return "all claims are bound"
}

func (r *results) stormRows(size int, pairs []pair) []row {
	each := func(measure func(pair) time.Duration) sample[time.Duration] { return collect(pairs, measure) }
	ratios := collect(pairs, func(p pair) float64 { return float64(p.operator.took) / float64(p.floor.took) })
	rows := []row{
		{"(b) floor: time until " + r.floorDoes(), spread(each(func(p pair) time.Duration { return p.floor.took }), seconds), ""},
		{"(b) time until all are served", spread(each(func(p pair) time.Duration { return p.operator.took }), seconds), ""},
		{"(b) ratio of the two, pair by pair", spread(ratios, twoDigits), verdict("1.10", ratios.median() <= 1.10)},
	}
	rows = append(rows, inStorm(pairs)...)
	rows = append(rows, writeRows(size, pairs)...)
	rows = append(rows, resourceRows(size, pairs)...)
	return append(rows, conflictRows(pairs)...)
}

// inStorm says how a single Cluster fares in the storm.
func inStorm(pairs []pair) []row {
	var waits, own sample[time.Duration]
	for _, p := range pairs {
		waits = append(waits, collect(p.operator.moments, (*moments).toEndpoint)...)
		own = append(own, collect(p.operator.shares, share.all)...)
	}
	return []row{
		{"    creation to endpoint of a Cluster, median / p99", seconds(waits.median()) + " / " + seconds(waits.p99()), ""},
		{"    own share in the storm (API server), median / p99", millis(own.median()) + " / " + millis(own.p99()), ""},
	}
}

func writeRows(size int, pairs []pair) []row {
	perCluster := func(writes int) float64 { return float64(writes) / float64(size) }
	all := collect(pairs, func(p pair) float64 { return perCluster(total(p.operator.writes)) })
	onCluster := func(p pair) float64 {
		writes := 0
		for request, count := range p.operator.writes {
			if strings.Contains(request, " clusters.cluster.x-k8s.io") {
				writes += count
			}
		}
		return perCluster(writes)
	}
	clusters := collect(pairs, onCluster)
	rows := []row{
		{"(c) operator's writes per Cluster", spread(all, twoDigits), verdict("6", all.most() <= 6)},
		{"(c) of which on the Cluster", spread(clusters, twoDigits), verdict("3", clusters.most() <= 3)},
	}
	for _, request := range requests(pairs, func(p pair) map[string]int { return p.operator.writes }) {
		counts := collect(pairs, func(p pair) float64 { return perCluster(p.operator.writes[request]) })
		rows = append(rows, row{"    " + request, spread(counts, twoDigits), ""})
	}
	refused := collect(pairs, func(p pair) int { return p.operator.refused })
	settled := collect(pairs, func(p pair) int { return total(p.operator.settledWrites) })
	return append(rows,
		row{"    of which refused, in the whole storm", spread(refused, integer), ""},
		row{"(c) operator's writes when settled", spread(settled, integer), verdict("0", settled.most() == 0)},
	)
}

func resourceRows(size int, pairs []pair) []row {
	const targetSize, targetMemory = 1000, 80 << 20
	peak := collect(pairs, func(p pair) int64 { return p.operator.memory.PeakRSS })
	settled := collect(pairs, func(p pair) int64 { return p.operator.settledMemory })
	idle := collect(pairs, func(p pair) float64 { return 100 * p.operator.settledCPU })
	target := ""
	if size <= targetSize {
		target = verdict("80 MiB", peak.most() <= targetMemory)
	}
	rows := []row{
		{"(d) operator's memory at its peak", spread(peak, mebibytes), target},
		{"(d) operator's memory when settled", spread(settled, mebibytes), ""},
		{"(d) operator's CPU when settled, of one core", spread(idle, func(p float64) string { return fmt.Sprintf("%.1f%%", p) }), ""},
	}
	names := map[string]struct{}{}
	for _, p := range pairs {
		for name := range p.operator.costs.cpu {
			names[name] = struct{}{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		floor := collect(pairs, func(p pair) time.Duration { return p.floor.costs.cpu[name] })
		with := collect(pairs, func(p pair) time.Duration { return p.operator.costs.cpu[name] })
		rows = append(rows, row{"    CPU time until served: " + name, fmt.Sprintf("%s, floor %s", seconds(with.median()), seconds(floor.median())), ""})
	}
	noise := func(s *storm) float64 { return 100 * s.costs.foreign }
	return append(rows, row{"    machine used by others (noise)", fmt.Sprintf("%.0f%%, floor %.0f%%",
		collect(pairs, func(p pair) float64 { return noise(p.operator) }).median(),
		collect(pairs, func(p pair) float64 { return noise(p.floor) }).median()), ""})
}

func conflictRows(pairs []pair) []row {
	with := collect(pairs, func(p pair) int { return total(p.operator.conflicts) })
	floor := collect(pairs, func(p pair) int { return total(p.floor.conflicts) })
	rows := []row{
		{"(e) conflicts of Cluster API, floor", list(floor), ""},
		{"(e) conflicts of Cluster API, with the operator", list(with), ""},
	}
	for _, request := range requests(pairs, func(p pair) map[string]int { return p.operator.conflicts }) {
		with := collect(pairs, func(p pair) int { return p.operator.conflicts[request] })
		floor := collect(pairs, func(p pair) int { return p.floor.conflicts[request] })
		rows = append(rows, row{"    " + request, list(with) + ", floor " + list(floor), ""})
	}
	return rows
}

// requests returns the requests that occur in any of the pairs, the most frequent first.
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

func list(counts sample[int]) string { return strings.Trim(fmt.Sprint([]int(counts)), "[]") }

func twoDigits(f float64) string   { return fmt.Sprintf("%.2f", f) }
func integer(i int) string         { return strconv.Itoa(i) }
func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
