package scale

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// These aims depend on the machine; those that do not are in broken.
const (
	aimCPU   = 0.015
	aimRSS   = 150 << 20
	aimReady = 15 * time.Second
	aimRatio = 1.3
	aimShare = 20 * time.Millisecond
	// aimSize is the number of Clusters for these aims.
	aimSize = 10000
)

// results holds all measurements.
type results struct {
	options *options
	machine string
	sizes   []*figures
}

func newResults(options *options) *results {
	return &results{options: options, machine: measure.DescribeMachine()}
}

// broken returns what must hold on any machine and does not.
func (r *results) broken() error {
	var problems []error
	problem := func(f *figures, format string, args ...any) {
		problems = append(problems, fmt.Errorf("with %d Clusters: "+format, append([]any{f.size}, args...)...))
	}
	for _, f := range r.sizes {
		if measure.Total(f.settled.writes) > 0 {
			problem(f, "a settled operator writes: %v", f.settled.writes)
		}
		if f.settled.looks > f.settled.atMost {
			problem(f, "a settled operator looks at Clusters %d times, and %d are enough",
				f.settled.looks, f.settled.atMost)
		}
		for _, s := range f.starts {
			if measure.Total(s.writes) > 0 {
				problem(f, "an operator that starts writes: %v", s.writes)
			}
			if s.looks < f.size || s.looks > f.size+s.others {
				problem(f, "an operator that starts looks at Clusters %d times", s.looks)
			}
		}
		for _, w := range f.wakings {
			if !w.sound() {
				problem(f, "when %s, which concerns %d Clusters, the operator looks at Clusters %d times",
					w.what, w.concerned, w.looks)
			}
			if measure.Total(w.writes) > 0 {
				problem(f, "when %s, the operator writes: %v", w.what, w.writes)
			}
		}
	}
	return errors.Join(problems...)
}

// line is one measured value: what it is, how to get it as a number, and how to print it.
type line struct {
	what   string
	value  func(*figures) float64
	format func(float64) string
	// growth prints the growth with each Cluster; nil if that is of no interest.
	growth func(float64) string
	aim    string
	met    func(float64) bool
}

func lines() []line {
	starts := func(of func(start) time.Duration) func(*figures) float64 {
		return func(f *figures) float64 { return float64(measure.Collect(f.starts, of).Median()) }
	}
	writes := func(f *figures) float64 {
		sum := 0
		for _, s := range f.starts {
			sum += measure.Total(s.writes)
		}
		return float64(sum)
	}
	none := func(f float64) bool { return f == 0 }
	most := func(aim float64) func(float64) bool { return func(f float64) bool { return f <= aim } }
	return []line{
		{
			"settled: writes", func(f *figures) float64 { return float64(measure.Total(f.settled.writes)) }, count,
			nil, "0", none,
		},
		{
			"settled: looks at Clusters", func(f *figures) float64 { return float64(f.settled.looks) },
			count, nil, "", nil,
		},
		{
			"settled: CPU, of one core", func(f *figures) float64 { return f.settled.cpu }, measure.Percent, percentage,
			"1.5%", most(aimCPU),
		},
		{
			"settled: memory (RSS)", func(f *figures) float64 { return float64(f.settled.rss) }, memory, kibibytes,
			"150 MiB", most(aimRSS),
		},
		{
			"settled: heap after a collection", func(f *figures) float64 { return float64(f.settled.heap) }, memory,
			kibibytes, "", nil,
		},
		{
			"most memory ever (RSS)", func(f *figures) float64 { return float64(f.settled.peak) }, memory,
			kibibytes, "", nil,
		},
		{
			"start until ready", starts(func(s start) time.Duration { return s.ready }), duration, microseconds, "15 s",
			most(float64(aimReady)),
		},
		{
			"start of bare informers on the same", starts(func(s start) time.Duration { return s.bare }), duration,
			microseconds, "", nil,
		},
		{
			"start until ready, in terms of that", func(f *figures) float64 {
				return measure.Collect(f.starts, start.ratio).Median()
			},
			ratio, nil, "1.3", most(aimRatio),
		},
		{
			"start until all were looked at", starts(func(s start) time.Duration { return s.done }), duration,
			microseconds, "", nil,
		},
		{"start: CPU time", starts(func(s start) time.Duration { return s.cpu }), duration, microseconds, "", nil},
		{"start: writes", writes, count, nil, "0", none},
		{
			"one more: own share, median", func(f *figures) float64 { return float64(f.shares.Median()) }, duration,
			nil, "20 ms", most(float64(aimShare)),
		},
		{
			"one more: own share, p99", func(f *figures) float64 { return float64(f.shares.P99()) },
			duration, nil, "", nil,
		},
		median("kubectl vip list -A", func(f *figures) measure.Sample[time.Duration] { return f.lists }),
		median("kubectl vip check", func(f *figures) measure.Sample[time.Duration] { return f.checks }),
		median("the lists alone", func(f *figures) measure.Sample[time.Duration] { return f.fetches }),
		{
			"machine used by others (noise)", func(f *figures) float64 { return f.settled.foreign },
			measure.Percent, nil, "", nil,
		},
	}
}

