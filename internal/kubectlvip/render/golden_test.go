package render_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares the output with a golden file.
func golden(t *testing.T, name string, printed func(io.Writer) error) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, printed(&out))
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./internal/kubectlvip/render -update")
	assert.Equal(t, string(want), out.String(), "if this was meant: go test ./internal/kubectlvip/render -update")
}

func options(change ...func(*render.Options)) *render.Options {
	o := &render.Options{Now: viptest.Now, Width: 100}
	for _, c := range change {
		c(o)
	}
	return o
}

func wide(o *render.Options)     { o.Wide = true }
func colorful(o *render.Options) { o.Color, o.Unicode = true, true }
func bare(o *render.Options)     { o.NoHeaders = true }
func narrow(o *render.Options)   { o.Width = 60 }

func asJSON(data any) func(io.Writer) error {
	return func(out io.Writer) error {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	}
}

func TestExplain(t *testing.T) {
	for name, facts := range explained() {
		t.Run(name, func(t *testing.T) {
			explanation, ok := view.Explain(facts, viptest.Namespace, viptest.ClusterName)
			require.True(t, ok)
			golden(t, "explain "+name, func(out io.Writer) error {
				return render.Explain(out, &explanation, options())
			})
		})
	}
	explanation, _ := view.Explain(explained()["pool not found"], viptest.Namespace, viptest.ClusterName)
	golden(t, "explain wide", func(out io.Writer) error { return render.Explain(out, &explanation, options(wide)) })
	golden(t, "explain in colour", func(out io.Writer) error {
		return render.Explain(out, &explanation, options(colorful, narrow))
	})
	golden(t, "explain json", asJSON(&explanation))
	_, ok := view.Explain(explained()["ready"], viptest.Namespace, "nobody")
	assert.False(t, ok)
}

// TestEveryReason looks for each reason of package names in a golden file, so that none stays unexplained.
func TestEveryReason(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "explain-*.golden"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	reasons := reasonsOf(t)
	require.Greater(t, len(reasons), 7, "the test must find the reasons")
	for _, reason := range reasons {
		assert.Contains(t, all.String(), reason,
			"no golden file explains it: add a Cluster with this reason to explained()")
		assert.True(t, view.Explains(reason), "package view has no words for %s", reason)
	}
}

// reasonsOf returns the condition reasons declared in package names.
func reasonsOf(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../names/names.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var reasons []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			reason, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			if names.IsReason(reason) {
				reasons = append(reasons, reason)
			}
		}
		return true
	})
	return reasons
}

func TestList(t *testing.T) {
	clusters := view.List(fleet(), "")
	for name, o := range map[string]*render.Options{
		"list": options(), "list wide": options(wide), "list in colour": options(colorful),
		"list without headers": options(bare),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(out io.Writer) error { return render.List(out, clusters, true, o) })
		})
	}
	golden(t, "list of one namespace", func(out io.Writer) error {
		return render.List(out, view.List(fleet(), viptest.Namespace), false, options())
	})
	golden(t, "list json", asJSON(clusters))
	golden(t, "list without the operator", func(out io.Writer) error {
		f := fleet()
		f.Operator = stopped()
		f.Snapshots = append(f.Snapshots, named(viptest.Namespace, "new", viptest.Snapshot(viptest.WithPools())))
		return render.List(out, view.List(f, ""), true, options())
	})
}

func TestPools(t *testing.T) {
	for name, o := range map[string]*render.Options{
		"pools": options(), "pools wide": options(wide), "pools in colour": options(colorful),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(out io.Writer) error { return render.Pools(out, view.Pools(fleet(), "", false), o) })
		})
	}
	golden(t, "pools addresses", func(out io.Writer) error {
		return render.Pools(out, view.Pools(fleet(), "", true), options())
	})
	golden(t, "pools json", asJSON(view.Pools(fleet(), viptest.Namespace, true)))
	golden(t, "pools none in use", func(out io.Writer) error {
		return render.Pools(out, []view.Pool{{Name: "new", Addresses: []view.PoolAddress{}}}, options())
	})
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		facts       *view.Facts
		permissions *view.Permissions
	}{
		"check trouble": {troubled(), &view.Permissions{Permissions: []view.Permission{
			{What: "list clusters.cluster.x-k8s.io", Allowed: true}, {What: "patch clusters/status.cluster.x-k8s.io"},
		}}},
		"check fine": {fine(), &view.Permissions{
			Permissions: []view.Permission{{What: "list clusters.cluster.x-k8s.io", Allowed: true}},
		}},
		"check missing apis": {bareCluster(), &view.Permissions{
			Skipped: "no Deployment of the operator was found, so its service account is not known",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			report := view.Check(test.facts, test.permissions)
			golden(t, name, func(out io.Writer) error { return render.Check(out, &report, options(wide)) })
		})
	}
	report := view.Check(troubled(), &view.Permissions{})
	golden(t, "check in colour", func(out io.Writer) error { return render.Check(out, &report, options(colorful)) })
	golden(t, "check json", asJSON(&report))
}

func TestPlan(t *testing.T) {
	plans := planned()
	golden(t, "plan", func(out io.Writer) error { return render.Plan(out, plans, options()) })
	golden(t, "plan in colour", func(out io.Writer) error { return render.Plan(out, plans[:1], options(colorful)) })
	golden(t, "plan json", asJSON(plans[:1]))
}
