package kubectlvip

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// run runs the plugin and returns what it prints and its exit code.
func run(t *testing.T, input string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = Run(t.Context(), args, genericiooptions.IOStreams{In: strings.NewReader(input), Out: &out, ErrOut: &errOut})
	return out.String(), errOut.String(), code
}

func TestRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(empty, []byte("apiVersion: v1\nkind: Config\n"), 0o600))
	t.Setenv("KUBECONFIG", empty)
	const nobody = "--server=https://127.0.0.1:1"
	for name, test := range map[string]struct {
		input string
		args  []string
		code  int
		want  string
	}{
		"if the command is not known": {"", []string{"lst"}, ExitBadInput, `unknown command "lst"`},
		"if the flag is not known":    {"", []string{"list", "--al"}, ExitBadInput, "unknown flag: --al"},
		"if the output is not known": {
			"", []string{"list", "-o", "xml"}, ExitBadInput, `--output="xml" is not one of table, wide, json, yaml`,
		},
		"if there is an argument too many": {
			"", []string{"check", "berlin"}, ExitBadInput, "see kubectl vip check --help",
		},
		"if no Cluster is named": {"", []string{"explain"}, ExitBadInput, "accepts 1 arg(s), received 0"},
		"if the severity is not known": {
			"",
			[]string{"check", "--fail-on=info"},
			ExitBadInput,
			`--fail-on="info" is not one of error, warning, never`,
		},
		"if no manifest is named": {"", []string{"plan"}, ExitBadInput, "-f FILE"},
		"if the manifest does not exist": {
			"", []string{"plan", "-f", "/no,where.yaml"}, ExitBadInput, `"/no,where.yaml" does not exist`,
		},
		"if the manifest is not YAML": {
			"a: [", []string{"plan", "-f", "-"}, ExitBadInput, "error parsing standard input",
		},
		"if the manifest has no Cluster": {
			"kind: Pod\napiVersion: v1\n",
			[]string{"plan", "-f", "-"},
			ExitBadInput,
			"there is no Cluster of cluster.x-k8s.io in it",
		},
		"if the Cluster has no name": {
			"{apiVersion: cluster.x-k8s.io/v1beta2, kind: Cluster}",
			[]string{"plan", "-f", "-"},
			ExitBadInput,
			"no metadata.name",
		},
		"if a field is of another type": {
			"{apiVersion: cluster.x-k8s.io/v1beta2, kind: Cluster, spec: {topology: 1}}",
			[]string{"plan", "-f", "-"},
			ExitBadInput, "cannot be understood",
		},
		"if nothing is configured": {
			"", []string{"list"}, ExitNoCluster, "no cluster is known: set KUBECONFIG",
		},
		"if nobody answers": {
			"", []string{"list", nobody}, ExitNoCluster, "https://127.0.0.1:1 cannot be reached",
		},
		"if nobody answers check": {"", []string{"check", nobody}, ExitNoCluster, "cannot be reached"},
		"if the kubeconfig does not exist": {
			"", []string{"explain", "a", "--kubeconfig=/nowhere"}, ExitNoCluster, "/nowhere",
		},
		"if there is no such context": {"", []string{"pools", "--context=nope"}, ExitNoCluster, "nope"},
		"if pages would be seen by others": {
			"", []string{"ui", "--address=0.0.0.0:0", nobody}, ExitBadInput, "not on loopback",
		},
		"if a pod has no address": {
			"", []string{"serve", nobody}, ExitBadInput, `required flag(s) "address" not set`,
		},
		"if a pod's address makes no sense": {
			"", []string{"serve", "--address=nowhere", nobody}, ExitBadInput, "missing port",
		},
		"if a report shall be a table": {
			"", []string{"report", "-o", "table", nobody}, ExitBadInput, `is not one of html, json, yaml`,
		},
		"if a list shall be HTML": {
			"", []string{"list", "-o", "html", nobody}, ExitBadInput, `is not one of table, wide, json, yaml`,
		},
		"if pools shall be drawn and listed": {
			"", []string{"pools", "--map", "--addresses", nobody}, ExitBadInput, "none of the others can be",
		},
		"if nobody answers, and it has a name": {"", []string{"version", nobody}, ExitNoCluster, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := run(t, test.input, test.args...)
			assert.Equal(t, test.code, code)
			assert.Contains(t, stderr, test.want)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one clear line: %s", stderr)
		})
	}
}

