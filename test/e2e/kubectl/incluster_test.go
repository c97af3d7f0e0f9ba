package kubectl

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// door is the name of the Service of the pages in the chart.
const door = "capi-vip-allocator-ui"

// visitor looks at the pages through the API server's service proxy.
type visitor struct {
	*http.Client
	root *url.URL
}

// documented returns the documented role, with its binding, for those who may see the pages and nothing else.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/kubectl-vip.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "**Narrow it.**")
	require.True(t, found)
	_, block, found := strings.Cut(section, "```yaml\n")
	require.True(t, found)
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	return block
}

// visit returns a visitor who has a role with these YAML rules in the operator's namespace.
func (e *env) visit(t *testing.T, user, path, rules string) visitor {
	t.Helper()
	_, err := plane.ApplyYAML(t.Context(), e.Plane.Config(), fmt.Sprintf(`
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: %[1]s, namespace: %[2]s}, rules: %[3]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user, harness.Namespace, rules))
	require.NoError(t, err)
	return e.visitAs(t, plane.Identity{User: user}, path)
}

func (e *env) visitAs(t *testing.T, identity plane.Identity, path string) visitor {
	t.Helper()
	config, err := e.Plane.ConfigFor(identity)
	require.NoError(t, err)
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	root, err := url.Parse(config.Host + path)
	require.NoError(t, err)
	return visitor{client, root}
}

// at resolves a link.
func (v visitor) at(t *testing.T, link string) string {
	t.Helper()
	return v.root.ResolveReference(parsed(t, link)).String()
}

// get follows a link, and returns the response and its text.
func (v visitor) get(t *testing.T, link string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.at(t, link), http.NoBody)
	require.NoError(t, err)
	return v.send(t, r)
}

func (v visitor) send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := v.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

func parsed(t *testing.T, link string) *url.URL {
	t.Helper()
	found, err := url.Parse(link)
	require.NoError(t, err)
	return found
}

// crawl follows every link of every page, and returns the texts by their path below the root.
func (v visitor) crawl(t *testing.T) map[string]string {
	t.Helper()
	texts, next := map[string]string{}, []string{v.root.String()}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		below, inside := strings.CutPrefix(at, v.root.String())
		require.True(t, inside, "%s leads out of the proxy", at)
		if _, seen := texts[below]; seen {
			continue
		}
		response, text := v.get(t, at)
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", at, text)
		texts[below] = text
		if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			continue
		}
		policy := response.Header.Get("Content-Security-Policy")
		assert.Contains(t, policy, "default-src 'none'", "the API server lets it through")
		root, err := html.Parse(strings.NewReader(text))
		require.NoError(t, err)
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				if slices.Contains([]string{"href", "src", "action"}, a.Key) {
					link := parsed(t, at).ResolveReference(parsed(t, a.Val))
					link.Fragment = ""
					next = append(next, link.String())
				}
			}
		}
	}
	return texts
}

// inCluster serves the pages as the chart's pod does, and visits them as people do.
func (e *env) inCluster(t *testing.T) {
	mark, err := e.Plane.Audit().Mark(t.Context())
	require.NoError(t, err)
	kubeconfig, rules, err := harness.GrantPages(t.Context(), e.Plane, "pages", "", "options")
	require.NoError(t, err)
	address, stop, err := harness.ServePages(kubeconfig, harness.Namespace, t.Output())
	require.NoError(t, err)
	path, err := harness.Publish(t.Context(), e.Plane, door, address)
	require.NoError(t, err)
	_, err = plane.ApplyYAML(t.Context(), e.Plane.Config(), documented(t))
	require.NoError(t, err)
	visitor := e.visitAs(t, plane.Identity{User: "visitor", Groups: []string{"vip-viewers"}}, path)
	reader := e.visit(t, "reader", path, mayGet("http:"+door+":80"))
	e.await(t, func() error { // the authorizer learns of the role through a watch, and the pod reads the cluster
		if response, text := visitor.get(t, "./"); response.StatusCode != http.StatusOK {
			return fmt.Errorf("the pages are answered with %s: %s", response.Status, text)
		}
		return nil
	})
	texts := visitor.crawl(t)
	assert.Contains(t, texts["cluster?name=first&namespace=team"], "Cluster team/first")
	assert.Contains(t, texts["pool?kind=GlobalInClusterIPPool&name=cp&namespace="], "10.0.0.1: ")
	assert.Contains(t, texts["static/app.js"], "EventSource")
	assert.Contains(t, texts[""], "Operator: ", "what runs is seen in its namespace")
	assert.NotContains(t, texts[""], "cannot be read")
	assert.NotContains(t, texts[""], "Note:")
	visitor.follows(t, e)
	visitor.plans(t, e, http.StatusOK, "It would get its VIPs.")
	response, _ := reader.get(t, "./clusters")
	assert.Equal(t, http.StatusOK, response.StatusCode)
	reader.plans(t, e, http.StatusForbidden, "cannot create resource")
	e.closed(t, path)
	assert.Equal(t, kubectlvip.ExitFine, stop(), "to be told to end is no error")
	e.leastPrivilege(t, mark, rules)
}

// follows checks that the page's events show a Cluster come and go.
func (v visitor) follows(t *testing.T, e *env) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.at(t, "./events"), http.NoBody)
	require.NoError(t, err)
	events, err := v.Do(r)
	require.NoError(t, err)
	defer func() { _ = events.Body.Close() }() // it was only read
	require.Equal(t, "text/event-stream", events.Header.Get("Content-Type"))
	lines := bufio.NewScanner(events.Body)
	shows := func(want bool) {
		for {
			if _, text := v.get(t, "./clusters"); strings.Contains(text, "team/paris") == want {
				return
			}
			require.True(t, lines.Scan(), "the events end before it is seen: %v", lines.Err())
		}
	}
	require.NoError(t, e.Create(t.Context(), harness.NewCluster{Namespace: team, Name: "paris", Class: "metal"}))
	shows(true)
	require.NoError(t, harness.Delete(t.Context(), e.Clusters(team), "paris"))
	shows(false)
}

// plans asks what a Cluster would get, like a browser on a page of the API server.
func (v visitor) plans(t *testing.T, e *env, status int, says string) {
	t.Helper()
	coming := harness.NewCluster{Namespace: team, Name: "lyon", Class: "metal"}
	manifest, err := yaml.Marshal(coming.Manifests(e.Version)[0])
	require.NoError(t, err)
	r := planForm(t, v.at(t, "./plan"), string(manifest))
	r.Header.Set("Origin", v.root.Scheme+"://"+v.root.Host)
	response, text := v.send(t, r)
	assert.Equal(t, status, response.StatusCode)
	assert.Contains(t, text, says)
}

// closed checks who cannot see the pages, and which of Kubernetes' own roles let people see them.
func (e *env) closed(t *testing.T, path string) {
	t.Helper()
	stranger := e.visit(t, "stranger", path, `[{apiGroups: [""], resources: [services, pods], verbs: [get, list]}]`)
	another := e.visit(t, "another", path, mayGet("http:other:80"))
	for _, v := range []visitor{stranger, another} {
		for _, link := range []string{"./", "./clusters", "./events", "./static/app.js", "./healthz"} {
			response, text := v.get(t, link)
			assert.Equal(t, http.StatusForbidden, response.StatusCode, "%s: %s", link, text)
		}
	}
	e.hasRole(t, "editor", "system:aggregate-to-edit")
	editor := e.visit(t, "editor", path, none)
	e.await(t, func() error {
		if response, text := editor.get(t, "./"); response.StatusCode != http.StatusOK {
			return fmt.Errorf("who has the role edit is answered with %s: %s", response.Status, text)
		}
		return nil
	})
	e.hasRole(t, "viewer", "system:aggregate-to-view")
	viewer := e.visit(t, "viewer", path, none)
	services, _, _ := strings.Cut(path, "/http:")
	e.await(t, func() error { // by then the authorizer has learned of the binding
		if response, text := viewer.get(t, services); response.StatusCode != http.StatusOK {
			return fmt.Errorf("who has the role view may not list Services: %s: %s", response.Status, text)
		}
		return nil
	})
	response, _ := viewer.get(t, "./")
	assert.Equal(t, http.StatusForbidden, response.StatusCode, "the role view is not enough")
}

// mayGet returns the rules of a role that may access one Service through the API server.
func mayGet(name string) string {
	return fmt.Sprintf(`[{apiGroups: [""], resources: [services/proxy], resourceNames: [%q], verbs: [get]}]`, name)
}

// none are the rules of a role that grants nothing.
const none = "[]"

// hasRole binds a user to one of Kubernetes' own ClusterRoles in the operator's namespace. The roles edit and view
// consist of these.
func (e *env) hasRole(t *testing.T, user, role string) {
	t.Helper()
	_, err := plane.ApplyYAML(t.Context(), e.Plane.Config(), fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s-has, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[3]q}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[1]s}]
`, user, harness.Namespace, role))
	require.NoError(t, err)
}

