// Package render prints views for people. It takes data and a writer, never a client.
package render

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// Options say how to print.
type Options struct {
	// Now is the time that ages count from.
	Now time.Time
	// Wide adds columns.
	Wide bool
	// NoHeaders leaves out the line above a table.
	NoHeaders bool
	// Color uses terminal colours, Unicode characters beyond ASCII.
	Color, Unicode bool
	// Width is where long text is folded, in columns; 0 means nowhere.
	Width int
}

// style is how a text looks on a terminal.
type style string

// The styles, as SGR codes (ECMA-48).
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

func (o *Options) paint(text string, s style) string {
	if !o.Color || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// cell is a text in a table.
type cell struct {
	text  string
	style style
}

func text(s string) cell { return cell{text: s} }

// orDash returns the text, or a dash if it is empty.
func orDash(s string) cell {
	if s == "" {
		return cell{"-", dim}
	}
	return cell{text: s}
}

// table is columns of texts under headers.
type table struct {
	header []string
	rows   [][]cell
}

// gap is the space between columns, as in kubectl.
const gap = 3

// lines returns the table as lines. Colours do not count towards the width of a column.
func (t *table) lines(o *Options) []string {
	rows := t.rows
	if !o.NoHeaders {
		header := make([]cell, len(t.header))
		for i, title := range t.header {
			header[i] = cell{title, bold}
		}
		rows = append([][]cell{header}, rows...)
	}
	widths := make([]int, len(t.header))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(o.paint(c.text, c.style))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+gap))
			}
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// printer prints lines and keeps the first error.
type printer struct {
	out io.Writer
	o   *Options
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, strings.TrimRight(format, " ")+"\n", args...)
	}
}

func (p *printer) table(t *table, indent string) {
	for _, line := range t.lines(p.o) {
		p.line("%s%s", indent, line)
	}
}

// fold prints text after a label, folded at the width and indented under its beginning.
func (p *printer) fold(label, body string) {
	for i, line := range wrap(body, p.o.Width-utf8.RuneCountInString(label)) {
		if i > 0 {
			label = strings.Repeat(" ", utf8.RuneCountInString(label))
		}
		p.line("%s%s", label, line)
	}
}

// narrowest is the smallest width that text is folded to; anything narrower would be a tower of words.
const narrowest = 30

// wrap folds text between words. A word longer than a line stays whole, so that it can be copied.
func wrap(body string, width int) []string {
	if width < narrowest {
		return []string{body}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(body) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// age returns the time since a moment; "-" if the moment is unknown.
func (o *Options) age(since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return view.Age(o.Now.Sub(since))
}
