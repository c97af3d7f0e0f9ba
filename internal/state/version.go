package state

import "time"

// Changed tells the store that an object was added, changed or deleted. Whoever watches a cache calls it before
// waking anyone because of that.
func (s *Store) Changed() { s.changes.Add(1) }

// Version returns a number that changes with everything that is known: at the same version, Gather returns the same,
// time aside. It reports false while the caches do not show all of the process's own writes, since those do not count
// for ever.
func (s *Store) Version(now time.Time) (version uint64, complete bool) {
	version = s.changes.Load()
	unconfirmed := s.clusters.unconfirmed(now) || s.claims.unconfirmed(now) || s.dns != nil && s.dns.unconfirmed(now)
	return version, !unconfirmed
}
