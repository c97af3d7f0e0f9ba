package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// Check prints the outcome of the checks.
func Check(out io.Writer, r *view.Report, o *Options) error {
	p := &printer{out: out, o: o}
	for i := range r.Findings {
		f := &r.Findings[i]
		subject := f.Check
		if f.Object != "" {
			subject += "  " + f.Object
		}
		p.line("%s  %s", o.paint(fmt.Sprintf("%-7s", f.Severity), severityStyle(f.Severity)), subject)
		p.fold("         ", f.Message)
		if f.Do != "" {
			p.fold("         -> ", f.Do)
		}
	}
	if len(r.Passed) > 0 {
		p.fold("ok       ", strings.Join(r.Passed, ", "))
	}
	if o.Wide {
		platform(p, r)
	}
	p.line("%s", Verdict(r))
	return p.err
}

// Verdict summarises the findings in one line.
func Verdict(r *view.Report) string {
	errors, warnings, skipped := r.Count(view.SeverityError), r.Count(view.SeverityWarning),
		r.Count(view.SeveritySkipped)
	text := "Nothing is wrong"
	if errors+warnings > 0 {
		text = count(errors, "error") + ", " + count(warnings, "warning")
	}
	if skipped > 0 {
		text += ", " + fmt.Sprintf("%d not looked at", skipped)
	}
	return text + "."
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func severityStyle(s view.Severity) style {
	switch s {
	case view.SeverityError:
		return red
	case view.SeverityWarning:
		return yellow
	case view.SeveritySkipped:
	}
	return dim
}

// platform prints the versions found.
func platform(p *printer, r *view.Report) {
	p.line("")
	p.line("plugin      %s", r.Platform.Plugin)
	p.fold("operator    ", operatorLine(&r.Operator))
	p.line("kubernetes  %s", r.Platform.Kubernetes)
	p.line("apis        %s", r.Platform.APIs)
	p.line("")
}
