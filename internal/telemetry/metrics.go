// Package telemetry defines every metric and event of the allocator, each with a constructor. Labels are bounded: no
// metric carries the name of a Cluster.
package telemetry

import (
	"context"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	lassometrics "github.com/rancher/lasso/pkg/metrics"
	clientmetrics "k8s.io/client-go/tools/metrics"
)

// Failure is why a reconcile failed: the bounded values of the label reason of capi_vip_reconcile_failures_total.
type Failure string

// The failures.
const (
	// FailureForbidden means that the API server denied a permission.
	FailureForbidden Failure = "forbidden"
	// FailureInvalid means that the API server or a webhook rejected a write.
	FailureInvalid Failure = "invalid"
	// FailureUnavailable means that the API server answered late or not at all.
	FailureUnavailable Failure = "unavailable"
	// FailurePanic means that the reconcile panicked.
	FailurePanic Failure = "panic"
	// FailureOther is everything else.
	FailureOther Failure = "other"
	// FailureAddressConflict, FailureAddressInUse, FailureClaimConflict, FailurePoolExhausted and FailurePoolNotFound
	// are conditions on which someone must act.
	FailureAddressConflict Failure = "address_conflict"
	FailureAddressInUse    Failure = "address_in_use"
	FailureClaimConflict   Failure = "claim_conflict"
	FailurePoolExhausted   Failure = "pool_exhausted"
	FailurePoolNotFound    Failure = "pool_not_found"
)

// Metrics are the metrics of the allocator's work. The zero value is unusable; see NewMetrics.
type Metrics struct {
	allocations *prometheus.CounterVec
	failures    *prometheus.CounterVec
	restores    prometheus.Counter
	releases    prometheus.Counter
	outdated    prometheus.Counter
	deferred    prometheus.Counter
	stalls      prometheus.Counter
	probes      *prometheus.CounterVec
	waits       prometheus.Histogram
	leader      prometheus.Gauge
	names       prometheus.Gauge
	hooks       *prometheus.HistogramVec
}

// NewMetrics returns the metrics and registers them, together with those of the controller framework and the API
// client.
func NewMetrics(registry prometheus.Registerer, version, commit string) *Metrics {
	m := &Metrics{
		allocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capi_vip_allocate_total", Help: "VIPs allocated and written to a Cluster, by role.",
		}, []string{"role"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capi_vip_reconcile_failures_total",
			Help: "Reconciles that failed, and conditions that need someone to act, by reason.",
		}, []string{"reason"}),
		restores: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "capi_vip_annotation_restore_total",
			Help: "VIP annotations restored after someone removed or changed them.",
		}),
		releases: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "capi_vip_release_total", Help: "Clusters whose VIPs were released.",
		}),
		outdated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "capi_vip_outdated_writes_total",
			Help: "Writes refused because the object had changed since it was read; they are repeated.",
		}),
		deferred: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "capi_vip_deferred_total",
			Help: "Clusters that were put off because their namespace had its share of the workers.",
		}),
		stalls: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "capi_vip_watch_stalls_total",
			Help: "Watches found dead, or histories found to have run backwards, after which all caches were rebuilt.",
		}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capi_vip_probes_total",
			Help: "Addresses that were probed before their first write, by what came of it.",
		}, []string{"result"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "capi_vip_ip_wait_seconds", Help: "Seconds from the creation of a claim to the write of its address.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900},
		}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "capi_vip_leader", Help: "1 if this replica leads, 0 if it stands by.",
		}),
		names: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "capi_vip_dns_records_kept",
			Help: "1 if DNS records are kept, 0 if they are not configured or their kind is not served.",
		}),
		hooks: newHookDurations(),
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "capi_vip_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit},
	}, func() float64 { return 1 })
	registry.MustRegister(m.allocations, m.failures, m.restores, m.releases, m.outdated, m.deferred, m.stalls, m.probes,
		m.waits, m.leader, m.names, m.hooks, info)
	lassometrics.MustRegisterWithWorkqueue(registry)
	registerClientMetrics(registry)
	return m
}

// Allocated counts a VIP that was written for the first time. waited is the time since its claim was created; it
// counts as 0 if clocks disagree and it is negative.
func (m *Metrics) Allocated(role string, waited time.Duration) {
	m.allocations.WithLabelValues(role).Inc()
	m.waits.Observe(max(waited, 0).Seconds())
}

// Restored counts an annotation that was restored.
func (m *Metrics) Restored() { m.restores.Inc() }

// Released counts a Cluster whose VIPs were released.
func (m *Metrics) Released() { m.releases.Inc() }

// Outdated counts a write that came too late.
func (m *Metrics) Outdated() { m.outdated.Inc() }

// Deferred counts a Cluster that must wait until its namespace has a worker again. The framework counts it as
// handled.
func (m *Metrics) Deferred() { m.deferred.Inc() }

// Stalled counts a watch that was found dead.
func (m *Metrics) Stalled() { m.stalls.Inc() }

// Probed counts a probed address, by result.
func (m *Metrics) Probed(result string) { m.probes.WithLabelValues(result).Inc() }

// Failed counts a failure.
func (m *Metrics) Failed(reason Failure) { m.failures.WithLabelValues(string(reason)).Inc() }

// Leading sets whether this replica leads.
func (m *Metrics) Leading(leads bool) {
	m.leader.Set(0)
	if leads {
		m.leader.Set(1)
	}
}

// NamesKept sets whether DNS records are kept.
func (m *Metrics) NamesKept(kept bool) {
	m.names.Set(0)
	if kept {
		m.names.Set(1)
	}
}

type requestLatency struct{ *prometheus.HistogramVec }

func (l requestLatency) Observe(_ context.Context, verb string, _ url.URL, latency time.Duration) {
	l.WithLabelValues(verb).Observe(latency.Seconds())
}

type requestResult struct{ *prometheus.CounterVec }

func (r requestResult) Increment(_ context.Context, code, method, _ string) {
	r.WithLabelValues(code, method).Inc()
}

// registerClientMetrics registers the metrics of requests to the API server. client-go uses the first registration in
// a process and ignores later ones.
func registerClientMetrics(registry prometheus.Registerer) {
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rest_client_request_duration_seconds", Help: "Latency of requests to the API server, by verb.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60},
	}, []string{"verb"})
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rest_client_requests_total", Help: "Requests to the API server, by code and method.",
	}, []string{"code", "method"})
	registry.MustRegister(latency, results)
	clientmetrics.Register(clientmetrics.RegisterOpts{
		RequestLatency: requestLatency{latency}, RequestResult: requestResult{results},
	})
}
