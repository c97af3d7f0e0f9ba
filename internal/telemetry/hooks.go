package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HookResult is how a call of a runtime hook ended: the bounded values of the label result of capi_vip_hook_seconds.
type HookResult string

// The results.
const (
	// HookSucceeded means that the hook answered, even if it holds a Cluster.
	HookSucceeded HookResult = "success"
	// HookFailed means that the hook answered with a failure: bad settings, or no pool.
	HookFailed HookResult = "failure"
	// HookRefused means that the request could not be read.
	HookRefused HookResult = "refused"
	// HookPanicked means that the hook panicked or its answer could not be encoded.
	HookPanicked HookResult = "panic"
)

func newHookDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "capi_vip_hook_seconds", Help: "Seconds to answer a runtime hook, by hook and result.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .02, .05, .1, .2, .5, 1},
	}, []string{"hook", "result"})
}

// HookAnswered counts a runtime hook call and the time it took.
func (m *Metrics) HookAnswered(hook string, result HookResult, took time.Duration) {
	m.hooks.WithLabelValues(hook, string(result)).Observe(took.Seconds())
}
