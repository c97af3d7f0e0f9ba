package web_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// hostile is a name that would be markup if not escaped.
const hostile = `<script>alert("x")</script>`

// atlas is a small cluster: a Cluster that is served, one that waits, two pools that overlap, and a hostile name.
func atlas() *view.Atlas {
	s := viptest.Snapshot(viptest.Served())
	lost := viptest.Snapshot(viptest.With(func(c *vip.Cluster) { c.Name = "lost" }))
	f := &view.Facts{
		Now: viptest.Now, Snapshots: []vip.Snapshot{lost, s},
		Operator: view.Operator{State: view.OperatorRunning, Says: hostile},
		Limits:   []string{"only namespace " + hostile + " could be read"},
	}
	for i := range s.Pools {
		pool := view.PoolFacts{Pool: s.Pools[i]}
		pool.Offers = []vip.Range{{From: netip.MustParseAddr("10.0.0.8"), To: netip.MustParseAddr("10.0.0.40")}}
		pool.Space = pool.Offers
		pool.Problems = []string{hostile}
		f.Pools = append(f.Pools, pool)
	}
	for i := range s.Claims {
		f.Claims = append(f.Claims, view.ClaimFacts{Claim: s.Claims[i], Cluster: viptest.ClusterName})
		f.Addresses = append(f.Addresses, view.AddressFacts{Address: s.Addresses[i], Pool: s.Claims[i].Pool})
	}
	return view.NewAtlas(f)
}

func cpPool() web.PoolQuery {
	ref := viptest.GlobalRef("cp")
	return web.PoolQuery{Kind: ref.Kind, Name: ref.Name}
}

// pages returns all pages, by name.
func pages(a *view.Atlas) map[string]func(io.Writer) error {
	found := func(render func(io.Writer) (bool, error)) func(io.Writer) error {
		return func(out io.Writer) error {
			ok, err := render(out)
			if err == nil && !ok {
				err = errors.New("not found")
			}
			return err
		}
	}
	return map[string]func(io.Writer) error{
		"pools":    func(out io.Writer) error { return web.Pools(out, a) },
		"pool":     found(func(out io.Writer) (bool, error) { return web.Pool(out, a, cpPool()) }),
		"clusters": func(out io.Writer) error { return web.Clusters(out, a, web.ClusterQuery{}) },
		"cluster": found(func(out io.Writer) (bool, error) {
			return web.Cluster(out, a, viptest.Namespace, viptest.ClusterName)
		}),
		"overlaps": func(out io.Writer) error { return web.Overlaps(out, a) },
		"plan": func(out io.Writer) error {
			return web.Plan(out, a,
				web.Planned{Manifest: "</textarea>" + hostile, Problem: hostile, Plans: []view.ClusterPlan{{
					Cluster: view.Cluster{Namespace: viptest.Namespace, Name: hostile},
					Summary: "It would get its VIPs.",
				}}})
		},
		"report": func(out io.Writer) error {
			return web.Report(out, a, "",
				[]view.Finding{{Severity: view.SeverityError, Check: "cluster", Message: hostile}})
		},
		"problem": func(out io.Writer) error { return web.Problem(out, "/a/b", "Not found", hostile) },
	}
}

func rendered(t *testing.T, page func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, page(&out))
	return out.String()
}

// TestPages: each page is well formed, and follows the policy that it is served with.
func TestPages(t *testing.T) {
	for name, page := range pages(atlas()) {
		t.Run(name, func(t *testing.T) {
			text := rendered(t, page)
			assert.NotContains(t, text, hostile)
			assert.NotContains(t, text, "ZgotmplZ", "a value that the template could not place")
			root, err := html.Parse(strings.NewReader(text))
			require.NoError(t, err)
			ids, hrefs, headings := map[string]bool{}, []string{}, 0
			for n := range root.Descendants() {
				if n.Data == "h1" {
					headings++
				}
				if n.Data == "script" {
					assert.NotEqual(t, "report", name, "a report has no scripts")
					assert.Nil(t, n.FirstChild, "no script stands in the page")
				}
				for _, a := range n.Attr {
					assert.NotEqual(t, "style", a.Key, "the policy forbids it")
					assert.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
					switch a.Key {
					case "id":
						assert.False(t, ids[a.Val], "id %s is there twice", a.Val)
						ids[a.Val] = true
					case "href", "src", "action":
						assert.Regexp(t, map[bool]string{true: "^#", false: `^(#|\./)`}[name == "report"], a.Val,
							"nothing leads elsewhere, or out of what a proxy puts before the path")
						hrefs = append(hrefs, a.Val)
					}
				}
			}
			assert.Equal(t, 1, headings)
			for _, href := range hrefs {
				if id, local := strings.CutPrefix(href, "#"); local {
					assert.True(t, ids[id], "%s leads nowhere", href)
				}
			}
		})
	}
}

