package snippets

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Shell is where the blocks of a page run.
type Shell struct {
	// Dir is the working directory.
	Dir string
	// Env is the whole environment.
	Env []string
	// Update writes the outputs to the page instead of comparing them.
	Update bool
}

const (
	// mark begins a line that names the line of the page whose output follows.
	mark = "\x1e"
	// waitDelay is how long background processes may hold the output open after the shell has ended.
	waitDelay = 5 * time.Second
)

// prologue makes the shell exit on the first command that fails, and kill its background jobs.
const prologue = `set -euo pipefail
trap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT
exec 2>&1
`

// Run runs the page in bash, and compares the output with the page.
func (s Shell) Run(ctx context.Context, page *Page) error {
	var script strings.Builder
	script.WriteString(prologue)
	for _, b := range page.blocks {
		if !b.output {
			fmt.Fprintf(&script, "echo '%s%d'\n%s\n", mark, b.first, page.text(b))
		}
	}
	command := exec.CommandContext(ctx, "bash", "-c", script.String())
	command.Dir, command.Env, command.WaitDelay = s.Dir, s.Env, waitDelay
	printed, err := command.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		line, output := last(string(printed))
		return fmt.Errorf("%s:%d: the block failed: %w\n%s", page.Path, line, errors.Join(ctx.Err(), err), output)
	}
	outputs := page.outputs(string(printed))
	if s.Update {
		return page.write(outputs)
	}
	return page.compare(outputs)
}

// split splits the output at the marks: the line of each block, and its output.
func split(printed string) map[int]string {
	parts := map[int]string{}
	for _, part := range strings.Split(printed, mark)[1:] {
		number, output, _ := strings.Cut(part, "\n")
		line, err := strconv.Atoi(number)
		if err == nil {
			parts[line] = output
		}
	}
	return parts
}

// last returns the number of the first line of the block that ran last, and its output.
func last(printed string) (int, string) {
	line := 0
	parts := split(printed)
	for number := range parts {
		line = max(line, number)
	}
	return line + 1, parts[line]
}

// outputs returns what was printed for each output block of the page.
func (p *Page) outputs(printed string) []string {
	parts := split(printed)
	var outputs []string
	printedLast := ""
	for _, b := range p.blocks {
		if !b.output {
			printedLast = parts[b.first]
			continue
		}
		outputs = append(outputs, strings.TrimRight(trimLines(printedLast), "\n"))
	}
	return outputs
}

func (p *Page) compare(outputs []string) error {
	var failures []error
	next := 0
	for _, b := range p.blocks {
		if !b.output {
			continue
		}
		if want, got := normal(p.text(b)), normal(outputs[next]); want != got {
			failures = append(failures, fmt.Errorf("%s:%d: the output is another; run the test with -update, "+
				"and look at the difference\nthe page says:\n%s\nthe command prints:\n%s",
				p.Path, b.first+1, p.text(b), outputs[next]))
		}
		next++
	}
	return errors.Join(failures...)
}

// variable matches what differs from run to run: ages, times, random suffixes of names, ports and the width of
// columns.
var variable = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
	// This must precede the ages: rome-8m57d is a name.
	{regexp.MustCompile(`\b([a-z]+)-[bcdfghjklmnpqrstvwxz2456789]{5}\b`), "$1-RANDOM"},
	{regexp.MustCompile(`<invalid>|\b(\d+[smhd])+\b`), "AGE"},
	{regexp.MustCompile(`AGE \(x\d+ over AGE\)`), "AGE"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`-{4,}`), "----"},
}

// normal returns a text without what differs from run to run.
func normal(text string) string {
	for _, v := range variable {
		text = v.pattern.ReplaceAllString(text, v.instead)
	}
	return strings.TrimSpace(trimLines(text))
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	return strings.Join(lines, "\n")
}
