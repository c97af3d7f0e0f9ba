package kubectlvip

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
)

// The output formats.
const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
	outputYAML  = "yaml"
	// outputHTML is for reports only.
	outputHTML = "html"
)

var outputs = []string{outputTable, outputWide, outputJSON, outputYAML}

const (
	// foldedAt is the width of text, in columns, when there is no terminal to ask.
	foldedAt = 100
	// widest is the widest line that is still easy to read, in columns.
	widest = 140
)

// checkOutput rejects unknown output formats.
func (a *app) checkOutput() error { return a.checkOutputIn(outputs) }

func (a *app) checkOutputIn(known []string) error {
	if !slices.Contains(known, a.output) {
		return badInput(fmt.Errorf("--output=%q is not one of %s", a.output, strings.Join(known, ", ")))
	}
	return nil
}

// print prints data as JSON or YAML if asked to, else by calling people.
func (a *app) print(data any, people func(io.Writer, *render.Options) error, now time.Time) error {
	switch a.output {
	case outputJSON:
		encoder := json.NewEncoder(a.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	case outputYAML:
		text, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		_, err = a.Out.Write(text)
		return err
	}
	return people(a.Out, a.options(now))
}

// options returns how to print for people on this output.
func (a *app) options(now time.Time) *render.Options {
	o := &render.Options{Now: now, Wide: a.output == outputWide, NoHeaders: a.noHeaders, Width: foldedAt}
	if width, _, ok := a.terminal(); ok {
		o.Width = min(width, widest)
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" &&
			(runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != "")
		o.Unicode = isUTF8(os.Getenv)
	}
	return o
}

// terminal returns the size of the terminal written to, and whether the output is one.
func (a *app) terminal() (width, height int, ok bool) {
	file, isFile := a.Out.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return width, height, err == nil && width > 0
}

// isUTF8 reports whether the locale has more than ASCII. The first variable that is set counts (POSIX, 8.2).
func isUTF8(env func(string) string) bool {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToUpper(env(key)); value != "" {
			return strings.Contains(value, "UTF-8") || strings.Contains(value, "UTF8")
		}
	}
	return env("WT_SESSION") != ""
}
