package view_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

func span(from, to string) vip.Range {
	return vip.Range{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)}
}

// drawn returns the facts of one global pool, "cp", with an address in each state.
func drawn() *view.Facts {
	pool := view.PoolFacts{
		Pool:  viptest.Pool("cp", names.RoleControlPlane),
		Space: []vip.Range{span("10.0.0.0", "10.0.0.15")}, Excluded: []vip.Range{span("10.0.0.8", "10.0.0.9")},
		Reserved: []vip.Range{span("10.0.0.0", "10.0.0.0"), span("10.0.0.15", "10.0.0.15")},
		Gateway:  netip.MustParseAddr("10.0.0.1"),
	}
	pool.Offers = []vip.Range{span("10.0.0.2", "10.0.0.7"), span("10.0.0.10", "10.0.0.14")}
	f := &view.Facts{Now: viptest.Now, Pools: []view.PoolFacts{pool}}
	give(f, "10.0.0.2", "vip-cp-a", "a")
	give(f, "10.0.0.3", "vip-cp-b", "b")
	f.Addresses[1].Deleting = true
	give(f, "10.0.0.5", "vip-cp-c", "c")
	carrier(f, "thief", "10.0.0.5")
	give(f, "10.0.9.9", "vip-cp-d", "d")
	carrier(f, "by-hand", "10.0.0.6")
	f.Claims = append(f.Claims, view.ClaimFacts{Cluster: "e", Claim: vip.Claim{
		Namespace: viptest.Namespace, Name: "vip-cp-e", Role: names.RoleControlPlane, Pool: viptest.GlobalRef("cp"),
		Created: viptest.Ago(time.Minute),
	}})
	return f
}

// give gives an address of the pool "cp" to a Cluster, an hour ago.
func give(f *view.Facts, value, claim, cluster string) {
	f.Claims = append(f.Claims, view.ClaimFacts{Cluster: cluster, Claim: vip.Claim{
		Namespace: viptest.Namespace, Name: claim, Role: names.RoleControlPlane, Pool: viptest.GlobalRef("cp"),
		Address: claim,
	}})
	f.Addresses = append(f.Addresses, view.AddressFacts{
		Address: vip.Address{Namespace: viptest.Namespace, Name: claim, Claim: claim, Value: value, Born: vip.Born{
			At: viptest.Ago(time.Hour),
		}},
		Pool: viptest.GlobalRef("cp"),
	})
}

func mapOf(t *testing.T, f *view.Facts, window ...string) view.PoolMap {
	t.Helper()
	var from, to netip.Addr
	if len(window) > 0 {
		from, to = netip.MustParseAddr(window[0]), netip.MustParseAddr(window[1])
	}
	pool := f.Pools[0].Pool
	m, ok := view.Map(view.NewAtlas(f), pool.Ref.Kind, pool.Namespace, pool.Ref.Name, from, to)
	require.True(t, ok)
	return m
}

func TestMap(t *testing.T) {
	m := mapOf(t, drawn())
	var states []string
	for _, cell := range m.Cells {
		states = append(states, cell.Address+" "+cell.State)
	}
	assert.Equal(t, []string{
		"10.0.0.0 reserved", "10.0.0.1 gateway", "10.0.0.2 held", "10.0.0.3 releasing", "10.0.0.4 awaited",
		"10.0.0.5 conflict", "10.0.0.6 conflict",
		"10.0.0.7 free", "10.0.0.8 excluded", "10.0.0.9 excluded", "10.0.0.10 free", "10.0.0.11 free", "10.0.0.12 free",
		"10.0.0.13 free",
		"10.0.0.14 free", "10.0.0.15 reserved", "10.0.9.9 out-of-range",
	}, states)
	assert.Equal(t, []view.StateCount{
		{"held", "1"},
		{"awaited", "1"},
		{"releasing", "1"},
		{"conflict", "2"},
		{"out-of-range", "1"},
		{"free", "6"},
		{"gateway", "1"},
		{"excluded", "2"},
		{"reserved", "2"},
	}, m.Counts)
	assert.Equal(t, "16", m.Size)
	held := m.Cells[2]
	assert.Equal(t, view.MapCell{
		Address: "10.0.0.2", State: view.AddressHeld, Namespace: viptest.Namespace, Cluster: "a",
		Role: names.RoleControlPlane, Claim: "vip-cp-a", Since: viptest.Ago(time.Hour),
	}, held)
	assert.Equal(t, "more than one has it: Cluster tenant/thief and IPAddress tenant/vip-cp-c", m.Cells[5].Says)
	assert.Equal(t, "the pool can give it away, and it is in use: Cluster tenant/by-hand", m.Cells[6].Says)
	require.Len(t, m.Waiting, 1)
	assert.Equal(t, "vip-cp-e", m.Waiting[0].Claim)

	part := mapOf(t, drawn(), "10.0.0.2", "10.0.0.3")
	assert.Len(t, part.Cells, 2, "a part of the pool, without what is out of its range")
	_, ok := view.Map(view.NewAtlas(drawn()), "GlobalInClusterIPPool", "", "other", netip.Addr{}, netip.Addr{})
	assert.False(t, ok)
}

