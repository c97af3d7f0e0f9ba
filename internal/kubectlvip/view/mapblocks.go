package view

import (
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The states of a block of addresses; also AddressFree and AddressExcluded, if they hold for all of it.
const (
	// BlockPart says that part of the block is given away, BlockFull that none of it is free.
	BlockPart = "part"
	BlockFull = "full"
)

// MapBlock is a run of addresses that is summed up.
type MapBlock struct {
	From string `json:"from"`
	To   string `json:"to"`
	// State is one of AddressFree, BlockPart, BlockFull, AddressExcluded, and AddressConflict if anything in it is in
	// conflict.
	State string `json:"state"`
	// Size is how many addresses there are, and Used how many of them in percent are not free.
	Size   string       `json:"size"`
	Used   int          `json:"used"`
	Counts []StateCount `json:"counts"`
	// Opens says that a map of the block shows more.
	Opens bool `json:"opens,omitempty"`
}

const (
	// smallestBlock is how many address bits the smallest block leaves open.
	smallestBlock = 8
	// mostBlocks limits the blocks with something in them; if there are more, blocks become larger.
	mostBlocks = 256
)

// blocks sums up the space: blocks of one size where something is, and one for each run of addresses between them.
func (s *sheet) blocks() []MapBlock {
	var blocks []MapBlock
	marked := s.markedBlocks()
	s.order = slices.SortedFunc(maps.Keys(s.marks), netip.Addr.Compare)
	for _, r := range s.space {
		at := r.From
		for _, block := range marked {
			common := overlap([]vip.Range{{From: at, To: r.To}}, []vip.Range{block})
			if len(common) == 0 {
				continue
			}
			if at.Less(common[0].From) {
				blocks = append(blocks, s.block(vip.Range{From: at, To: common[0].From.Prev()}))
			}
			blocks = append(blocks, s.block(common[0]))
			if at = common[0].To.Next(); !at.IsValid() {
				break
			}
		}
		if at.IsValid() && at.Compare(r.To) <= 0 {
			blocks = append(blocks, s.block(vip.Range{From: at, To: r.To}))
		}
	}
	return blocks
}

// markedBlocks returns the blocks that have something in them, in order.
func (s *sheet) markedBlocks() []vip.Range {
	for bits := smallestBlock; ; bits++ {
		found := map[netip.Prefix]bool{}
		for addr := range s.marks {
			if !vip.Contain(s.space, addr) {
				continue
			}
			if prefix, err := addr.Prefix(max(addr.BitLen()-bits, 0)); err == nil {
				found[prefix] = true
			}
		}
		if len(found) > mostBlocks {
			continue
		}
		var marked []vip.Range
		for prefix := range found {
			r := netipx.RangeOfPrefix(prefix)
			marked = append(marked, vip.Range{From: r.From(), To: r.To()})
		}
		slices.SortFunc(marked, func(a, b vip.Range) int { return a.From.Compare(b.From) })
		return marked
	}
}

func (s *sheet) block(r vip.Range) MapBlock {
	inside := &sheet{atlas: s.atlas, pool: s.pool, space: []vip.Range{r}, marks: map[netip.Addr]MapCell{}}
	conflict := false
	first, _ := slices.BinarySearchFunc(s.order, r.From, netip.Addr.Compare)
	for _, addr := range s.order[first:] {
		if r.To.Less(addr) {
			break
		}
		inside.marks[addr] = s.marks[addr]
		conflict = conflict || s.marks[addr].State == AddressConflict
	}
	size, tally := sizeOf(inside.space), inside.tally()
	free := new(big.Int).Add(tally[AddressFree], tally[AddressAwaited])
	used := new(big.Int).Sub(size, free)
	block := MapBlock{
		From: r.From.String(), To: r.To.String(), Size: countText(size), Counts: inside.counts(), State: BlockPart,
	}
	percent, _ := new(big.Rat).SetFrac(new(big.Int).Mul(used, big.NewInt(100)), size).Float64()
	block.Used = int(percent)
	if block.Used == 0 && used.Sign() > 0 {
		block.Used = 1 // any use shows
	}
	switch {
	case conflict:
		block.State = AddressConflict
	case used.Sign() == 0:
		block.State = AddressFree
	case tally[AddressExcluded].Cmp(size) == 0:
		block.State = AddressExcluded
	case free.Sign() == 0:
		block.State = BlockFull
	}
	block.Opens = len(inside.marks) > 0 || size.Cmp(big.NewInt(mostCells)) <= 0
	return block
}

// tally counts the addresses of the space by state.
func (s *sheet) tally() map[string]*big.Int {
	tally := map[string]*big.Int{}
	for _, state := range AddressStates() {
		tally[state] = new(big.Int)
	}
	one := big.NewInt(1)
	free := sizeOf(overlap(s.space, s.pool.Offers))
	for addr, cell := range s.marks {
		tally[cell.State].Add(tally[cell.State], one)
		if vip.Contain(s.pool.Offers, addr) {
			free.Sub(free, one)
		}
	}
	tally[AddressFree] = free
	withheld := map[string][]vip.Range{AddressExcluded: s.pool.Excluded, AddressReserved: s.pool.Reserved}
	for state, ranges := range withheld {
		tally[state].Add(tally[state], s.unmarked(overlap(s.space, ranges)))
	}
	if gateway := s.pool.Gateway; gateway.IsValid() && vip.Contain(s.space, gateway) &&
		!vip.Contain(s.pool.Excluded, gateway) {
		tally[AddressGateway].Add(tally[AddressGateway], s.unmarked([]vip.Range{{From: gateway, To: gateway}}))
	}
	return tally
}

// unmarked returns how many addresses of the ranges have no mark.
func (s *sheet) unmarked(ranges []vip.Range) *big.Int {
	size := sizeOf(ranges)
	for addr := range s.marks {
		if vip.Contain(ranges, addr) {
			size.Sub(size, big.NewInt(1))
		}
	}
	return size
}

// counts returns the states that addresses are in, with their numbers.
func (s *sheet) counts() []StateCount {
	counts := []StateCount{}
	tally := s.tally()
	for _, state := range AddressStates() {
		if tally[state].Sign() > 0 {
			counts = append(counts, StateCount{State: state, Count: countText(tally[state])})
		}
	}
	return counts
}

// sizeOf returns how many addresses the ranges have.
func sizeOf(ranges []vip.Range) *big.Int {
	sum := new(big.Int)
	for _, r := range ranges {
		from, to := new(big.Int).SetBytes(r.From.AsSlice()), new(big.Int).SetBytes(r.To.AsSlice())
		sum.Add(sum, to.Sub(to, from)).Add(sum, big.NewInt(1))
	}
	return sum
}

// exactly is the number from which counts are rounded.
const exactly = 1_000_000_000

// countText formats a count; numbers that nobody reads are rounded.
func countText(n *big.Int) string {
	if n.CmpAbs(big.NewInt(exactly)) < 0 {
		return n.String()
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return fmt.Sprintf("%.1e", f)
}