// TestProblem: an error page links to the pages from any path.
func TestProblem(t *testing.T) {
	for path, root := range map[string]string{
		"": "./", "/": "./", "/pools": "./", "/cluster/": "./../", "/a/b/c": "./../../",
	} {
		text := rendered(t, func(out io.Writer) error { return web.Problem(out, path, "Not found", "Not there.") })
		assert.Contains(t, text, `<a href="`+root+`">Pools</a>`, path)
		assert.Contains(t, text, `href="`+root+`static/app.css"`, path)
	}
}

// TestLost: a page says how old it is when there is nothing newer to show.
func TestLost(t *testing.T) {
	a := atlas()
	const says = "The API server does not answer."
	for name, page := range pages(a) {
		assert.NotContains(t, rendered(t, page), says, name)
	}
	a.Facts().LostSince = viptest.Ago(90 * time.Second)
	for name, page := range pages(a) {
		if text := rendered(t, page); name != "problem" && name != "report" {
			assert.Contains(t, text, says+" What is shown is of 2026-03-01 11:58:30 UTC, 90s ago.", name)
			assert.NotContains(t, text, "As of ", name)
		}
	}
}

func TestPoolPage(t *testing.T) {
	text := rendered(t, pages(atlas())["pool"])
	assert.Contains(t, text,
		`title="10.0.0.10: held, Cluster tenant/prod, role control-plane, claim tenant/vip-cp-prod`)
	assert.Contains(t, text, `title="10.0.0.11: free"`)
	assert.Contains(t, text, `<span class="label">10.0.0.16</span>`, "rows begin at multiples of 16")
	ok, err := web.Pool(io.Discard, atlas(), web.PoolQuery{Kind: "x", Name: "y"})
	require.NoError(t, err)
	assert.False(t, ok)
}

// TestClusterPage: the page says what the command says.
func TestClusterPage(t *testing.T) {
	a := atlas()
	e, ok := view.Explain(a.Facts(), viptest.Namespace, "lost")
	require.True(t, ok)
	var want bytes.Buffer
	require.NoError(t, render.Explain(&want, &e, &render.Options{Now: viptest.Now, Width: 100}))
	text := rendered(t, func(out io.Writer) error {
		_, err := web.Cluster(out, a, viptest.Namespace, "lost")
		return err
	})
	root, err := html.Parse(strings.NewReader(text))
	require.NoError(t, err)
	for n := range root.Descendants() {
		if n.Data == "pre" {
			assert.Equal(t, want.String(), n.FirstChild.Data)
			return
		}
	}
	t.Fatal("there is no such text")
}

func TestClustersPage(t *testing.T) {
	listed := regexp.MustCompile(`<th scope="row"><a[^>]*>([^<]*)</a>`)
	for name, test := range map[string]struct {
		query web.ClusterQuery
		want  []string
	}{
		"if nothing is asked, should list all":         {web.ClusterQuery{}, []string{"tenant/lost", "tenant/prod"}},
		"if a part of a name is given, should find it": {web.ClusterQuery{Text: "t/pro"}, []string{"tenant/prod"}},
		"if an address is given, should find it":       {web.ClusterQuery{Text: "10.0.0.20"}, []string{"tenant/prod"}},
		"if a state is given, should find those": {
			web.ClusterQuery{State: names.ReasonPoolNotFound}, []string{"tenant/lost"},
		},
		"if a page is too far, should show the last": {
			web.ClusterQuery{Page: 99}, []string{"tenant/lost", "tenant/prod"},
		},
		"if nothing matches, should say so": {web.ClusterQuery{Text: "nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := rendered(t, func(out io.Writer) error { return web.Clusters(out, atlas(), test.query) })
			var got []string
			for _, found := range listed.FindAllStringSubmatch(text, -1) {
				got = append(got, found[1])
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// TestManyClusters: the list comes in pages.
func TestManyClusters(t *testing.T) {
	f := &view.Facts{Now: viptest.Now}
	for i := range 450 {
		s := viptest.Snapshot()
		s.Cluster.Name = "c" + time.Duration(i).String()
		f.Snapshots = append(f.Snapshots, s)
	}
	a := view.NewAtlas(f)
	text := rendered(t, func(out io.Writer) error { return web.Clusters(out, a, web.ClusterQuery{Page: 2, Text: "c"}) })
	assert.Contains(t, text, "450 found, page 2 of 3")
	assert.Contains(t, text, `rel="prev" href="./clusters?q=c"`)
	assert.Contains(t, text, `rel="next" href="./clusters?page=3&amp;q=c"`)
	assert.Equal(t, 200, strings.Count(text, `<th scope="row">`))
}

func TestStatic(t *testing.T) {
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		file, err := web.Static().Open(name)
		require.NoError(t, err)
		text, err := io.ReadAll(file)
		require.NoError(t, err)
		assert.NotRegexp(t, `@import|url\(|https?://[^w]`, string(text), "nothing is loaded from elsewhere")
		if name == "icon.svg" {
			require.NoError(t, xml.Unmarshal(text, new(struct{})))
		}
	}
}
