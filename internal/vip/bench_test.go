package vip_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var poolCounts = []int{1, 50, 500}

// manyPools adds pools for both roles; all but the last are full.
func manyPools(n int) viptest.Option {
	return func(s *vip.Snapshot) {
		for i := range n {
			full := viptest.Full
			if i == n-1 {
				full = func(*vip.Pool) {}
			}
			viptest.WithPool(fmt.Sprintf("pool-%03d", i), cp, full,
				func(p *vip.Pool) { p.Roles = []string{cp, ingress} })(s)
		}
	}
}

// asking makes all pools ask for values of variables, which the Cluster has.
func asking(s *vip.Snapshot) {
	for i := range s.Pools {
		asks("network=vlan-9", "site.name=berlin", "mtu=9000")(&s.Pools[i])
	}
	for name, value := range map[string]string{
		"network": `"vlan-9"`, "mtu": "9000",
		"site": `{"name":"berlin","id":7,"notes":"` + strings.Repeat("x", 200) + `"}`,
	} {
		has(name, value)(&s.Cluster)
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range poolCounts {
		for name, snapshot := range map[string]vip.Snapshot{
			"settled": viptest.Snapshot(viptest.Served(), manyPools(n)),
			"fresh":   viptest.Snapshot(manyPools(n)),
			"asked":   viptest.Snapshot(manyPools(n), asking),
		} {
			b.Run(fmt.Sprintf("%s/pools=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					vip.Decide(snapshot)
				}
			})
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range poolCounts {
		snapshot := viptest.Snapshot(manyPools(n))
		b.Run(fmt.Sprintf("pools=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				vip.Choose(&snapshot.Cluster, snapshot.Pools, cp)
			}
		})
	}
}
