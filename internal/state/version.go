package state

import "time"

// Changed tells the store that an object came, went or became another. Whoever watches a cache calls it before anyone
// is woken because of that.
func (s *Store) Changed() { s.changes.Add(1) }

// Version returns a number that is another one after every change of what is known: what Gather returned at a version,
// it returns again as long as that is the version, time aside. It reports false while the caches do not show all of the
// process's own writes, since those are not believed for ever.
func (s *Store) Version(now time.Time) (version uint64, complete bool) {
	version = s.changes.Load()
	unconfirmed := s.clusters.unconfirmed(now) || s.claims.unconfirmed(now) || s.dns != nil && s.dns.unconfirmed(now)
	return version, !unconfirmed
}
