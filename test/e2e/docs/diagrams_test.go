package docs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	diagramBlock = regexp.MustCompile("(?s)```mermaid\n(.*?)```")
	diagramShape = regexp.MustCompile(`[\[({]+[^\])}]*[\])}]+`)
	diagramArrow = regexp.MustCompile(` --(?: .* --)?> `)
)

// reservedNodes are words that Mermaid reads as keywords: it does not draw a flowchart with a node of such a name
// (https://mermaid.js.org/syntax/flowchart.html).
var reservedNodes = []string{"class", "classDef", "click", "default", "end", "graph", "linkStyle", "style", "subgraph"}

// diagramNodes returns the names of a flowchart's nodes, each as often as it occurs.
func diagramNodes(diagram string) []string {
	var nodes []string
	for line := range strings.Lines(diagram) {
		text := diagramShape.ReplaceAllString(strings.TrimSpace(line), "")
		nodes = append(nodes, diagramArrow.Split(text, -1)...)
	}
	return nodes
}

// TestDiagrams checks that every flowchart can be drawn.
func TestDiagrams(t *testing.T) {
	assert.Equal(t, []string{"a", "class", "class", "end"},
		diagramNodes("  a[A, class] --> class{is it?<br>yes}\n  class -- no --> end"),
		"the test must find the nodes")
	charts := 0
	for _, page := range pages(t) {
		for _, match := range diagramBlock.FindAllStringSubmatch(read(t, page), -1) {
			header, body, _ := strings.Cut(match[1], "\n")
			if !strings.HasPrefix(header, "flowchart ") {
				continue
			}
			charts++
			for _, node := range diagramNodes(body) {
				assert.NotContains(t, reservedNodes, node, "%s: Mermaid draws nothing if a node has this name", page)
			}
		}
	}
	assert.Greater(t, charts, 3, "the test must find the flowcharts")
}
