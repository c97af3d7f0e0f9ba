package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// refusals remembers the writes that the API server did not take, for as long as it would be in vain to try
// again: a quota or a policy is not changed within milliseconds. Meanwhile the decision goes on without them.
type refusals struct {
	*memory
	lasts time.Duration
}

// refusal is what the API server said, and until when it counts.
type refusal struct {
	said  string
	until time.Time
}

// note takes in which writes for a Cluster failed. Those that are worth trying again at once, it leaves out.
func (r refusals) note(cluster types.NamespacedName, failed []apply.Failure, now time.Time) {
	if len(failed) == 0 {
		return
	}
	r.of(cluster, func(known *recollection) {
		for _, failure := range failed {
			for _, warning := range refused(failure.Err) {
				if known.refused == nil {
					known.refused = map[vip.Key]refusal{}
				}
				for _, action := range failure.Actions {
					if action.Key() == (vip.AddFinalizer{}).Key() && len(failure.Actions) > 1 {
						continue // it goes with what is written, and was not what the API server minded
					}
					known.refused[action.Key()] = refusal{warning.Message, now.Add(r.lasts)}
				}
			}
		}
	})
}

// said returns what the API server said lately, by action.
func (r refusals) said(cluster types.NamespacedName, now time.Time) (said map[vip.Key]string) {
	r.of(cluster, func(known *recollection) {
		for action, refusal := range known.refused {
			// Over, or noted by a clock that was wrong.
			if !now.Before(refusal.until) || now.Before(refusal.until.Add(-r.lasts)) {
				delete(known.refused, action)
				continue
			}
			if said == nil {
				said = map[vip.Key]string{}
			}
			said[action] = refusal.said
		}
	})
	return said
}
