package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HookResult is how a call of a runtime hook ended: the bounded values of the label result of capi_vip_hook_seconds.
type HookResult string

// The results.
const (
	// HookSucceeded says that the hook answered, be it that a Cluster is held.
	HookSucceeded HookResult = "success"
	// HookFailed says that the hook answered with a failure: bad settings, or no pool.
	HookFailed HookResult = "failure"
	// HookRefused says that the request could not be read.
	HookRefused HookResult = "refused"
	// HookPanicked says that the hook broke down.
	HookPanicked HookResult = "panic"
)

func newHookDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "capi_vip_hook_seconds", Help: "Seconds to answer a runtime hook, by hook and result.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .02, .05, .1, .2, .5, 1},
	}, []string{"hook", "result"})
}

// HookAnswered counts a call of a runtime hook and the time that it took.
func (m *Metrics) HookAnswered(hook string, result HookResult, took time.Duration) {
	m.hooks.WithLabelValues(hook, string(result)).Observe(took.Seconds())
}
