package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// refusals remembers the writes that the API server refused, for as long as it is pointless to retry them: a quota or
// a policy does not change within milliseconds. Meanwhile the decision goes on without them.
type refusals struct {
	*memory
	lasts time.Duration
}

// refusal is what the API server said, and until when it counts.
type refusal struct {
	said  string
	until time.Time
}

// note records the writes for a Cluster that failed, except for those worth retrying at once.
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
						continue // it accompanies other writes, and is not what the API server refused
					}
					known.refused[action.Key()] = refusal{warning.Message, now.Add(r.lasts)}
				}
			}
		}
	})
}

// said returns what the API server said recently, by action.
func (r refusals) said(cluster types.NamespacedName, now time.Time) (said map[vip.Key]string) {
	r.of(cluster, func(known *recollection) {
		for action, refusal := range known.refused {
			// Expired, or noted by a clock that was wrong.
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
