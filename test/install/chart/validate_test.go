package chart

import (
	"testing"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// TestContradictions checks that the chart refuses, with a sentence, values that are valid by themselves but
// contradict each other.
func TestContradictions(t *testing.T) {
	tests := map[string]struct{ values, want string }{
		"if there is a monitor without metrics": {
			"metrics: {enabled: false, serviceMonitor: {enabled: true}}",
			"metrics.serviceMonitor.enabled needs metrics.enabled: without it there are no metrics",
		},
		"if there are alerts without metrics": {
			"metrics: {enabled: false, prometheusRule: {enabled: true}}",
			"metrics.prometheusRule.enabled needs metrics.enabled: without it there are no metrics",
		},
		"if there is a dashboard without metrics": {
			"metrics: {enabled: false, dashboard: {enabled: true}}",
			"metrics.dashboard.enabled needs metrics.enabled: without it there are no metrics",
		},
		"if there is a certificate without metrics": {
			"metrics: {enabled: false, certificate: {secret: a}}", "metrics.certificate.secret needs metrics.enabled",
		},
		"if there is a certificate for plain HTTP": {
			"metrics: {insecure: true, certificate: {secret: a}}",
			"metrics.insecure serves plain HTTP and metrics.certificate.secret is for TLS: set one of them",
		},
		"if plain HTTP is to be verified": {
			"metrics: {insecure: true, serviceMonitor: {ca: {secret: {name: a, key: b}}}}",
			"metrics.serviceMonitor.ca is for TLS: set one of them",
		},
		"if a scrape may take longer than the interval": {
			"metrics: {serviceMonitor: {interval: 1m, scrapeTimeout: 61s}}",
			"metrics.serviceMonitor.scrapeTimeout 61s is longer than the interval 1m",
		},
		"if a pool is nearly full before it fills up": {
			"metrics: {prometheusRule: {thresholds: {fillingUp: 95}}}",
			"metrics.prometheusRule.thresholds.fillingUp 95 must be less than almostExhausted 95",
		},
		"if an alert does not exist": {
			"metrics: {prometheusRule: {enabled: true, overrides: {CAPIVIPPendin: {for: 1m}}}}",
			"metrics.prometheusRule.overrides.CAPIVIPPendin is no alert of this chart, which " +
				"has CAPIVIPPoolExhausted, ",
		},
		"if roles are not made but one": {
			"rbac: {create: false, aggregateToView: true}",
			"rbac.aggregateToView needs rbac.create",
		},
		"if there is nothing that keeps variables": {"keep: {variables: [vip]}", "set keep.mode to Keep or Refuse"},
		"if there are clients and no hooks": {
			"runtimeExtension: {clientCAConfigMap: a}",
			"runtimeExtension.clientCAConfigMap needs runtimeExtension.enabled",
		},
		"if the pod would take itself for elsewhere": {
			"extraEnv: [{name: POD_NAMESPACE, value: a}]", "extraEnv must not set POD_NAMESPACE",
		},
		"if a period is below what the operator accepts": {
			"controller: {reconcilePeriod: 500ms}",
			"controller.reconcilePeriod is 500ms, and the operator accepts a duration from 1s to 24h",
		},
		"if a timeout is above what the operator accepts": {
			"controller: {probeTimeout: 1m}",
			"controller.probeTimeout is 1m, and the operator accepts a duration from 50ms to 30s",
		},
		"if an interval is above what the operator accepts": {
			"controller: {retryInterval: 1h1s}",
			"controller.retryInterval is 1h1s, and the operator accepts a duration from 100ms to 1h",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := helm.Render(test.values, helm.Name, helm.Namespace)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestLeaseTimes compares what the chart accepts with what the operator does.
func TestLeaseTimes(t *testing.T) {
	for _, times := range [][3]string{
		{"15s", "10s", "2s"},
		{"15s", "15s", "2s"},
		{"15s", "14.999s", "2s"},
		{"1m", "60s", "2s"},
		{"1m1s", "60s", "2s"},
		{"60s", "12s", "10s"},
		{"60s", "12s", "9.999s"},
		{"60s", "12001ms", "10s"},
		{"900ms", "500ms", "100ms"},
		{"1s", "500ms", "100ms"},
		{"1s", "500ms", "9ms"},
		{"1s", "11ms", "10ms"},
		{"1h", "59m", "1m"},
		{"1h1s", "59m", "1m"},
	} {
		t.Run(times[0]+" "+times[1]+" "+times[2], func(t *testing.T) {
			wanted := options.New()
			for i, field := range []*time.Duration{
				&wanted.LeaderElection.LeaseDuration, &wanted.LeaderElection.RenewDeadline,
				&wanted.LeaderElection.RetryPeriod,
			} {
				var err error
				*field, err = time.ParseDuration(times[i])
				require.NoError(t, err)
			}
			wanted.LeaderElection.Enabled, wanted.LeaderElection.Namespace = true, helm.Namespace
			_, err := helm.Render("controller: {leaderElection: {leaseDuration: "+times[0]+
				", renewDeadline: "+times[1]+", retryPeriod: "+times[2]+"}}",
				helm.Name, helm.Namespace)
			if refused := wanted.Validate(); refused == nil {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, refused, "--leader-elect-")
				require.ErrorContains(t, err, "controller.leaderElection.", refused.Error())
			}
		})
	}
}
