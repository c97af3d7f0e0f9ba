package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The reference is between these lines of the chart's README.
const (
	valuesBegin = "<!-- values: written by `make chart-docs` -->"
	valuesEnd   = "<!-- end of values -->"
)

var errMarkers = errors.New("the chart's README lacks the lines between which the values stand")

// valuesReference writes the chart's values, with their defaults and comments, into its README.
func (r *release) valuesReference() error {
	dir := filepath.Join(r.root, "charts", project)
	content, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return fmt.Errorf("read the values: %w", err)
	}
	table, err := valuesTable(content)
	if err != nil {
		return err
	}
	readme := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the chart's README: %w", err)
	}
	before, rest, found := strings.Cut(string(text), valuesBegin)
	_, after, ends := strings.Cut(rest, valuesEnd)
	if !found || !ends {
		return errMarkers
	}
	updated := before + valuesBegin + "\n" + table + valuesEnd + after
	return os.WriteFile(readme, []byte(updated), 0o644)
}

// valuesTable returns a table of all values that a user would set: scalars, lists, empty maps, and maps without
// comments inside.
func valuesTable(content []byte) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return "", fmt.Errorf("read the values: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("| value | default | |\n| --- | --- | --- |\n")
	if err := valuesRows(&out, "", document.Content[0]); err != nil {
		return "", err
	}
	return out.String(), nil
}

func valuesRows(out *bytes.Buffer, prefix string, mapping *yaml.Node) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		if value.Kind == yaml.MappingNode && isCommented(value) {
			if err := valuesRows(out, path+".", value); err != nil {
				return err
			}
			continue
		}
		shown, err := flowStyle(value)
		if err != nil {
			return fmt.Errorf("show the default of %s: %w", path, err)
		}
		fmt.Fprintf(out, "| `%s` | `%s` | %s |\n", path, shown, comment(key))
	}
	return nil
}

// isCommented reports whether the keys of a mapping are separate values.
func isCommented(mapping *yaml.Node) bool {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].HeadComment != "" ||
			mapping.Content[i+1].Kind == yaml.MappingNode && isCommented(mapping.Content[i+1]) {
			return true
		}
	}
	return false
}

func comment(key *yaml.Node) string {
	lines := strings.Split(key.HeadComment, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(lines[i], "#"))
	}
	return strings.ReplaceAll(strings.TrimSpace(strings.Join(lines, " ")), "|", `\|`)
}

// flowStyle formats a value on one line.
func flowStyle(value *yaml.Node) (string, error) {
	if value.Kind == yaml.ScalarNode {
		if value.Value == "" {
			return `""`, nil
		}
		return value.Value, nil
	}
	flat := withoutComments(value)
	flat.Style = yaml.FlowStyle
	shown, err := yaml.Marshal(flat)
	return strings.Join(strings.Fields(string(shown)), " "), err
}

func withoutComments(node *yaml.Node) *yaml.Node {
	bare := *node
	bare.HeadComment, bare.LineComment, bare.FootComment = "", "", ""
	bare.Content = make([]*yaml.Node, len(node.Content))
	for i, child := range node.Content {
		bare.Content[i] = withoutComments(child)
	}
	return &bare
}
