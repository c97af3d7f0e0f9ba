// Package docs checks that the documentation says what the program does.
package docs

import (
	"flag"
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

	"github.com/gorizond/capi-vip-allocator/internal/operator"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

const reference = "../../docs/reference.md"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// TestNamesAreDocumented finds every reason, event and key of package names in the reference.
func TestNamesAreDocumented(t *testing.T) {
	text := read(t, reference)
	files, err := filepath.Glob("../../internal/names/*.go")
	require.NoError(t, err)
	checked := 0
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && regexp.MustCompile(`^(Reason|Event)`).MatchString(spec.Names[0].Name) {
				value, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				assert.Contains(t, text, "`"+value+"`", "%s is missing in docs/reference.md", spec.Names[0].Name)
				checked++
			}
			return true
		})
	}
	assert.Greater(t, checked, 10, "the test must find the constants")
}

// TestMetricsAreDocumented finds every metric of the allocator in the reference.
func TestMetricsAreDocumented(t *testing.T) {
	text := read(t, reference)
	registry := prometheus.NewRegistry()
	telemetry.NewMetrics(registry, "v0", "c0")
	telemetry.NewState(registry)
	descs := make(chan *prometheus.Desc, 1000)
	registry.Describe(descs)
	close(descs)
	name := regexp.MustCompile(`fqName: "(capi_vip_[^"]+)"`)
	checked := 0
	for desc := range descs {
		if match := name.FindStringSubmatch(desc.String()); match != nil {
			assert.Contains(t, text, "`"+match[1]+"`", "the metric is missing in docs/reference.md")
			checked++
		}
	}
	assert.Greater(t, checked, 8, "the test must find the metrics")
}

// TestFlagsAreCurrent compares the list of flags in the reference with the program's.
func TestFlagsAreCurrent(t *testing.T) {
	flags := pflag.NewFlagSet("capi-vip-allocator", pflag.ContinueOnError)
	operator.NewOptions().AddFlags(flags)
	const begin, end = "<!-- flags: go test ./test/docs -update -->\n", "<!-- end -->"
	text := read(t, reference)
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "docs/reference.md has no place for the flags")
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the place for the flags has no end")

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
	want := before + begin + table.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(reference, []byte(want), 0o600))
		return
	}
	assert.Equal(t, want, text, "docs/reference.md is out of date: go test ./test/docs -update")
}

// TestLinks follows every relative link in the Markdown files.
func TestLinks(t *testing.T) {
	root := "../.."
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	checked := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		for _, match := range link.FindAllStringSubmatch(read(t, path), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(path), match[1]))
			assert.NoError(t, err, "%s links to %s", path, match[1])
			checked++
		}
		return nil
	}))
	assert.Greater(t, checked, 5, "the test must find the links")
}
