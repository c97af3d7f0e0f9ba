// Package snippets runs the shell blocks of Markdown pages, so that the documentation shows no command that fails. A
// page marks what is tested:
//
//	```sh test        a block to run
//	<!-- test         lines to run but not to show, to prepare or check something, up to -->
//	```text output    what the block before it prints
//
// All blocks of a page run in one shell, one after the other.
package snippets

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Page is a Markdown file with blocks.
type Page struct {
	// Path is the path of the file.
	Path   string
	lines  []string
	blocks []block
}

// block is a part of a page between two markers.
type block struct {
	// first and last are the indexes of the lines between the markers; last is exclusive.
	first, last int
	// output says that the block is compared; all others are run.
	output bool
}

// These are the markers of a page.
const (
	openRun    = "```sh test"
	openOutput = "```text output"
	openHidden = "<!-- test"
	closeFence = "```"
	closeNote  = "-->"
)

// Read reads a page and finds its blocks.
func Read(path string) (*Page, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a page: %w", err)
	}
	page := &Page{Path: path, lines: strings.Split(string(text), "\n")}
	if err := page.parse(); err != nil {
		return nil, err
	}
	return page, nil
}

func (p *Page) parse() error {
	for i := 0; i < len(p.lines); i++ {
		var end string
		switch strings.TrimRight(p.lines[i], " ") {
		case openRun, openOutput:
			end = closeFence
		case openHidden:
			end = closeNote
		default:
			continue
		}
		length := slices.Index(p.lines[i+1:], end)
		if length < 0 {
			return fmt.Errorf("%s:%d: the block is not closed by a line %q", p.Path, i+1, end)
		}
		output := p.lines[i] == openOutput
		if output && len(p.blocks) == 0 {
			return fmt.Errorf("%s:%d: there is no command before the output", p.Path, i+1)
		}
		p.blocks = append(p.blocks, block{first: i + 1, last: i + 1 + length, output: output})
		i += 1 + length
	}
	return nil
}

// Tested reports whether the page has commands to run.
func (p *Page) Tested() bool { return len(p.blocks) > 0 }

// text returns the content of a block.
func (p *Page) text(b block) string { return strings.Join(p.lines[b.first:b.last], "\n") }

// write replaces the page's outputs in its file, in the given order.
func (p *Page) write(outputs []string) error {
	var lines []string
	at, next := 0, 0
	for _, b := range p.blocks {
		if !b.output {
			continue
		}
		lines = append(lines, p.lines[at:b.first]...)
		lines = append(lines, strings.Split(outputs[next], "\n")...)
		at, next = b.last, next+1
	}
	lines = append(lines, p.lines[at:]...)
	if err := os.WriteFile(p.Path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return fmt.Errorf("write a page: %w", err)
	}
	return nil
}
