package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// headings returns the backquoted parts of a page's headings.
func headings(t *testing.T, path string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?m)^### `(\\w+)`$").FindAllStringSubmatch(read(t, path), -1) {
		found = append(found, match[1])
	}
	return found
}

// TestEveryAlertHasARunbook compares the chart's alerts with the pages that say what to do.
func TestEveryAlertHasARunbook(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert string `json:"alert"`
			} `json:"rules"`
		} `json:"groups"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "../../../charts/capi-vip-allocator/files/alerts.yaml")), &rules))
	var alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
			if !strings.Contains(read(t, "../../../docs/install.md"), "`"+rule.Alert+"`") {
				t.Errorf("%s is missing in docs/install.md", rule.Alert)
			}
		}
	}
	require.NotEmpty(t, alerts)
	assert.ElementsMatch(t, alerts, headings(t, "../../../docs/operations.md"),
		"docs/operations.md has one heading for each alert")
}

// TestEveryReasonHasASolution compares the reasons of conditions, and the other warnings, with the headings of the
// page that says what to do.
func TestEveryReasonHasASolution(t *testing.T) {
	var reasons []string
	normal := []string{
		names.EventVIPAllocated, names.EventIngressAnnotationSet, names.EventAnnotationRestored, names.EventVIPReleased,
	}
	for name, value := range constants(t, "../../../internal/names") {
		if strings.HasPrefix(name, "Event") && !slices.Contains(normal, value) {
			reasons = append(reasons, value)
		}
		if strings.HasPrefix(name, "Reason") {
			assert.True(t, names.IsReason(value), "%s is not known to names.IsReason", name)
			reasons = append(reasons, value)
		}
	}
	require.NotEmpty(t, reasons)
	slices.Sort(reasons)
	reasons = slices.Compact(reasons) // a warning may share the reason of a condition
	assert.ElementsMatch(t, reasons, headings(t, "../../../docs/troubleshooting.md"),
		"docs/troubleshooting.md has one heading for each reason")
}
