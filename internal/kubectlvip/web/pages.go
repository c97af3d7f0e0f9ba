package web

import (
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// stateCount is how many Clusters are in a state.
type stateCount struct {
	State string
	Count int
}

// poolRow is a pool with its trend.
type poolRow struct {
	view.Pool
	Trend view.Trend
}

// overview is the body of the first page.
type overview struct {
	Clusters int
	States   []stateCount
	Pools    []poolRow
	Overlaps int
}

// overviewOf summarises the Clusters and pools of a namespace, and the global pools; all if the namespace is empty.
func overviewOf(a *view.Atlas, namespace string) overview {
	clusters := clustersOf(a, namespace)
	o := overview{Clusters: len(clusters), States: statesOf(clusters), Overlaps: len(view.Overlaps(a))}
	for _, pool := range view.PoolsOf(a, namespace, false) {
		trend, _ := view.TrendOf(a, pool.Kind, pool.Namespace, pool.Name)
		o.Pools = append(o.Pools, poolRow{pool, trend})
	}
	return o
}

// statesOf counts Clusters by state, Ready first and then the most frequent.
func statesOf(clusters []view.Cluster) []stateCount {
	var counts []stateCount
	for i := range clusters {
		at := slices.IndexFunc(counts, func(c stateCount) bool { return c.State == clusters[i].State })
		if at < 0 {
			at = len(counts)
			counts = append(counts, stateCount{State: clusters[i].State})
		}
		counts[at].Count++
	}
	slices.SortFunc(counts, func(x, y stateCount) int {
		switch {
		case x.State == y.State:
			return 0
		case x.State == view.StateReady:
			return -1
		case y.State == view.StateReady:
			return 1
		case x.Count != y.Count:
			return y.Count - x.Count
		}
		return strings.Compare(x.State, y.State)
	})
	return counts
}

// Pools writes the first page: all pools, how full they are, and the states of the Clusters.
func Pools(out io.Writer, a *view.Atlas) error {
	return pageOf(a.Facts(), pagePools, "Pools", overviewOf(a, "")).render(out, served)
}

// PoolQuery says which pool is shown, and which part of it; all of it if From and To are not valid.
type PoolQuery struct {
	Kind, Namespace, Name string
	From, To              netip.Addr
}

// Pool writes the page of a pool, with its map. If there is no such pool, it reports false and writes nothing.
func Pool(out io.Writer, a *view.Atlas, q PoolQuery) (bool, error) {
	m, ok := view.Map(a, q.Kind, q.Namespace, q.Name, q.From, q.To)
	if !ok {
		return false, nil
	}
	return true, pageOf(a.Facts(), pagePool, "Pool "+m.Pool.Title(), m).render(out, served)
}

// pageLength is how many Clusters a page lists.
const pageLength = 200

// ClusterQuery says which Clusters are listed.
type ClusterQuery struct {
	// Text is a part of namespace/name, the class or an address; State is a state. Empty means all.
	Text, State string
	// Page counts from 1.
	Page int
}

// clusterList is the body of the page of Clusters.
type clusterList struct {
	Query    ClusterQuery
	States   []stateCount
	Roles    []string
	Clusters []view.Cluster
	// Found counts the Clusters that match the query, Pages the pages they fill; Previous and Next are 0 if there is
	// none.
	Found, Pages, Previous, Next int
}

// Clusters writes the page that lists Clusters with what they have in each role.
func Clusters(out io.Writer, a *view.Atlas, q ClusterQuery) error {
	all := a.Clusters()
	list := clusterList{Query: q, States: statesOf(all), Roles: render.RolesOf(all)}
	var found []view.Cluster
	for i := range all {
		if q.matches(&all[i]) {
			found = append(found, all[i])
		}
	}
	list.Found, list.Pages = len(found), max((len(found)+pageLength-1)/pageLength, 1)
	list.Query.Page = min(max(q.Page, 1), list.Pages)
	first := (list.Query.Page - 1) * pageLength
	list.Clusters = found[first:min(first+pageLength, len(found))]
	list.Previous = list.Query.Page - 1
	if list.Query.Page < list.Pages {
		list.Next = list.Query.Page + 1
	}
	return pageOf(a.Facts(), pageClusters, "Clusters", list).render(out, served)
}

func (q *ClusterQuery) matches(c *view.Cluster) bool {
	if q.State != "" && q.State != c.State {
		return false
	}
	contains := func(text string) bool { return strings.Contains(text, q.Text) }
	return contains(c.Namespace+"/"+c.Name) || contains(c.Class) || contains(c.Endpoint) ||
		slices.ContainsFunc(c.Roles, func(r view.Role) bool { return contains(r.Address) || contains(r.Pool) })
}

// explained is a Cluster and the text that the command explain prints.
type explained struct {
	view.Cluster
	Text  string
	Pools []view.Pool
}

// textWidth is where the output of commands is folded, in columns.
const textWidth = 100

func explainOf(a *view.Atlas, namespace, name string) (explained, bool) {
	f := a.Facts()
	e, ok := view.Explain(f, namespace, name)
	if !ok {
		return explained{}, false
	}
	var text strings.Builder
	_ = render.Explain(&text, &e, &render.Options{Now: f.Now, Width: textWidth}) // a Builder never fails
	x := explained{Cluster: e.Cluster, Text: text.String()}
	for _, pool := range view.PoolsOf(a, namespace, false) {
		label := pool.Kind + "/" + pool.Name
		if slices.ContainsFunc(e.Cluster.Roles, func(r view.Role) bool { return r.Pool == label }) {
			x.Pools = append(x.Pools, pool)
		}
	}
	return x, true
}

// Cluster writes the page that explains a Cluster. If there is no such Cluster, it reports false and writes nothing.
func Cluster(out io.Writer, a *view.Atlas, namespace, name string) (bool, error) {
	x, ok := explainOf(a, namespace, name)
	if !ok {
		return false, nil
	}
	return true, pageOf(a.Facts(), pageCluster, "Cluster "+namespace+"/"+name, x).render(out, served)
}

// Overlaps writes the page of pools that have addresses in common.
func Overlaps(out io.Writer, a *view.Atlas) error {
	return pageOf(a.Facts(), pageOverlaps, "Overlaps", view.Overlaps(a)).render(out, served)
}

// Planned is the question asked on the page of plans, and the answer.
type Planned struct {
	// Manifest is the input; Problem says why there are no plans.
	Manifest, Problem string
	Plans             []view.ClusterPlan
}

// plan is the body of the page of plans.
type plan struct {
	Planned
	// Text is the output of the command plan; empty if nothing was asked.
	Text string
}

// Plan writes the page that says what the Clusters of a manifest would get.
func Plan(out io.Writer, a *view.Atlas, planned Planned) error {
	f := a.Facts()
	body := plan{Planned: planned}
	if len(planned.Plans) > 0 {
		var text strings.Builder
		// A Builder never fails.
		_ = render.Plan(&text, planned.Plans, &render.Options{Now: f.Now, Width: textWidth})
		body.Text = text.String()
	}
	return pageOf(f, pagePlan, "What would happen", body).render(out, served)
}
