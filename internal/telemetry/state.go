package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// RoleState is a role and the reason of a Cluster's condition for it.
type RoleState struct{ Role, Reason string }

// Source returns the state of the system at the time of a scrape.
type Source interface {
	// Pools returns the allocator's pools.
	Pools() []vip.Pool
	// ClusterStates counts the Clusters by role and reason of the role's condition.
	ClusterStates() map[RoleState]int
	// OrphanedClaims counts the allocator's claims whose Cluster does not exist.
	OrphanedClaims() int
}

// State collects metrics from the caches. It reads them on each scrape, so deleted pools and Clusters leave no stale
// series. Without a source, as on a standby, it has no series.
type State struct {
	source   atomic.Pointer[Source]
	pools    *prometheus.Desc
	clusters *prometheus.Desc
	orphans  *prometheus.Desc
}

// NewState returns the collector and registers it.
func NewState(registry prometheus.Registerer) *State {
	s := &State{
		pools: prometheus.NewDesc("capi_vip_pool_addresses",
			"Addresses of the pools that are configured for the allocator, by state: total, used, free, out_of_range.",
			[]string{"pool_namespace", "pool", "kind", "state"}, nil),
		clusters: prometheus.NewDesc("capi_vip_clusters",
			"Clusters by role and by the reason of the role's condition.",
			[]string{"role", "reason"}, nil),
		orphans: prometheus.NewDesc("capi_vip_orphaned_claims",
			"Claims of the allocator's that hold or ask for an address for no Cluster that exists.", nil, nil),
	}
	registry.MustRegister(s)
	return s
}

// Use sets the source that the collector reads; nil for none.
func (s *State) Use(source Source) {
	if source == nil {
		s.source.Store(nil)
		return
	}
	s.source.Store(&source)
}

// Describe implements prometheus.Collector.
func (s *State) Describe(descs chan<- *prometheus.Desc) {
	descs <- s.pools
	descs <- s.clusters
	descs <- s.orphans
}

// Collect implements prometheus.Collector.
func (s *State) Collect(metrics chan<- prometheus.Metric) {
	source := s.source.Load()
	if source == nil {
		return
	}
	for _, pool := range (*source).Pools() {
		if !pool.Capacity.Known {
			continue
		}
		for state, count := range map[string]int{
			"total": pool.Capacity.Total, "used": pool.Capacity.Used, "free": pool.Capacity.Free,
			"out_of_range": pool.Capacity.OutOfRange,
		} {
			metrics <- prometheus.MustNewConstMetric(s.pools, prometheus.GaugeValue, float64(count),
				pool.Namespace, pool.Ref.Name, pool.Ref.Kind, state)
		}
	}
	for state, count := range (*source).ClusterStates() {
		metrics <- prometheus.MustNewConstMetric(s.clusters, prometheus.GaugeValue, float64(count),
			state.Role, state.Reason)
	}
	metrics <- prometheus.MustNewConstMetric(s.orphans, prometheus.GaugeValue, float64((*source).OrphanedClaims()))
}
