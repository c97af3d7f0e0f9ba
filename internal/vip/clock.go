package vip

import "time"

// settle is how long a role may wait before its condition says so: two seconds, and the second by which a creation
// timestamp may be off. The usual allocation is faster and costs no write for its condition but the last.
const settle = 3 * time.Second

// storm is from how many other Clusters on a Cluster does not come alone. Cluster API then answers the endpoint with
// work of its own on the Cluster, and a condition in the middle of that makes its writes fail and its work begin again.
// So the condition waits until that is over, which shortens the storm for all.
const storm = 10

// patience is how long the sight of others being served keeps a waiting claim's condition back: as long as a storm of a
// thousand Clusters takes on a small machine, where a herd of conditions would only make it longer.
const patience = 10 * time.Minute

// withhold returns how long the condition of a wait that began at since is still to be withheld.
func (a *allocation) withhold(since time.Time) time.Duration {
	return max(a.believed(since).Add(settle).Sub(a.Now), 0)
}

// believed returns a timestamp by the API server's clock, or a moment long ago if by ours it is still to come: then one
// of the two is wrong, and what is withheld until then may never be said.
func (a *allocation) believed(since time.Time) time.Time {
	if since.After(a.Now.Add(settle)) {
		return time.Time{}
	}
	return since
}

// withholdFor is withhold for a claim: in a storm of Clusters the provider works through a queue, and as long as it is
// seen to serve the pool, a claim in that queue does not count as waiting.
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

// withholdTopology is withhold for a VIP that has to be rendered: since its address is there, or in a storm, as long as
// others are being served.
func (r *sight) withholdTopology() time.Duration {
	return max(r.withhold(r.address.Born.At), r.withholdFor(r.claim))
}

// mayBeServed reports whether the provider may have taken an address for the claim already: it does so before it tells
// the claim, and with the last address the pool then looks full to the very claim that got it.
func (a *allocation) mayBeServed(claim *Claim, pool *Pool) bool {
	return a.withhold(claim.Created) > 0 || a.withhold(pool.LastServed) > 0
}
