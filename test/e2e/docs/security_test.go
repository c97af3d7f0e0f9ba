package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/charts"
)

// TestPermissionsAreDocumented compares what docs/security.md says a stolen token can do with the operator's
// permissions: one line for each rule, and none without.
func TestPermissionsAreDocumented(t *testing.T) {
	var rules map[string][]rbacv1.PolicyRule
	require.NoError(t, yaml.UnmarshalStrict(charts.Rules, &rules))
	granted := map[string]string{}
	for group, list := range rules {
		if group == "metricsReader" || group == "clusterEvents" {
			continue // nobody is bound to the first; the second repeats grants for one more namespace
		}
		for _, rule := range list {
			for _, resource := range rule.Resources {
				verbs := strings.Join(rule.Verbs, ", ")
				if before, ok := granted[resource]; ok {
					verbs = before + ", " + verbs
				}
				granted[resource] = verbs
			}
		}
	}
	said := map[string]string{}
	_, table, found := strings.Cut(read(t, "../../../docs/security.md"), "| on | verbs |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, resource := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(cells[1], -1) {
			said[resource[1]] = strings.TrimSpace(cells[2])
		}
	}
	assert.Equal(t, granted, said)
}

// TestNoWildcards: neither the chart nor the examples grant anything by a star.
func TestNoWildcards(t *testing.T) {
	var rules map[string][]rbacv1.PolicyRule
	require.NoError(t, yaml.UnmarshalStrict(charts.Rules, &rules))
	var role rbacv1.ClusterRole
	example, _, _ := strings.Cut(read(t, "../../../examples/other-provider/rbac.yaml"), "\n---\n")
	require.NoError(t, yaml.UnmarshalStrict([]byte(example), &role))
	rules["example"] = role.Rules
	for group, list := range rules {
		require.NotEmpty(t, list, group)
		for _, rule := range list {
			for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs) {
				assert.NotContains(t, word, "*", "%s: %v", group, rule)
			}
		}
	}
}
