package installers

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// job is what Prometheus calls the operator.
const job = "capi-vip-allocator-metrics"

// TestMonitoring has a real Prometheus scrape the operator with an account's token, and runs every query of the
// dashboard and the alerts.
func TestMonitoring(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	program, err := exec.LookPath("prometheus")
	require.NoError(t, err, "install it with hack/install-tools.sh")
	_, err = plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t, dist(first, "capi-vip-allocator.yaml")))
	require.NoError(t, err)
	pod := runPod(t, first, namespace)
	scrapeAs(t, "scraper")
	o := newTeam(t, "monitoring", 64)
	prometheus := startPrometheus(t, program, reader(t, "scraper", false))

	// Some of everything: VIPs, a heal, a release, a failure, a wait.
	o.served("one")
	o.heals("one")
	o.served("gone")
	require.NoError(t, harness.Delete(o.ctx, o.Clusters(o.name), "gone"))
	for i := range 4 {
		require.NoError(t,
			o.Create(o.ctx, harness.NewCluster{Namespace: o.name, Name: fmt.Sprintf("more-%d", i), Class: o.name}))
	}

	t.Run("if the dashboard asks, should get series for every query", func(t *testing.T) {
		queries := dashboardQueries(t)
		require.Greater(t, len(queries), 15)
		for title, query := range queries {
			prometheus.answers(t, o.ctx, title, query)
		}
	})
	t.Run("if a pool is full, should see the alert pending", func(t *testing.T) {
		prometheus.answers(t, o.ctx, "the pool", `capi_vip_pool_addresses{pool="monitoring-cp",state="free"} == 0`)
		prometheus.answers(t, o.ctx, "the alert",
			`ALERTS{alertname="CAPIVIPPoolExhausted",pool="monitoring-cp",alertstate="pending"}`)
	})
	t.Run("if a Cluster waits, should be counted", func(t *testing.T) {
		prometheus.answers(t, o.ctx, "waiting",
			`capi_vip_clusters{role="`+names.RoleControlPlane+`",reason="PoolExhausted"} > 0`)
	})
	for _, cluster := range o.ClustersIn(o.name) {
		require.NoError(t, harness.Delete(o.ctx, o.Clusters(o.name), cluster.GetName()))
	}
	require.NoError(t, o.Await(o.ctx, func() error {
		if n := len(o.ClustersIn(o.name)); n > 0 {
			return fmt.Errorf("%d Clusters are left", n)
		}
		return nil
	}))
	endPod(t, pod)
	cleanUp(t, namespace)
}

// prometheus is a running Prometheus.
type prometheus struct{ url string }

// startPrometheus runs a Prometheus that scrapes the operator every second, with the chart's alerts.
func startPrometheus(t *testing.T, program, token string) prometheus {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	config := write("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- job_name: %s
  scheme: https
  authorization: {credentials_file: %q}
  tls_config: {insecure_skip_verify: true}
  static_configs: [{targets: ["127.0.0.1:8443"]}]
`, filepath.Join(helm.ChartDir(), "files", "alerts.yaml"), job, write("token", token)))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	command.Stderr = os.Stderr
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
	})
	return prometheus{url: "http://" + address}
}

// answers repeats a query until it returns at least one series.
//
//nolint:revive // t comes first in a test
func (p prometheus) answers(t *testing.T, ctx context.Context, title, query string) {
	t.Helper()
	require.NoError(t, plane.Eventually(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			p.url+"/api/v1/query?query="+url.QueryEscape(query), http.NoBody)
		if err != nil {
			return plane.Final(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		var answer struct {
			Status, Error string
			Data          struct{ Result []json.RawMessage }
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return err
		}
		switch {
		case response.StatusCode == http.StatusBadRequest:
			return plane.Final(fmt.Errorf("%s: %s: %s", title, query, answer.Error))
		case len(answer.Data.Result) == 0:
			return fmt.Errorf("%s: %s has no series", title, query)
		}
		return nil
	}), title)
}

// dashboardQueries returns the queries of all panels, by panel and legend.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	require.NoError(t,
		json.Unmarshal([]byte(read(t, filepath.Join(helm.ChartDir(), "files", "dashboard.json"))), &dashboard))
	queries := map[string]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			// Rates over minutes need minutes of samples.
			query := strings.NewReplacer("$job", job, "[5m]", "[10s]", "[1h]", "[1m]").Replace(target.Expr)
			queries[panel.Title+" / "+target.LegendFormat] = query
		}
	}
	return queries
}
