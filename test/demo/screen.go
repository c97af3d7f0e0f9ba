package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
)

const indent = "     "

// screen prints the demo. On a terminal it redraws a table in place when it changes; elsewhere it prints the table
// once and reports changes as lines.
type screen struct {
	out      io.Writer
	terminal bool
	color    bool
	// drawn is how many lines the table drawn in place has.
	drawn int
}

func newScreen(file *os.File) *screen {
	info, err := file.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return &screen{out: file, terminal: terminal, color: terminal && os.Getenv("NO_COLOR") == ""}
}

// step begins a part of the demo.
func (s *screen) step(number int, title string) {
	if s.color {
		title = "\x1b[1m" + title + "\x1b[0m"
	}
	s.printf("\n%d/%d  %s\n", number, steps, title)
}

// line prints a line below a step.
func (s *screen) line(format string, args ...any) { s.printf(indent+format+"\n", args...) }

// table prints rows in columns. On a terminal it replaces the previous table if nothing was printed since.
func (s *screen) table(rows [][]string) {
	lines := align(rows)
	if s.terminal && s.drawn > 0 {
		s.raw("\x1b[%dA", s.drawn)
	}
	if s.terminal {
		s.raw("\x1b[?7l") // cuts long lines, so that the number of lines stays known
		defer s.raw("\x1b[?7h")
	}
	for _, line := range lines {
		if s.terminal {
			line += "\x1b[K"
		}
		s.raw(indent+"%s\n", line)
	}
	s.drawn = len(lines)
}

// progress returns a writer for the output of others.
func (s *screen) progress() io.Writer { return &indented{screen: s} }

func (s *screen) printf(format string, args ...any) {
	s.drawn = 0
	s.raw(format, args...)
}

func (s *screen) raw(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format, args...) // if the screen is gone, there is nobody to tell
}

func align(rows [][]string) []string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // a buffer takes everything
	}
	_ = w.Flush()
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// indented prints whole lines below a step. It is safe for concurrent use.
type indented struct {
	screen *screen

	mu      sync.Mutex
	partial []byte
}

// Write implements io.Writer.
func (i *indented) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.partial = append(i.partial, p...)
	for {
		line, rest, found := bytes.Cut(i.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		i.screen.line("%s", bytes.TrimPrefix(line, []byte("plane: ")))
		i.partial = bytes.Clone(rest)
	}
}
