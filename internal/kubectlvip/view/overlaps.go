package view

import (
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Overlap are two pools that can hand out the same addresses.
type Overlap struct {
	// Pools are the two, as Kind/name with the namespace before it where there is one.
	Pools [2]string `json:"pools"`
	// Ranges are the addresses that both can hand out.
	Ranges []string `json:"ranges"`
	// Taken are those of them that one of the two has given away.
	Taken []PoolAddress `json:"taken"`
}

// Overlaps returns the pools that have addresses in common, except for pairs of which neither is labelled for the
// allocator.
func Overlaps(a *Atlas) []Overlap {
	overlaps := []Overlap{}
	a.facts.overlapping(func(first, second *PoolFacts, common []vip.Range) {
		o := Overlap{Pools: [2]string{poolName(&first.Pool), poolName(&second.Pool)}, Taken: []PoolAddress{}}
		for _, r := range common {
			o.Ranges = append(o.Ranges, rangeText(r))
		}
		for _, pool := range []*PoolFacts{first, second} {
			for _, taken := range a.addressesOf(&pool.Pool) {
				if vip.Contain(common, vip.ParseAddr(taken.Address)) {
					o.Taken = append(o.Taken, taken)
				}
			}
		}
		slices.SortStableFunc(o.Taken, func(x, y PoolAddress) int {
			return vip.ParseAddr(x.Address).Compare(vip.ParseAddr(y.Address))
		})
		overlaps = append(overlaps, o)
	})
	return overlaps
}

// overlapping calls tell for each two pools with common addresses, at least one of which concerns the allocator.
func (f *Facts) overlapping(tell func(a, b *PoolFacts, common []vip.Range)) {
	for i := range f.Pools {
		for j := i + 1; j < len(f.Pools); j++ {
			a, b := &f.Pools[i], &f.Pools[j]
			if !configured(a) && !configured(b) {
				continue
			}
			if common := overlap(a.Offers, b.Offers); len(common) > 0 {
				tell(a, b, common)
			}
		}
	}
}

func rangeText(r vip.Range) string {
	if r.From == r.To {
		return r.From.String()
	}
	return r.From.String() + "-" + r.To.String()
}