func TestVersion(t *testing.T) {
	out, _, code := run(t, "", "version", "--client")
	assert.Zero(t, code)
	assert.Regexp(t, `^kubectl-vip \S+ \(.*go1`, out)
	out, _, code = run(t, "", "version", "--client", "-o", "json")
	assert.Zero(t, code)
	assert.Contains(t, out, `"goVersion"`)
}

func TestHelp(t *testing.T) {
	out, _, code := run(t, "")
	assert.Zero(t, code)
	assert.Contains(t, out, "kubectl vip [command]")
	assert.Contains(t, out, "--context")
	assert.NotContains(t, out, "\n  serve ", "it is for pods")
	assert.NotContains(t, out, "--tls-server-name", "what kubectl has and hardly anyone needs works, and is not listed")
}

func TestPlainly(t *testing.T) {
	for want, err := range map[string]error{
		"does not accept your credentials": apierrors.NewUnauthorized("x"),
		"you may not read what is needed": noCluster(
			apierrors.NewForbidden(schema.GroupResource{Resource: "clusters"}, "", errors.New("no")),
		),
		"the API server https://api:6443 cannot be reached: connection refused": &url.Error{
			Op: "Get", URL: "https://api:6443/version?timeout=30s", Err: syscall.ECONNREFUSED,
		},
	} {
		assert.Contains(t, plainly(err), want)
	}
	assert.Equal(t, "a b c", oneLine("a\n b\t\tc\n"))
}

func TestDecodeClusters(t *testing.T) {
	clusters, err := decodeClusters(strings.NewReader(`
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: cluster.x-k8s.io/v1beta1
kind: Cluster
metadata: {name: old, namespace: team}
spec: {topology: {class: metal}}
---
# nothing
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: Cluster
metadata: {name: new}
spec: {topology: {classRef: {name: metal, namespace: classes}}}
`))
	require.NoError(t, err)
	require.Len(t, clusters, 2)
	assert.Equal(t, "team/metal", clusters[0].Class().String())
	assert.Equal(t, "classes/metal", clusters[1].Class().String())
	clusters, err = decodeClusters(
		strings.NewReader(`{"apiVersion":"cluster.x-k8s.io/v1beta2","kind":"Cluster","metadata":{"name":"json"}}`),
	)
	require.NoError(t, err)
	require.Len(t, clusters, 1)
}

func TestChanges(t *testing.T) {
	known := map[types.NamespacedName]view.Cluster{}
	names := func(clusters []view.Cluster) []string {
		list := []string{}
		for _, c := range clusters {
			list = append(list, c.Name+" "+c.State)
		}
		return list
	}
	a, b := view.Cluster{Name: "a", State: "Ready"}, view.Cluster{Name: "b", State: "Ready"}
	assert.Equal(t, []string{"a Ready", "b Ready"}, names(changes(known, []view.Cluster{a, b})), "all at first")
	assert.Empty(t, changes(known, []view.Cluster{a, b}), "nothing has changed")
	b.Roles = []view.Role{{Role: "ingress", Address: "10.0.0.1"}}
	assert.Equal(t, []string{"b Ready"}, names(changes(known, []view.Cluster{a, b})))
	assert.Equal(t, []string{"a Gone"}, names(changes(known, []view.Cluster{b})))
	a.Created = time.Unix(1, 0)
	assert.Equal(t, []string{"a Ready"}, names(changes(known, []view.Cluster{a, b})), "it came again")
}

