package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are the metrics of the operator at one moment.
type Metrics map[string]*dto.MetricFamily

// Labels select the series of a metric that have these values.
type Labels map[string]string

// Scrape returns the metrics of the operator as it writes them.
func (o *Operator) Scrape(ctx context.Context) ([]byte, error) {
	return o.get(ctx, "diagnostics", "/metrics")
}

// Metrics scrapes the operator.
func (o *Operator) Metrics(ctx context.Context) (Metrics, error) {
	body, err := o.Scrape(ctx)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return families, nil
}

// Value sums the series of a counter or gauge that have the labels, or the counts of a histogram.
func (m Metrics) Value(name string, labels Labels) float64 {
	var sum float64
	for _, metric := range m.series(name, labels) {
		sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetUntyped().GetValue() +
			float64(metric.GetHistogram().GetSampleCount())
	}
	return sum
}

// Sum adds up the observations of the series of a histogram that have the labels.
func (m Metrics) Sum(name string, labels Labels) float64 {
	var sum float64
	for _, metric := range m.series(name, labels) {
		sum += metric.GetHistogram().GetSampleSum()
	}
	return sum
}

// Has reports whether there is a series with the labels.
func (m Metrics) Has(name string, labels Labels) bool { return len(m.series(name, labels)) > 0 }

func (m Metrics) series(name string, labels Labels) []*dto.Metric {
	var found []*dto.Metric
	for _, metric := range m[name].GetMetric() {
		matching := 0
		for _, pair := range metric.GetLabel() {
			if value, wanted := labels[pair.GetName()]; wanted && value == pair.GetValue() {
				matching++
			}
		}
		if matching == len(labels) {
			found = append(found, metric)
		}
	}
	return found
}

// Profile returns a profile of an operator that was started with --profiler-address. An example of a query is
// heap?gc=1.
func (o *Operator) Profile(ctx context.Context, query string) ([]byte, error) {
	return o.get(ctx, "profiler", "/debug/pprof/"+query)
}

// Heap collects the operator's garbage and returns how many bytes remain in use. The operator needs
// --profiler-address.
func (o *Operator) Heap(ctx context.Context) (int64, error) {
	// The profile takes two collections: what one frees disappears only after the next.
	if _, err := o.Profile(ctx, "heap?gc=1"); err != nil {
		return 0, err
	}
	profile, err := o.Profile(ctx, "heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(profile) {
		if value, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("# HeapAlloc = ")); found {
			return strconv.ParseInt(string(value), 10, 64)
		}
	}
	return 0, errors.New("the operator's heap profile does not say how large the heap is")
}
