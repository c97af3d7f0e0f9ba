package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// RoleState counts Clusters whose condition for a role has a reason.
type RoleState struct{ Role, Reason string }

// Source gives the state of the system at the moment of a scrape.
type Source interface {
	// Pools returns the pools that are configured for the allocator.
	Pools() []vip.Pool
	// ClusterStates counts the Clusters by role and by the reason of the role's condition.
	ClusterStates() map[RoleState]int
	// OrphanedClaims counts the allocator's claims whose Cluster does not exist.
	OrphanedClaims() int
}

// State is a collector of what the caches show. It reads them when it is scraped, so a pool or Cluster that is gone
// leaves no stale series. Without a source, as on a standby, it has none.
type State struct {
	source   atomic.Pointer[Source]
	pools    *prometheus.Desc
	clusters *prometheus.Desc
	orphans  *prometheus.Desc
}

// NewState returns the collector, registered.
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

// Use makes the collector read from a source; nil for none.
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
