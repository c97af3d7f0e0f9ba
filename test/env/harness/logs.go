package harness

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// Line is a line of the operator's log.
type Line struct {
	Time    time.Time
	Level   string
	Message string
	// Fields are all fields of the line, including those above.
	Fields map[string]any
	// Raw is the line as it was printed.
	Raw string
}

// logs collects what a process prints, line by line.
type logs struct {
	mu      sync.Mutex
	copy    io.Writer
	partial []byte
	lines   []Line
}

func newLogs(copyTo io.Writer) *logs { return &logs{copy: copyTo} }

// Write implements io.Writer.
func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.copy != nil {
		_, _ = l.copy.Write(p) // the copy is for people to look at
	}
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.lines = append(l.lines, parseLine(string(line)))
		l.partial = bytes.Clone(rest)
	}
}

// parseLine parses a line of JSON. Any other line becomes a message without fields.
func parseLine(raw string) Line {
	line := Line{Message: raw, Raw: raw}
	if json.Unmarshal([]byte(raw), &line.Fields) != nil {
		return line
	}
	text := func(key string) string {
		value, _ := line.Fields[key].(string)
		return value
	}
	line.Level, line.Message = text("level"), text("msg")
	line.Time, _ = time.Parse(time.RFC3339Nano, text("time"))
	return line
}

// Logs returns all lines that the operator has printed so far.
func (o *Operator) Logs() []Line {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	return o.log.lines[:len(o.log.lines):len(o.log.lines)]
}

// Logged returns the lines with the given message.
func (o *Operator) Logged(message string) []Line {
	var found []Line
	for _, line := range o.Logs() {
		if line.Message == message {
			found = append(found, line)
		}
	}
	return found
}

// LogTail returns the last n lines as they were printed.
func (o *Operator) LogTail(n int) string {
	lines := o.Logs()
	var b strings.Builder
	for _, line := range lines[max(len(lines)-n, 0):] {
		b.WriteString(line.Raw)
		b.WriteByte('\n')
	}
	return b.String()
}
