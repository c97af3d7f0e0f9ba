package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

const jsonPage = "../../../docs/kubectl-vip-json.md"

// TestJSONIsDescribed compares the page on the plugin's JSON with the Go types behind it. Renaming or removing a
// field changes the page, and breaks users' programs.
func TestJSONIsDescribed(t *testing.T) {
	d := &described{comments: comments(t, "../../../internal/kubectlvip/view")}
	for _, root := range []any{
		view.Cluster{},
		view.Pool{},
		view.PoolMap{},
		view.Explanation{},
		view.Report{},
		view.ClusterPlan{},
		view.Retirement{},
	} {
		d.add(reflect.TypeOf(root))
	}
	done := 0
	for done < len(d.types) { // a type may add the types of its fields
		d.table(d.types[done])
		done++
	}
	isCurrent(t, jsonPage, "fields", d.text.String()+"\n")
}

// described is a description of types under construction.
type described struct {
	types    []reflect.Type
	comments map[string]string
	text     strings.Builder
}

// add queues a type for description, once.
func (d *described) add(one reflect.Type) {
	if !slices.Contains(d.types, one) {
		d.types = append(d.types, one)
	}
}

func (d *described) table(one reflect.Type) {
	fmt.Fprintf(&d.text, "\n### %s\n\n%s\n\n| field | type | |\n| --- | --- | --- |\n",
		one.Name(), d.comments[one.Name()])
	for _, field := range reflect.VisibleFields(one) { // includes promoted fields
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		holder := one
		if len(field.Index) > 1 {
			holder = one.FieldByIndex(field.Index[:len(field.Index)-1]).Type
		}
		if name == "" || name == "-" || !field.IsExported() || len(field.Index) > 1 && hides(one, name) {
			continue
		}
		kind := d.kind(field.Type)
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			kind += ", may be missing"
		}
		fmt.Fprintf(&d.text, "| `%s` | %s | %s |\n", name, kind, d.comments[holder.Name()+"."+field.Name])
	}
}

// hides reports whether a type has a field of its own with this name, which hides the embedded one.
func hides(one reflect.Type, name string) bool {
	for i := range one.NumField() {
		if own, _, _ := strings.Cut(one.Field(i).Tag.Get("json"), ","); own == name && !one.Field(i).Anonymous {
			return true
		}
	}
	return false
}

// kind names a type as in JSON.
func (d *described) kind(one reflect.Type) string {
	switch {
	case one == reflect.TypeFor[time.Time]():
		return "time"
	case one.Kind() == reflect.Pointer:
		return d.kind(one.Elem())
	case one.Kind() == reflect.Slice:
		return "list of " + d.kind(one.Elem())
	case one.Kind() == reflect.Map:
		return "object of " + d.kind(one.Elem())
	case one.Kind() == reflect.Struct:
		d.add(one)
		return fmt.Sprintf("[%s](#%s)", one.Name(), strings.ToLower(one.Name()))
	case one.Kind() == reflect.String:
		return "text"
	case one.Kind() == reflect.Bool:
		return "boolean"
	}
	return "number"
}

// comments returns the comments on the types of a package and on their fields, by Type and Type.Field.
func comments(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	said := map[string]string{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				one, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				said[one.Name.Name] = oneLine(general.Doc.Text())
				if structure, ok := one.Type.(*ast.StructType); ok {
					for _, field := range structure.Fields.List {
						for _, name := range field.Names {
							said[one.Name.Name+"."+name.Name] = oneLine(field.Doc.Text())
						}
					}
				}
			}
		}
	}
	return said
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "\\|")), " ")
}
