// Package docs checks that the documentation says what the program does.
package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

const reference = "../../../docs/reference.md"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// contains looks for code in the text of the reference.
func contains(t *testing.T, text, code string) {
	t.Helper()
	if !strings.Contains(text, "`"+code+"`") {
		t.Errorf("`%s` is missing in docs/reference.md", code)
	}
}

// TestFlagsAreCurrent compares the list of flags in the reference with the program's.
func TestFlagsAreCurrent(t *testing.T) {
	flags := pflag.NewFlagSet("capi-vip-allocator", pflag.ContinueOnError)
	options.New().AddFlags(flags)
	var table strings.Builder
	table.WriteString("\n| flag | default | |\n| --- | --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value := f.DefValue
		if value != "" {
			value = "`" + value + "`"
		}
		table.WriteString("| `--" + f.Name + "` | " + value + " | " + strings.ReplaceAll(f.Usage, "|", `\|`) + " |\n")
	})
	table.WriteString("\n")
	isCurrent(t, reference, "flags", table.String())
}

// TestConfigIsCurrent compares the table of the config file with the flags, which name their keys.
func TestConfigIsCurrent(t *testing.T) {
	flags := pflag.NewFlagSet("capi-vip-allocator", pflag.ContinueOnError)
	options.New().AddFlags(flags)
	text := read(t, reference)
	key := regexp.MustCompile(`Config file: (\w+)\.$`)
	keys := 0
	flags.VisitAll(func(f *pflag.Flag) {
		match := key.FindStringSubmatch(f.Usage)
		if match == nil {
			return
		}
		keys++
		value := " "
		if f.DefValue != "" {
			value = " `" + f.DefValue + "` "
		}
		row := "| `" + match[1] + "` | `--" + f.Name + "` |" + value + "|"
		if !strings.Contains(text, row) {
			t.Errorf("docs/reference.md has no row that begins: %s", row)
		}
	})
	assert.Len(t, regexp.MustCompile("(?m)^\\| `\\w+` \\| `--").FindAllString(text, -1), keys,
		"docs/reference.md has keys that the program has not")
}

// TestNamesAreCurrent finds every public string of the program in the reference: labels, annotations, finalizer,
// reasons, events and what it reads from Cluster API.
func TestNamesAreCurrent(t *testing.T) {
	text := read(t, reference)
	public := regexp.MustCompile(`^(Reason|Event)|/`)
	checked := 0
	for name, value := range constants(t, "../../../internal/names") {
		if public.MatchString(name) || strings.Contains(value, "/") {
			contains(t, text, value)
			checked++
		}
	}
	assert.Greater(t, checked, 20, "the test must find the constants")
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		contains(t, text, names.ConditionType(role))
		contains(t, text, names.Annotation(role))
		contains(t, text, names.ClaimName("<cluster>", role))
	}
	for _, key := range regexp.MustCompile("`"+regexp.QuoteMeta(names.Domain)+
		"/([a-z-]+)`").FindAllStringSubmatch(text, -1) {
		_, reserved := constantsByValue(t)[names.Annotation(key[1])]
		assert.True(t, reserved || key[1] == names.RoleControlPlane ||
			key[1] == names.RoleIngress, "docs/reference.md has %s, which the program has not", key[0])
	}
}

// TestPoolsAreCurrent compares what the reference says about pools with what the program reads from them.
func TestPoolsAreCurrent(t *testing.T) {
	text := read(t, reference)
	for kind, keys := range map[string][]string{"label": names.PoolLabels, "annotation": names.PoolAnnotations} {
		for _, key := range keys {
			assert.Contains(t, text, "| `"+key+"` | "+kind+" | ")
		}
		rows := regexp.MustCompile("(?m)^\\| `[^`]+` \\| "+kind+
			" \\| ").FindAllString(strings.SplitN(text, "\n## ", 3)[1], -1)
		assert.Len(t, rows, len(keys), "the reference has a %s that is not read", kind)
	}
	text = strings.Join(strings.Fields(text), " ")
	assert.Contains(t, text, fmt.Sprintf("Of one pool the first %d classes, %d roles and %d namespaces are read",
		poolconfig.MaxPoolClasses, poolconfig.MaxPoolRoles, poolconfig.MaxPoolNamespaces))
	assert.Contains(t, text, fmt.Sprintf("So does a list of more than %d Clusters, or of more than %d variables",
		poolconfig.MaxPoolClusters, poolconfig.MaxPoolVariables))
	assert.Contains(t, text, fmt.Sprintf("at most %d bytes", poolconfig.MaxPoolAnnotation))
}

func constantsByValue(t *testing.T) map[string]string {
	t.Helper()
	byValue := map[string]string{}
	for name, value := range constants(t, "../../../internal/names") {
		byValue[value] = name
	}
	return byValue
}

// constants returns the exported string constants of a package, with their values. It understands literals, and
// constants of the same package that refer to a literal.
func constants(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	found := map[string]string{}
	var value func(ast.Expr) string
	value = func(expression ast.Expr) string {
		switch e := expression.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(e.Value)
			if err == nil && e.Kind == token.STRING {
				return text
			}
		case *ast.Ident:
			return found[e.Name]
		case *ast.BinaryExpr:
			return value(e.X) + value(e.Y)
		}
		return ""
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			group, ok := declaration.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				constant, _ := spec.(*ast.ValueSpec)
				for i, name := range constant.Names {
					if text := value(constant.Values[i]); name.IsExported() && text != "" {
						found[name.Name] = text
					}
				}
			}
		}
	}
	return found
}

// TestMetricsAreCurrent compares the table of metrics in the reference with the program's metrics, their types and
// labels.
func TestMetricsAreCurrent(t *testing.T) {
	text := read(t, reference)
	registry := prometheus.NewRegistry()
	telemetry.NewMetrics(registry, "v0", "c0")
	telemetry.NewState(registry)
	descs := make(chan *prometheus.Desc, 1000)
	registry.Describe(descs)
	close(descs)
	desc := regexp.MustCompile(`fqName: "(capi_vip_[^"]+)".*constLabels: {([^}]*)}, variableLabels: {([^}]*)}`)
	checked := 0
	for d := range descs {
		match := desc.FindStringSubmatch(d.String())
		if match == nil {
			continue
		}
		checked++
		row := regexp.MustCompile("(?m)^\\| `" + match[1] + "` .*$").FindString(text)
		if !assert.NotEmpty(t, row, "%s is missing in docs/reference.md", match[1]) {
			continue
		}
		var labels []string
		for _, label := range strings.FieldsFunc(match[2]+","+match[3], func(r rune) bool { return r == ',' }) {
			name, _, _ := strings.Cut(label, "=")
			labels = append(labels, "`"+name+"`")
		}
		cells := strings.Split(row, "|")
		assert.ElementsMatch(t, labels, strings.FieldsFunc(cells[3], func(r rune) bool { return r == ' ' || r == ',' }),
			"the labels of %s", match[1])
	}
	assert.Greater(t, checked, 8, "the test must find the metrics")
	assert.Len(t, regexp.MustCompile("(?m)^\\| `capi_vip_").FindAllString(text, -1), checked,
		"docs/reference.md has metrics that the program has not")
	for _, value := range typedConstants(t, "../../../internal/telemetry", "Failure") {
		contains(t, text, value)
	}
}

// typedConstants returns the constants whose names begin with a prefix.
func typedConstants(t *testing.T, dir, prefix string) map[string]string {
	t.Helper()
	found := constants(t, dir)
	for name := range found {
		if !strings.HasPrefix(name, prefix) {
			delete(found, name)
		}
	}
	require.NotEmpty(t, found)
	return found
}