// median is the line of what was measured several times.
func median(name string, of func(f *figures) measure.Sample[time.Duration]) line {
	return line{
		name + ", median", func(f *figures) float64 { return float64(of(f).Median()) }, duration, microseconds, "", nil,
	}
}

// ratio is the time of a start divided by that of bare informers.
func (s start) ratio() float64 { return float64(s.ready) / float64(s.bare) }

func ratio(f float64) string  { return strconv.FormatFloat(f, 'f', 2, 64) }
func count(f float64) string  { return strconv.FormatFloat(f, 'f', 0, 64) }
func memory(f float64) string { return measure.Mebibytes(int64(f)) }
func duration(f float64) string {
	d := time.Duration(f)
	if d < time.Second {
		return measure.Millis(d)
	}
	return measure.Seconds(d)
}

func kibibytes(bytes float64) string  { return fmt.Sprintf("%.1f KiB", bytes/(1<<10)) }
func microseconds(f float64) string   { return fmt.Sprintf("%.0f µs", f/float64(time.Microsecond)) }
func percentage(share float64) string { return fmt.Sprintf("%.5f%%", 100*share) }

func (r *results) print(out io.Writer) error {
	if len(r.sizes) == 0 {
		return nil
	}
	last := r.sizes[len(r.sizes)-1]
	table := [][]string{r.head()}
	for _, line := range lines() {
		row := []string{line.what}
		for _, f := range r.sizes {
			row = append(row, line.format(line.value(f)))
		}
		row = append(row, r.growth(line))
		switch {
		case line.met != nil && (last.size >= aimSize || line.aim == "0"):
			row = append(row, measure.Verdict(line.aim, line.met(line.value(last))))
		case line.met != nil:
			row = append(row, fmt.Sprintf("%s with %d", line.aim, aimSize))
		}
		table = append(table, row)
	}
	return measure.Print(out, r.machine, measure.Section{Title: "Clusters that are served", Rows: table},
		measure.Section{Title: "Looks at Clusters when a pool changes, CPU time of it", Rows: r.wakingRows()})
}

func (r *results) head() []string {
	row := []string{""}
	for _, f := range r.sizes {
		title := strconv.Itoa(f.size)
		if f.operator > 0 {
			title += fmt.Sprintf(" against %d", f.operator)
		}
		row = append(row, title)
	}
	return append(row, "for each Cluster", "aim")
}

// growth returns how much a figure grows with each Cluster, from the smallest size to the largest.
func (r *results) growth(line line) string {
	first, last := r.sizes[0], r.sizes[len(r.sizes)-1]
	if line.growth == nil || first == last || last.operator > 0 {
		return ""
	}
	slope := (line.value(last) - line.value(first)) / float64(last.size-first.size)
	return line.growth(slope)
}

func (r *results) wakingRows() [][]string {
	table := [][]string{append(r.head()[:len(r.sizes)+1], "aim")}
	last := r.sizes[len(r.sizes)-1]
	for i, w := range last.wakings {
		row := []string{w.what}
		for _, f := range r.sizes {
			if i < len(f.wakings) {
				row = append(row, fmt.Sprintf("%d, %s", f.wakings[i].looks, duration(float64(f.wakings[i].cpu))))
			}
		}
		table = append(table, append(row, measure.Verdict(strconv.Itoa(w.concerned), w.sound())))
	}
	return table
}
