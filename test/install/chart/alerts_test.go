package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestAlerts has Prometheus' own tool check the alerts and run their unit tests.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	require.NoError(t, err, "install it with hack/install-tools.sh")
	files := filepath.Join(helm.ChartDir(), "files")
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = files
		output, err := command.CombinedOutput()
		require.NoError(t, err, string(output))
	}
	t.Run("if there is an alert, should have a test that sees it fire", func(t *testing.T) {
		var rules struct {
			Groups []struct {
				Rules []struct {
					Alert  string `json:"alert"`
					Labels map[string]string
				} `json:"rules"`
			} `json:"groups"`
		}
		var tests struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string           `json:"alertname"`
					ExpAlerts []map[string]any `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			} `json:"tests"`
		}
		for file, into := range map[string]any{"alerts.yaml": &rules, "alerts_test.yaml": &tests} {
			content, err := os.ReadFile(filepath.Join(files, file))
			require.NoError(t, err)
			require.NoError(t, yaml.Unmarshal(content, into))
		}
		fired := map[string]bool{}
		for _, test := range tests.Tests {
			for _, check := range test.AlertRuleTest {
				fired[check.Alertname] = fired[check.Alertname] || len(check.ExpAlerts) > 0
			}
		}
		for _, rule := range rules.Groups[0].Rules {
			require.True(t, fired[rule.Alert], rule.Alert)
			require.NotEmpty(t, rule.Labels["severity"], rule.Alert)
		}
	})
}
