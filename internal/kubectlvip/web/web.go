// Package web renders what kubectl vip knows as pages for a browser. It is pure: views go in and HTML comes out. The
// pages load nothing from elsewhere: styles, script and icon are embedded, and a report is one file without scripts.
package web

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Static returns the files that the pages load: styles, script and icon.
func Static() fs.FS {
	files, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// The pages that can be served; the names of their templates.
const (
	pagePools    = "pools"
	pagePool     = "pool"
	pageClusters = "clusters"
	pageCluster  = "cluster"
	pageOverlaps = "overlaps"
	pagePlan     = "plan"
	pageReport   = "report"
	pageError    = "error"
)

// page is what all pages have in common.
type page struct {
	// Name is the name of the template, and Title what the browser shows.
	Name, Title string
	Now         time.Time
	// LostSince is when the content was current, if the API server no longer answers.
	LostSince time.Time
	Operator  view.Operator
	Platform  view.Platform
	Limits    []string
	// Live says that the page redraws itself when something changes.
	Live bool
	// Root is the link to where the pages are, from a page that need not exist; only on the error page.
	Root string
	// Body is the content of the page.
	Body any
}

func pageOf(f *view.Facts, name, title string, body any) *page {
	return &page{
		Name: name, Title: title, Now: f.Now, LostSince: f.LostSince, Operator: f.Operator, Platform: f.Platform,
		Limits: f.Limits, Live: name != pagePlan && name != pageReport, Body: body,
	}
}

var (
	served   = parse(servedLinks())
	reported = parse(reportLinks())
)

func parse(links template.FuncMap) *template.Template {
	return template.Must(template.New("").Funcs(functions()).Funcs(links).ParseFS(templateFiles, "templates/*.html"))
}

func (p *page) render(out io.Writer, set *template.Template) error {
	if err := set.ExecuteTemplate(out, p.Name, p); err != nil {
		return fmt.Errorf("render page %s: %w", p.Name, err)
	}
	return nil
}

// Problem writes the page that says why there is no other at a path.
func Problem(out io.Writer, path, title, says string) error {
	return (&page{Name: pageError, Title: title, Root: toRoot(path), Body: says}).render(out, served)
}
