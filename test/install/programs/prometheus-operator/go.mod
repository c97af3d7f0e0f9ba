// The kinds ServiceMonitor and PrometheusRule, for validation; nothing of it is built.
module github.com/gorizond/capi-vip-allocator/test/install/programs/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
