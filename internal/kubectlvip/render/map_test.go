package render_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// maps returns a pool with an address in each state, one that is summed up, and one whose addresses are unknown.
func maps() []view.PoolMap {
	small := view.PoolMap{Pool: view.Pool{Kind: "InClusterIPPool", Namespace: "team", Name: "cp"}}
	for i, state := range view.AddressStates() {
		small.Counts = append(small.Counts, view.StateCount{State: state, Count: "1"})
		small.Cells = append(small.Cells, view.MapCell{Address: fmt.Sprintf("10.0.0.%d", 28+i), State: state})
	}
	small.Taken = []view.MapCell{{
		Address: "10.0.0.31", State: view.AddressConflict,
		Says: "more than one has it: Cluster team/a and Cluster team/b",
	}}
	small.Waiting = []view.Waiting{{Namespace: "team", Claim: "vip-cp-c", Since: viptest.Ago(time.Minute)}}
	free := []view.StateCount{{State: view.AddressFree, Count: "1.8e+19"}}
	held := []view.StateCount{{State: view.AddressHeld, Count: "2"}, {State: view.AddressFree, Count: "254"}}
	large := view.PoolMap{
		Pool: view.Pool{Kind: "GlobalInClusterIPPool", Name: "six"}, Counts: append(held[:1:1], free...),
		Blocks: []view.MapBlock{
			{From: "fd00::", To: "fd00::ff", State: view.BlockPart, Size: "256", Counts: held},
			{
				From: "fd00::100", To: "fd00::ffff:ffff:ffff:ffff", State: view.AddressFree,
				Size: "1.8e+19", Counts: free,
			},
		},
	}
	return []view.PoolMap{small, large, {Pool: view.Pool{Kind: "ExamplePool", Name: "foreign"}}}
}

func TestMaps(t *testing.T) {
	for name, o := range map[string]*render.Options{"maps": options(), "maps in colour": options(colorful, narrow)} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(out io.Writer) error { return render.Maps(out, maps(), o) })
		})
	}
}
