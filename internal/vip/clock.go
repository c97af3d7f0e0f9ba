package vip

import "time"

// settle is how long a role may wait before its condition says so: two seconds, plus the second by which a creation
// timestamp may be off. The usual allocation is faster, so only its final condition costs a write.
const settle = 3 * time.Second

// storm is how many other Clusters must be in progress to count as a storm. Cluster API reacts to the endpoint with
// work of its own on the Cluster. A condition written in the middle of that makes its writes fail and its work start
// over. So the condition waits until that is over, which shortens the storm for everyone.
const storm = 10

// patience is how long a waiting claim's condition is withheld because others are seen being served. It is as long as
// a storm of a thousand Clusters takes on a small machine, where a herd of conditions would only prolong it.
const patience = 10 * time.Minute

// withhold returns how much longer to withhold the condition of a wait that began at since.
func (a *allocation) withhold(since time.Time) time.Duration {
	return max(a.believed(since).Add(settle).Sub(a.Now), 0)
}

// believed returns a timestamp set by the API server's clock, or a moment long ago if the timestamp is in the future
// by our clock. Then one of the two clocks is wrong, and what is withheld until that time might never be said.
func (a *allocation) believed(since time.Time) time.Time {
	if since.After(a.Now.Add(settle)) {
		return time.Time{}
	}
	return since
}

// withholdFor is withhold for a claim. In a storm of Clusters the provider works through a queue, and while it is seen
// to serve the pool, a claim in that queue does not count as waiting.
func (a *allocation) withholdFor(claim *Claim) time.Duration {
	since := a.believed(claim.Created)
	if pool := a.poolOf(claim); pool != nil && pool.LastServed.After(since) {
		since = pool.LastServed
	}
	limit := claim.Created.Add(patience - settle)
	if since.After(limit) {
		since = limit
	}
	return a.withhold(since)
}

// withholdTopology is withhold for a VIP that has to be rendered: counted from the creation of its IPAddress or, in a
// storm, for as long as others are being served.
func (r *sight) withholdTopology() time.Duration {
	return max(r.withhold(r.address.Born.At), r.withholdFor(r.claim))
}

// mayBeServed reports whether the provider may already have taken an address for the claim. The provider takes the
// address before it updates the claim, so with its last address gone, the pool looks full to the very claim that got
// it.
func (a *allocation) mayBeServed(claim *Claim, pool *Pool) bool {
	return a.withhold(claim.Created) > 0 || a.withhold(pool.LastServed) > 0
}
