package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// rule is one rule of a PrometheusRule.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// groups returns the rules of the chart by group, after Prometheus' own tool has checked them.
func groups(t *testing.T, values string) map[string][]rule {
	t.Helper()
	var spec struct {
		Spec struct {
			Groups []struct {
				Name  string `json:"name"`
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	object := render(t, "metrics: {prometheusRule: {enabled: true, "+values+"}}").Find("PrometheusRule", "")
	content, err := yaml.Marshal(object.Object)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &spec))
	content, err = yaml.Marshal(object.Object["spec"])
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	output, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput()
	require.NoError(t, err, string(output))
	found := map[string][]rule{}
	for _, group := range spec.Spec.Groups {
		found[group.Name] = group.Rules
	}
	return found
}

func TestAlertsByValues(t *testing.T) {
	const name = "capi-vip-allocator"
	const runbooks = "https://github.com/gorizond/capi-vip-allocator/blob/main/docs/operations.md#"
	usual := groups(t, "")[name]
	named := func(t *testing.T, rules []rule, name string) rule {
		t.Helper()
		at := slices.IndexFunc(rules, func(r rule) bool { return r.Alert == name })
		require.NotEqual(t, -1, at, name)
		return rules[at]
	}
	t.Run("if nothing is changed, should be those of the file, and lead to their runbooks", func(t *testing.T) {
		var file struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		}
		content, err := os.ReadFile(filepath.Join(helm.ChartDir(), "files", "alerts.yaml"))
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(content, &file))
		page, err := os.ReadFile(filepath.Join(helm.Root(), "docs", "operations.md"))
		require.NoError(t, err)
		for _, alert := range file.Groups[0].Rules {
			require.Contains(t, string(page), "\n### `"+alert.Alert+"`\n")
			alert.Annotations["runbook_url"] = runbooks + strings.ToLower(alert.Alert)
			require.Equal(t, alert, named(t, usual, alert.Alert))
		}
		require.Len(t, usual, len(file.Groups[0].Rules))
	})
	t.Run("if thresholds are given, should be those, and still leave no gap between them", func(t *testing.T) {
		rules := groups(t, "thresholds: {fillingUp: 60, almostExhausted: 80}")[name]
		require.Contains(t, named(t, rules, "CAPIVIPPoolFillingUp").Expr, "60 < 100 * ")
		require.Contains(t, named(t, rules, "CAPIVIPPoolFillingUp").Expr, "<= 80")
		require.Contains(t, named(t, rules, "CAPIVIPPoolAlmostExhausted").Expr, "80 < 100 * ")
		for _, other := range usual {
			if !strings.HasPrefix(other.Alert, "CAPIVIPPoolFillingUp") &&
				!strings.HasPrefix(other.Alert, "CAPIVIPPoolAlmost") {
				require.Equal(t, other, named(t, rules, other.Alert))
			}
		}
	})
	t.Run("if single alerts are changed, should change those", func(t *testing.T) {
		const values = "overrides: {CAPIVIPPending: {for: 30m, severity: info}, CAPIVIPPoolFillingUp: {enabled: false}}"
		rules := groups(t, values)[name]
		require.Len(t, rules, len(usual)-1)
		want := named(t, usual, "CAPIVIPPending")
		want.For, want.Labels = "30m", map[string]string{"severity": "info"}
		require.Equal(t, want, named(t, rules, "CAPIVIPPending"))
	})
	t.Run("if runbooks are elsewhere or nowhere, should lead there or not at all", func(t *testing.T) {
		rules := groups(t, "runbookURL: 'https://wiki.example.com/vip/'")[name]
		got := named(t, rules, "CAPIVIPPending").Annotations["runbook_url"]
		require.Equal(t, "https://wiki.example.com/vip/capivippending", got)
		require.NotContains(t, named(t, groups(t, "runbookURL: ''")[name], "CAPIVIPPending").Annotations, "runbook_url")
	})
	t.Run("if there are further rules, should have a group of their own", func(t *testing.T) {
		found := groups(t, "extraRules: [{alert: Mine, expr: 'capi_vip_leader > 1', "+
			"annotations: {summary: '{{ $value }} lead.'}}]")
		require.Len(t, found, 2)
		require.Equal(t, usual, found[name])
		require.Equal(t, []rule{{
			Alert: "Mine", Expr: "capi_vip_leader > 1", Annotations: map[string]string{"summary": "{{ $value }} lead."},
		}}, found[name+"-extra"])
	})
}

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
