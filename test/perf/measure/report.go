package measure

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Section is a part of a report. Each row names what was measured in its first cell; the figures follow, and last
// perhaps the verdict.
type Section struct {
	Title string
	Rows  [][]string
}

// Print writes sections as text with aligned columns.
func Print(out io.Writer, machine string, sections ...Section) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "Machine: %s\n", machine) // a failed write shows when the table is flushed
	for _, section := range sections {
		_, _ = fmt.Fprintf(w, "\n%s\n", section.Title)
		for _, row := range section.Rows {
			_, _ = fmt.Fprintf(w, "  %s\n", strings.Join(row, "\t"))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the results: %w", err)
	}
	return nil
}

// Verdict formats a target and whether it was met.
func Verdict(target string, met bool) string {
	if met {
		return target + "  pass"
	}
	return target + "  MISS"
}

// Millis formats a short time.
func Millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Seconds formats a long time.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// TwoDigits formats a ratio.
func TwoDigits(f float64) string { return fmt.Sprintf("%.2f", f) }

// Integer formats a count.
func Integer(i int) string { return strconv.Itoa(i) }

// Mebibytes formats an amount of memory in bytes.
func Mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// Percent formats a share.
func Percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }
