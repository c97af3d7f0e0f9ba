package vip_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every phase has a handler and appears in the table and the diagram of the documentation, and neither has any others.
func TestPhasesAreComplete(t *testing.T) {
	phases, handled := phasesOf(t)
	require.Greater(t, len(phases), 15)
	assert.ElementsMatch(t, keys(phases), handled)
	text, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "### Phases of a role")
	require.True(t, found)
	section, _, _ := strings.Cut(after, "\nTime is data")
	diagram, table, _ := strings.Cut(section, "| phase |")
	var rows []string
	for line := range strings.Lines(table) {
		if row, ok := strings.CutPrefix(line, "| `"); ok {
			phase, _, _ := strings.Cut(row, "`")
			rows = append(rows, phase)
		}
	}
	var names []string
	for _, phase := range phases {
		names = append(names, phase)
		assert.Regexp(t, `\b`+phase+`\b`, diagram)
	}
	assert.ElementsMatch(t, names, rows)
}

// phasesOf returns the constants of phases with their values, and the constants in the map of handlers.
func phasesOf(t *testing.T) (phases map[string]string, handled []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "phase.go", nil, 0)
	require.NoError(t, err)
	phases = map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ValueSpec:
			if ident, ok := n.Type.(*ast.Ident); ok && ident.Name == "Phase" {
				value, err := strconv.Unquote(n.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				phases[n.Names[0].Name] = value
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && strings.HasPrefix(key.Name, "Phase") {
				handled = append(handled, key.Name)
			}
		}
		return true
	})
	return phases, handled
}

func keys(m map[string]string) []string {
	var names []string
	for key := range m {
		names = append(names, key)
	}
	return names
}
