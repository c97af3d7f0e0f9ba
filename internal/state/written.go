package state

import (
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// Caches show a write only when the watch reports it. The next decision must know of it even before that.

// WroteCluster notes a Cluster as a write of this process left it.
func (s *Store) WroteCluster(c *capi.Cluster, now time.Time) {
	s.clusters.record(c, false, now)
	s.Changed()
}

// WroteClaim notes a claim as a write of this process left it; created says that it may not be in the cache yet.
func (s *Store) WroteClaim(c *capi.Claim, created bool, now time.Time) {
	s.claims.record(c, created, now)
	s.Changed()
}

// WroteRecords notes the DNS records of a Cluster as a write of this process left them.
func (s *Store) WroteRecords(d *capi.DNSEndpoint, now time.Time) {
	s.dns.record(d, true, now)
	s.Changed()
}

// Claim returns a claim by namespace and name, as the cache or the last write has it.
func (s *Store) Claim(namespace, name string, now time.Time) (*capi.Claim, bool) {
	return s.claims.get(namespace+"/"+name, now)
}
