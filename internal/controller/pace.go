package controller

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// writesInARow is how often a Cluster may be written to without a pause: several times what its whole life takes,
// from the first claim to the release. Only someone who keeps undoing writes makes it more.
const writesInARow = 30

// sameInARow is how often the same write may be repeated without a pause: someone who undoes it five times will do so
// again, and each time providers see the Cluster change.
const sameInARow = 5

// pace bounds how often one Cluster is written to. Otherwise two controllers that undo each other's writes would go
// on as fast as the API server lets them, at the cost of all other Clusters.
type pace struct {
	*memory
	// every is the time between two writes, once writesInARow are used up.
	every time.Duration
}

// run is the recent writes to a Cluster. It is forgotten after a long time without writes.
type run struct {
	limiter *rate.Limiter
	// same are the limiters of repeated writes, by what the writes do.
	same map[vip.Key]*rate.Limiter
	// warning says why the Cluster has to wait; nil if it never had to.
	warning *vip.Warning
	// refused is what the API server said against the last write; empty if it accepted the write.
	refused []vip.Warning
}

// keysOf returns what a plan would write.
func keysOf(plan vip.Plan) []vip.Key {
	keys := make([]vip.Key, 0, len(plan.Actions)+1)
	for _, action := range plan.Actions {
		keys = append(keys, action.Key())
	}
	if plan.Status.Changed {
		var said strings.Builder
		for _, condition := range plan.Status.Conditions {
			fmt.Fprintf(&said, "%s=%t %s: %s\n", condition.Type, condition.True, condition.Reason, condition.Message)
		}
		keys = append(keys, vip.Key{Verb: "write conditions", Subject: said.String()})
	}
	return keys
}

// wait returns how long a Cluster has to wait for its next write, or 0. It waits if it was written to too often, or
// if each of the writes was repeated too often: a new write does not wait for contested ones.
func (p pace) wait(cluster types.NamespacedName, keys []vip.Key, now time.Time) (wait time.Duration) {
	p.of(cluster, func(known *recollection) {
		if known.run != nil {
			wait = known.run.wait(keys, now, p.every)
		}
	})
	return wait
}

func (r *run) wait(keys []vip.Key, now time.Time, every time.Duration) time.Duration {
	missing, often := 1-r.limiter.TokensAt(now), writesInARow
	if same := r.missing(keys, now); same > missing {
		missing, often = same, sameInARow
	}
	if missing <= 0 {
		return 0
	}
	if r.warning == nil {
		r.warning = &vip.Warning{Reason: names.EventWritesContested, Message: fmt.Sprintf(
			"something keeps undoing what is written: %d writes in a row, from now on one in %s; "+
				"look for who else changes it in the Cluster's managedFields",
			often, every)}
	}
	return time.Duration(missing * float64(every))
}

// missing returns what part of an interval is left until one of the writes may be repeated.
func (r *run) missing(keys []vip.Key, now time.Time) float64 {
	if len(keys) == 0 {
		return 0
	}
	least := 1.0
	for _, key := range keys {
		limiter, ok := r.same[key]
		if !ok {
			return 0
		}
		least = min(least, 1-limiter.TokensAt(now))
	}
	return least
}

// wrote notes a write to a Cluster. refused is what the API server said against it, if anything.
func (p pace) wrote(cluster types.NamespacedName, keys []vip.Key, refused []vip.Warning, now time.Time) {
	p.of(cluster, func(known *recollection) {
		if known.run == nil {
			known.run = &run{
				limiter: rate.NewLimiter(rate.Every(p.every), writesInARow), same: map[vip.Key]*rate.Limiter{},
			}
		}
		r := known.run
		r.limiter.AllowN(now, 1)
		maps.DeleteFunc(r.same, func(_ vip.Key, limiter *rate.Limiter) bool {
			return limiter.TokensAt(now) >= sameInARow
		})
		for _, key := range keys {
			if r.same[key] == nil {
				r.same[key] = rate.NewLimiter(rate.Every(p.every), sameInARow)
			}
			r.same[key].AllowN(now, 1)
		}
		r.refused = refused
	})
}

// warnings returns the warnings about a Cluster that has to wait, or recently had to.
func (p pace) warnings(cluster types.NamespacedName) (warnings []vip.Warning) {
	p.of(cluster, func(known *recollection) {
		switch r := known.run; {
		case r == nil || r.warning == nil:
		case len(r.refused) > 0:
			warnings = r.refused
		default:
			warnings = []vip.Warning{*r.warning}
		}
	})
	return warnings
}

// settled notes that there is nothing to write to a Cluster.
func (p pace) settled(cluster types.NamespacedName, now time.Time) {
	p.of(cluster, func(known *recollection) {
		if known.run != nil && known.run.limiter.TokensAt(now) >= writesInARow {
			known.run = nil
		}
	})
}
