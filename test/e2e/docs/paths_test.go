package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPathsExist: wherever code joins the root of the sources with names, something exists there. The compiler does
// not notice when a directory moves, and the modules below test/ rarely run.
func TestPathsExist(t *testing.T) {
	const root = "../../.."
	paths := 0
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() &&
			(entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..") {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if names := belowRoot(node); len(names) > 0 {
				paths++
				_, err := filepath.EvalSymlinks(filepath.Join(append([]string{root}, names...)...))
				assert.NoError(t, err, file)
			}
			return true
		})
		return nil
	}))
	assert.Greater(t, paths, 10)
}

// belowRoot returns the names that a call joins to the root of the sources, up to the first that is not a literal.
func belowRoot(node ast.Node) []string {
	call, ok := node.(*ast.CallExpr)
	if !ok || len(call.Args) < 2 || called(call) != "Join" {
		return nil
	}
	root, ok := call.Args[0].(*ast.CallExpr)
	if !ok || called(root) != "Root" {
		return nil
	}
	var names []string
	for _, argument := range call.Args[1:] {
		literal, ok := argument.(*ast.BasicLit)
		if !ok {
			break
		}
		name, err := strconv.Unquote(literal.Value)
		if err != nil {
			break
		}
		names = append(names, name)
	}
	return names
}

// called returns the name of the called function, without its package.
func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.SelectorExpr:
		return function.Sel.Name
	case *ast.Ident:
		return function.Name
	default:
		return ""
	}
}
