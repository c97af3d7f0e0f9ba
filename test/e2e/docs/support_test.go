package docs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// supported is a row of the support matrix: what users have, and the stack that represents it in tests.
type supported struct {
	rancher, turtles, capi, ipam, kubernetes string

	// stack is the tested one; empty if it is expected to work, or known not to, as says tells.
	stack plane.Stack
	says  string
}

// shipped are facts that only their makers can state (Rancher's and Turtles' charts, Cluster API's plan), as of
// November 2026.
func shipped() []supported {
	return []supported{
		{"", "", "before 1.10", "", "", "", "**not**: templates cannot read a Cluster's annotations"},
		{"", "0.22 to 0.24", "1.10", "1.0", "", "", "**expected**: as Turtles 0.25"},
		{"2.13", "0.25", "1.10.6", "1.0", "up to 1.34", plane.StackOldest, ""},
		{"", "", "1.11", "1.0, 1.1", "", "", "**expected**: it lies between two that are tested"},
		{"2.14", "0.26", "1.12.7", "1.1", "up to 1.35", plane.StackV112, ""},
		{"2.15", "0.27", "1.13.3", "1.1", "up to 1.36", plane.StackV113, ""},
		{"", "", "1.14", "1.1", "", plane.StackCurrent, ""},
		{"", "", "1.15 (December 2026)", "", "", "", "**expected**: nothing that is used changes"},
		{
			"", "", "1.16 (April 2027)", "", "", "",
			fmt.Sprintf("**expected** without v1beta1, which is tested as %#q; its clusterctl takes releases "+
				"[with the contract v1beta2](adr/0013-the-end-of-v1beta1.md) only", plane.StackV1Beta2),
		},
	}
}

// pinned returns the version of a module that a nested module of the plane requires.
func pinned(t *testing.T, directory, module string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(module) + ` v(\S+)`).FindStringSubmatch(
		read(t, "../../env/plane/binaries/"+directory+"/go.mod"))
	require.NotNil(t, match, "%s in %s", module, directory)
	return match[1]
}

// versions returns what a stack is built from.
func versions(t *testing.T, stack plane.Stack) (capi, ipam string) {
	t.Helper()
	core, provider := stack.Modules()
	return pinned(t, core, "sigs.k8s.io/cluster-api"),
		pinned(t, provider, "sigs.k8s.io/cluster-api-ipam-provider-in-cluster")
}

// kubernetesOf lists the Kubernetes versions on which a stack is tested.
func kubernetesOf(t *testing.T, stack plane.Stack) string {
	t.Helper()
	tested := map[string]bool{}
	for _, c := range plane.Matrix() {
		if c.Stack == stack {
			tested[pinned(t, c.Kubernetes.Module(), "k8s.io/kubernetes")] = true
		}
	}
	require.NotEmpty(t, tested, "%s is said to be tested", stack)
	return strings.Join(slices.Sorted(maps.Keys(tested)), " and ")
}

func supportTable(t *testing.T) string {
	t.Helper()
	cell := func(text string) string {
		if text == "" {
			return "–"
		}
		return text
	}
	var table strings.Builder
	table.WriteString(
		"\n| Rancher | Turtles | Cluster API | IPAM provider | Kubernetes | |\n| --- | --- | --- | --- | --- | --- |\n",
	)
	for _, row := range shipped() {
		says := row.says
		if row.stack != "" {
			capi, ipam := versions(t, row.stack)
			says = fmt.Sprintf("**tested** as %#q: Cluster API %s, IPAM provider %s, Kubernetes %s%s",
				row.stack, capi, ipam, kubernetesOf(t, row.stack), row.says)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n",
			cell(row.rancher), cell(row.turtles), row.capi, cell(row.ipam), cell(row.kubernetes), says)
	}
	table.WriteString("\n")
	return table.String()
}

// TestSupportIsCurrent compares the support matrix with what the tests run on.
func TestSupportIsCurrent(t *testing.T) {
	isCurrent(t, "../../../docs/support.md", "support", supportTable(t))
}

// TestNightlyRunsTheMatrix: the nightly workflow runs the same combinations as `make test-matrix`.
func TestNightlyRunsTheMatrix(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct {
				Matrix struct {
					Include []plane.Combination `json:"include"`
				} `json:"matrix"`
			} `json:"strategy"`
		} `json:"jobs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "../../../.github/workflows/nightly.yaml")), &workflow))
	assert.Equal(t, plane.Matrix(), workflow.Jobs["versions"].Strategy.Matrix.Include)
}