func TestRedraw(t *testing.T) {
	var out bytes.Buffer
	drawn := 0
	require.NoError(t, redraw(&out, []string{"one", "two"}, &drawn))
	assert.Equal(t, "\x1b[?7l\rone\x1b[K\n\rtwo\x1b[K\n\x1b[J\x1b[?7h", out.String())
	out.Reset()
	require.NoError(t, redraw(&out, []string{"one"}, &drawn))
	assert.Equal(t, "\x1b[?7l\x1b[2A\rone\x1b[K\n\x1b[J\x1b[?7h", out.String(),
		"over the two lines of before, and nothing is left of them")
}

func TestShortened(t *testing.T) {
	for line, want := range map[string]string{
		"short": "short", "just fits!": "just fits!", "too long by one": "too lon\x1b[0m...",
		"äöüäöüäöüäöü":                   "äöüäöüä\x1b[0m...",
		"\x1b[32mjust fits!\x1b[0m":      "\x1b[32mjust fits!\x1b[0m",
		"\x1b[32mtoo long by one\x1b[0m": "\x1b[32mtoo lon\x1b[0m...",
	} {
		assert.Equal(t, want, shortened(line, 10))
	}
}

func TestIsUTF8(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"if nothing is set, should be ASCII":    {nil, false},
		"if the language is UTF-8, should be":   {map[string]string{"LANG": "de_DE.UTF-8"}, true},
		"if it is written otherwise, should be": {map[string]string{"LANG": "C.utf8"}, true},
		"if LC_ALL says otherwise, should go by that": {
			map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false,
		},
		"if the terminal is Windows', should be Unicode": {map[string]string{"WT_SESSION": "1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, isUTF8(func(key string) string { return test.env[key] }))
		})
	}
}

// TestManifests: manifests come from wherever kubectl reads them.
func TestManifests(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)))
	}
	cluster := func(name string) string {
		return "{apiVersion: cluster.x-k8s.io/v1beta2, kind: Cluster, metadata: {name: " + name + "}}"
	}
	write("a.yaml",
		"---\n"+cluster("a")+"\n---\n{apiVersion: v1, kind: Secret, metadata: {name: s}}\n---\n"+cluster("b")+"\n")
	write("list.json", `{"apiVersion": "v1", "kind": "List", "items": [
		{"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster",
			"metadata": {"name": "c", "namespace": "other"}}]}`)
	write("notes.txt", "not a manifest: [")
	write("deep/d.yaml", cluster("d"))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	for name, test := range map[string]struct {
		from resource.FilenameOptions
		want []string
	}{
		"if it is a file, should read its Clusters": {
			resource.FilenameOptions{Filenames: []string{dir + "/a.yaml"}}, []string{"team/a", "team/b"},
		},
		"if it is a directory, should read its manifests": {
			resource.FilenameOptions{Filenames: []string{dir}}, []string{"team/a", "team/b", "other/c"},
		},
		"if it shall go deeper, should read those below too": {
			resource.FilenameOptions{Filenames: []string{dir}, Recursive: true},
			[]string{"team/a", "team/b", "team/d", "other/c"},
		},
		"if it is an address, should read what is there": {
			resource.FilenameOptions{Filenames: []string{server.URL + "/deep/d.yaml"}}, []string{"team/d"},
		},
		"if it is standard input and a file, should read both": {
			resource.FilenameOptions{Filenames: []string{"-", dir + "/deep/d.yaml"}}, []string{"team/in", "team/d"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{
				IOStreams: genericiooptions.IOStreams{In: strings.NewReader(cluster("in"))},
				cluster:   genericclioptions.NewConfigFlags(false),
			}
			clusters, err := a.readManifests(&test.from, "team")
			require.NoError(t, err)
			var found []string
			for _, c := range clusters {
				found = append(found, c.Namespace+"/"+c.Name)
			}
			assert.Equal(t, test.want, found)
		})
	}
}