// leastPrivilege compares what the pages did with what they may do.
func (e *env) leastPrivilege(t *testing.T, since plane.Mark, rules []rbacv1.PolicyRule) {
	t.Helper()
	granted, used := map[string]bool{}, map[string]bool{}
	for _, rule := range rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				granted[verb+" "+resource+"."+rule.APIGroups[0]] = true
			}
		}
	}
	entries, err := e.Plane.Audit().Since(t.Context(), since)
	require.NoError(t, err)
	for _, entry := range entries.ByUser(harness.PagesUser("pages")) {
		assert.NotEqual(t, http.StatusForbidden, entry.Code, "%s %s", entry.Verb, entry.URI)
		if entry.Resource != "" {
			used[entry.Verb+" "+entry.Resource+"."+entry.Group] = true
		}
	}
	assert.Equal(t, granted, used, "granted and used")
}

// inClusterForOne serves the pages of an operator that watches one namespace.
func (e *env) inClusterForOne(t *testing.T) {
	kubeconfig, _, err := harness.GrantPages(t.Context(), e.Plane, "pages-of-team", team, "options")
	require.NoError(t, err)
	address, stop, err := harness.ServePages(kubeconfig, team, t.Output())
	require.NoError(t, err)
	path, err := harness.Publish(t.Context(), e.Plane, door+"-of-team", address)
	require.NoError(t, err)
	v := e.visit(t, "tenant", path, `[{apiGroups: [""], resources: [services/proxy], verbs: [get]}]`)
	e.await(t, func() error {
		if response, text := v.get(t, "./clusters"); response.StatusCode != http.StatusOK {
			return fmt.Errorf("the pages are answered with %s: %s", response.Status, text)
		}
		return nil
	})
	_, text := v.get(t, "./clusters")
	assert.Contains(t, text, "team/first")
	assert.Contains(t, text, "Note: only namespace team could be read")
	assert.Equal(t, kubectlvip.ExitFine, stop())
}
