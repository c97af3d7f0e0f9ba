package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// refusals remembers the writes that the API server did not take, for as long as it would be in vain to try
// again: a quota or a policy is not changed within milliseconds. Meanwhile the decision goes on without them.
type refusals struct {
	lasts time.Duration

	mu sync.Mutex
	// clusters are the refusals by Cluster and action.
	clusters map[types.NamespacedName]map[vip.Key]refusal
}

// refusal is what the API server said, and until when it counts.
type refusal struct {
	said  string
	until time.Time
}

func newRefusals(lasts time.Duration) *refusals {
	return &refusals{lasts: lasts, clusters: map[types.NamespacedName]map[vip.Key]refusal{}}
}

// note takes in which writes for a Cluster failed. Those that are worth trying again at once, it leaves out.
func (r *refusals) note(cluster types.NamespacedName, failed []apply.Failure, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, failure := range failed {
		for _, warning := range refused(failure.Err) {
			if r.clusters[cluster] == nil {
				r.clusters[cluster] = map[vip.Key]refusal{}
			}
			for _, action := range failure.Actions {
				if action.Key() == (vip.AddFinalizer{}).Key() && len(failure.Actions) > 1 {
					continue // it goes with what is written, and was not what the API server minded
				}
				r.clusters[cluster][action.Key()] = refusal{warning.Message, now.Add(r.lasts)}
			}
		}
	}
}

// of returns what the API server said lately, by action.
func (r *refusals) of(cluster types.NamespacedName, now time.Time) map[vip.Key]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var said map[vip.Key]string
	for action, refusal := range r.clusters[cluster] {
		if !now.Before(refusal.until) || now.Before(refusal.until.Add(-r.lasts)) { // over, or noted by a clock that was wrong
			delete(r.clusters[cluster], action)
			continue
		}
		if said == nil {
			said = map[vip.Key]string{}
		}
		said[action] = refusal.said
	}
	if len(r.clusters[cluster]) == 0 {
		delete(r.clusters, cluster)
	}
	return said
}

// forget drops a Cluster that is gone.
func (r *refusals) forget(cluster types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, cluster)
}
