package web

import (
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// The paths of the pages. All are at one depth, with relative links between them, so the pages work below any path
// that a proxy puts before them.
const (
	PathPools    = "/"
	PathPool     = "/pool"
	PathClusters = "/clusters"
	PathCluster  = "/cluster"
	PathOverlaps = "/overlaps"
	PathPlan     = "/plan"
	PathStatic   = "/static/"
	PathEvents   = "/events"
	// PathHealth is for probes, and reveals nothing else.
	PathHealth = "/healthz"
)

// HrefPools leads to the first page from every other.
const HrefPools = "." + PathPools

// hrefOf returns the link to a page, with a query.
func hrefOf(path string, query url.Values) string {
	if len(query) == 0 {
		return "." + path
	}
	return "." + path + "?" + query.Encode()
}

// toRoot returns the link from a path, of a page or not, to where the pages are.
func toRoot(path string) string {
	return "./" + strings.Repeat("../", max(strings.Count(path, "/")-1, 0))
}

// mostListed limits the listed addresses of a pool; opening a block of the map shows more.
const mostListed = 1100

// servedLinks returns the links from page to page.
func servedLinks() template.FuncMap {
	return template.FuncMap{
		"poolHref": func(p view.Pool) string {
			return hrefOf(PathPool, url.Values{"kind": {p.Kind}, "namespace": {p.Namespace}, "name": {p.Name}})
		},
		"clusterHref": func(namespace, name string) string {
			return hrefOf(PathCluster, url.Values{"namespace": {namespace}, "name": {name}})
		},
		"blockHref": func(p view.Pool, b view.MapBlock) string {
			if !b.Opens {
				return ""
			}
			return hrefOf(PathPool, url.Values{
				"kind": {p.Kind}, "namespace": {p.Namespace}, "name": {p.Name}, "from": {b.From}, "to": {b.To},
			})
		},
		"clustersHref": clustersHref,
		// A page that is redrawn again and again stays small.
		"listed":       func(m view.PoolMap) []view.MapCell { return m.Taken[:min(len(m.Taken), mostListed)] },
		"overlapsHref": func() string { return hrefOf(PathOverlaps, nil) },
	}
}

// reportLinks returns the links within the single page of a report.
func reportLinks() template.FuncMap {
	return template.FuncMap{
		"poolHref":     func(p view.Pool) string { return "#" + poolID(p) },
		"clusterHref":  func(namespace, name string) string { return "#" + clusterID(namespace, name) },
		"blockHref":    func(view.Pool, view.MapBlock) string { return "" },
		"listed":       func(m view.PoolMap) []view.MapCell { return m.Taken },
		"clustersHref": func(string, int, string) string { return "#clusters" },
		"overlapsHref": func() string { return "#overlaps" },
	}
}

// clustersHref returns the link to a page of Clusters; without a state or text, of all Clusters.
func clustersHref(state string, page int, text string) string {
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	if text != "" {
		query.Set("q", text)
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	return hrefOf(PathClusters, query)
}

// tab is a link to a page in the header of all pages.
type tab struct {
	Href, Text string
	Here       bool
}

func functions() template.FuncMap {
	return template.FuncMap{
		"age": func(now, since time.Time) string {
			if since.IsZero() {
				return "-"
			}
			return view.Age(now.Sub(since))
		},
		"stamp":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"date":      func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"tone":      render.Tone,
		"roleText":  roleText,
		"poolID":    poolID,
		"clusterID": clusterID,
		"cellID":    func(p view.Pool, address string) string { return poolID(p) + "-" + address },
		"rows":      func(cells []view.MapCell) []view.MapRow { return view.Rows(cells, rowLength) },
		"part": func(p *page, body any) *page {
			part := *p
			part.Body = body
			return &part
		},
		"usage": usage,
		"spark": spark,
		"tab": func(p *page, href, name, text string) tab {
			return tab{Href: href, Text: text, Here: p.Name == name || p.Name+"s" == name}
		},
		"isTaken":   isTaken,
		"cellTitle": cellTitle,
		"join":      func(list []string) string { return strings.Join(list, ", ") },
		"sign":      sign,
		"stylesheet": func() (template.CSS, error) {
			text, err := staticFiles.ReadFile("static/app.css")
			return template.CSS(text), err //nolint:gosec // it is embedded
		},
	}
}

func poolID(p view.Pool) string {
	return "pool-" + p.Kind + "-" + p.Namespace + "-" + p.Name
}

func clusterID(namespace, name string) string { return "cluster-" + namespace + "-" + name }

// roleText returns what a Cluster has in a role, by the role's name.
func roleText(c view.Cluster, role string) string {
	for i := range c.Roles {
		if c.Roles[i].Role == role {
			return render.RoleText(&c.Roles[i], c.State)
		}
	}
	return "-"
}

// sign returns what the cell of an address shows, so that nobody has to tell colours apart.
func sign(state string) string {
	return map[string]string{
		view.AddressAwaited: "…", view.AddressReleasing: "↩", view.AddressConflict: "!", view.AddressOutOfRange: "?",
		view.AddressGateway: "G", view.AddressExcluded: "×", view.AddressReserved: "–", view.AddressHeld: "●",
	}[state]
}

// rowLength is how many addresses a row of a map shows.
const rowLength = 16

func isTaken(cell view.MapCell) bool {
	return !slices.Contains(
		[]string{view.AddressFree, view.AddressExcluded, view.AddressReserved, view.AddressGateway}, cell.State,
	)
}

// cellTitle describes an address in one line.
func cellTitle(now time.Time, cell view.MapCell) string {
	text := cell.Address + ": " + cell.State
	if cell.Cluster != "" {
		text += ", Cluster " + cell.Namespace + "/" + cell.Cluster
	}
	if cell.Role != "" {
		text += ", role " + cell.Role
	}
	if cell.Claim != "" {
		text += ", claim " + cell.Namespace + "/" + cell.Claim
	}
	if !cell.Since.IsZero() {
		text += ", for " + view.Age(now.Sub(cell.Since))
	}
	if cell.Says != "" {
		text += "; " + cell.Says
	}
	return text
}
