package web

import (
	"io"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// mostExplained limits how many Clusters a report explains.
const mostExplained = 200

// report is the body of the report.
type report struct {
	Overview overview
	Maps     []view.PoolMap
	Clusters clusterList
	// Explained are Clusters in a state that someone may want to know the reason of, and Unexplained is how many more
	// there are.
	Explained   []explained
	Unexplained int
	Overlaps    []view.Overlap
	Findings    []view.Finding
}

// Report writes everything that the pages show, and the findings of the checks, into one page without scripts or other
// files. It covers the Clusters and pools of one namespace, and the global pools; all if namespace is empty.
func Report(out io.Writer, a *view.Atlas, namespace string, findings []view.Finding) error {
	f := a.Facts()
	body := report{Overview: overviewOf(a, namespace), Maps: view.Maps(a, namespace), Findings: findings}
	body.Clusters.Clusters = clustersOf(a, namespace)
	body.Clusters.Roles = render.RolesOf(body.Clusters.Clusters)
	body.Overlaps = view.Overlaps(a)
	for i := range body.Clusters.Clusters {
		c := &body.Clusters.Clusters[i]
		switch {
		case render.Tone(c.State) != "bad" && render.Tone(c.State) != "wait":
		case len(body.Explained) == mostExplained:
			body.Unexplained++
		default:
			if x, ok := explainOf(a, c.Namespace, c.Name); ok {
				body.Explained = append(body.Explained, x)
			}
		}
	}
	title := "Virtual IPs of all namespaces"
	if namespace != "" {
		title = "Virtual IPs of namespace " + namespace
	}
	return pageOf(f, pageReport, title, body).render(out, reported)
}

// clustersOf returns the Clusters of a namespace; all if it is empty.
func clustersOf(a *view.Atlas, namespace string) []view.Cluster {
	var clusters []view.Cluster
	for _, c := range a.Clusters() {
		if namespace == "" || c.Namespace == namespace {
			clusters = append(clusters, c)
		}
	}
	return clusters
}