// TestMapCounts: the counts include each address of a pool exactly once.
func TestMapCounts(t *testing.T) {
	f := drawn()
	f.Pools[0].Gateway = netip.MustParseAddr("10.0.0.8") // excluded as well
	f.Pools[0].Offers[0].From = netip.MustParseAddr("10.0.0.1")
	carrier(f, "by-hand-2", "10.0.0.9") // excluded, so it is no conflict
	m := mapOf(t, f)
	counted := map[string]int{}
	for _, cell := range m.Cells {
		counted[cell.State]++
	}
	for _, count := range m.Counts {
		assert.Equal(t, strconv.Itoa(counted[count.State]), count.Count, count.State)
		delete(counted, count.State)
	}
	assert.Empty(t, counted)
}

func TestMapOfLargePool(t *testing.T) {
	for name, test := range map[string]struct {
		space vip.Range
		given []string
		size  string
		want  []string
	}{
		"if nothing is given away, should be one block": {
			span("10.0.0.0", "10.0.15.255"), nil, "4096", []string{"10.0.0.0-10.0.15.255 free 0%"},
		},
		"if some are given away, should show where": {
			span("10.0.0.10", "10.0.15.255"),
			[]string{"10.0.0.10", "10.0.5.1", "10.0.5.2"},
			"4086",
			[]string{
				"10.0.0.10-10.0.0.255 part 1%", "10.0.1.0-10.0.4.255 free 0%", "10.0.5.0-10.0.5.255 part 1%",
				"10.0.6.0-10.0.15.255 free 0%",
			},
		},
		"if it is of IPv6, should show where too": {
			span("fd00::", "fd00::ffff:ffff:ffff:ffff"),
			[]string{"fd00::1", "fd00::2"},
			"1.8e+19",
			[]string{"fd00::-fd00::ff part 1%", "fd00::100-fd00::ffff:ffff:ffff:ffff free 0%"},
		},
		"if it ends with the last address that there is, should end": {
			span("255.255.240.0", "255.255.255.255"),
			[]string{"255.255.255.255"},
			"4096",
			[]string{"255.255.240.0-255.255.254.255 free 0%", "255.255.255.0-255.255.255.255 part 1%"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &view.Facts{Now: viptest.Now, Pools: []view.PoolFacts{
				{Pool: viptest.Pool("cp", names.RoleControlPlane), Space: []vip.Range{test.space}},
			}}
			f.Pools[0].Offers = f.Pools[0].Space
			for i, value := range test.given {
				give(f, value, fmt.Sprintf("vip-cp-%d", i), strconv.Itoa(i))
			}
			m := mapOf(t, f)
			assert.Empty(t, m.Cells)
			assert.Equal(t, test.size, m.Size)
			var got []string
			for _, block := range m.Blocks {
				got = append(got, fmt.Sprintf("%s-%s %s %d%%", block.From, block.To, block.State, block.Used))
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// TestMapOfFullPool: a map stays small however many addresses are given away, and a block's contents can be opened.
func TestMapOfFullPool(t *testing.T) {
	const given = 40_000
	f := &view.Facts{Now: viptest.Now, Pools: []view.PoolFacts{
		{Pool: viptest.Pool("cp", names.RoleControlPlane), Space: []vip.Range{span("10.0.0.0", "10.255.255.255")}},
	}}
	f.Pools[0].Offers = f.Pools[0].Space
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range given {
		give(f, addr.String(), fmt.Sprintf("vip-cp-%d", i), strconv.Itoa(i))
		for range 300 { // apart, so that there are many blocks
			addr = addr.Next()
		}
	}
	m := mapOf(t, f)
	assert.LessOrEqual(t, len(m.Blocks), 600)
	require.True(t, m.Blocks[0].Opens)
	for depth := 0; len(m.Cells) == 0; depth++ {
		require.Less(t, depth, 4)
		m = mapOf(t, f, m.Blocks[0].From, m.Blocks[0].To)
	}
	assert.Equal(t, view.AddressHeld, m.Cells[0].State)
}

func TestTrend(t *testing.T) {
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		ages []time.Duration
		free int
		says string
		full time.Duration
	}{
		"if nothing was given away, should say so": {nil, 10, "nothing given away", 0},
		"if all is of today, should not guess": {
			[]time.Duration{time.Hour, 2 * time.Hour}, 10, "less than a day old", 0,
		},
		"if addresses come evenly, should say when it is full": {
			[]time.Duration{10 * day, 8 * day, 6 * day, 4 * day, 2 * day}, 10, "4 in 10 days", 25 * day,
		},
		"if nothing came for long, should say so": {
			[]time.Duration{100 * day, 90 * day}, 10, "none in 30 days", 0,
		},
		"if it is full, should not say when": {
			[]time.Duration{10 * day, 5 * day}, 0, "1 in 10 days", 0,
		},
		"if it takes longer than anyone plans, should not say": {
			[]time.Duration{20 * day, 5 * day}, 100_000, "1 in 20 days", 0,
		},
		"if some are older than the trend, should take its days": {
			[]time.Duration{300 * day, 20 * day, 10 * day, 5 * day}, 10, "3 in 30 days", 100 * day,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &view.Facts{
				Now: viptest.Now, Pools: []view.PoolFacts{{Pool: viptest.Pool("cp", names.RoleControlPlane)}},
			}
			f.Pools[0].Capacity = vip.Capacity{
				Known: true, Total: test.free + len(test.ages), Used: len(test.ages), Free: test.free,
			}
			for i, age := range test.ages {
				give(f, fmt.Sprintf("10.0.0.%d", i+1), fmt.Sprintf("vip-cp-%d", i), strconv.Itoa(i))
				f.Addresses[i].Born.At = viptest.Ago(age)
			}
			trend, ok := view.TrendOf(view.NewAtlas(f), f.Pools[0].Ref.Kind, "", "cp")
			require.True(t, ok)
			assert.Equal(t, test.says, trend.Says)
			assert.Equal(t, len(test.ages), trend.Held[len(trend.Held)-1])
			if test.full == 0 {
				assert.Nil(t, trend.Full)
				return
			}
			require.NotNil(t, trend.Full)
			assert.WithinDuration(t, viptest.Now.Add(test.full), *trend.Full, time.Minute)
		})
	}
}

func TestOverlaps(t *testing.T) {
	f := drawn()
	second := view.PoolFacts{Pool: viptest.Pool("web", names.RoleIngress)}
	second.Offers = []vip.Range{span("10.0.0.2", "10.0.0.3")}
	f.Pools = append(f.Pools, second)
	overlaps := view.Overlaps(view.NewAtlas(f))
	require.Len(t, overlaps, 1)
	assert.Equal(t, [2]string{"GlobalInClusterIPPool/cp", "GlobalInClusterIPPool/web"}, overlaps[0].Pools)
	assert.Equal(t, []string{"10.0.0.2-10.0.0.3"}, overlaps[0].Ranges)
	require.Len(t, overlaps[0].Taken, 2)
	assert.Equal(t, "a", overlaps[0].Taken[0].Cluster)
}
