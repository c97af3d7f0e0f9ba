package vip_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var lagSeeds = flag.Int("lag-seeds", 400, "how many worlds with late watches to run")

// Watches that lag, each kind by its own delay, change when something happens, but never what: no invariant is broken,
// with one operator or two, even if Clusters lose their status now and then, as in a restore.
func TestLateWatches(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]struct {
		operators  int
		losesState bool
	}{
		"one operator":                 {1, false},
		"one operator, lost statuses":  {1, true},
		"two operators":                {2, false},
		"two operators, lost statuses": {2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(*lagSeeds) {
				w := lateWorld(seed, more.operators, more.losesState)
				if len(w.Violations) > 0 {
					t.Fatalf("seed %d: %s\n%s", seed, strings.Join(w.Violations, "\n"), w.Log.String())
				}
			}
		})
	}
}

// lateWorld runs a world whose watches lag, one kind far more than the others.
func lateWorld(seed uint64, operators int, losesStatus bool) *viptest.World {
	random := rand.New(rand.NewPCG(seed, 99))
	w, pools := randomWorld(random.IntN)
	w.Operators(operators)
	for range 400 {
		w.As(random.IntN(operators))
		happen(w, pools, random.IntN)
		if clusters := w.Clusters(); losesStatus && len(clusters) > 0 && random.IntN(30) == 0 {
			w.Edit(clusters[random.IntN(len(clusters))], "loses the status of", func(c *vip.Cluster) {
				c.Conditions = nil
			})
		}
		if kind := random.IntN(6); kind <= viptest.WatchAddresses && (uint64(kind) != seed%3 || random.IntN(25) == 0) {
			w.CatchUp(kind)
		}
	}
	return w
}
