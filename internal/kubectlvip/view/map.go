package view

import (
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The states of an address on the map of a pool.
const (
	// AddressFree says that the pool can give the address away.
	AddressFree = "free"
	// AddressHeld says that it is given away.
	AddressHeld = "held"
	// AddressAwaited says that it is free, and that the provider would give it to a waiting claim.
	AddressAwaited = "awaited"
	// AddressReleasing says that it is on its way back to the pool.
	AddressReleasing = "releasing"
	// AddressExcluded says that the pool names it in excludedAddresses.
	AddressExcluded = "excluded"
	// AddressGateway says that it is the subnet's gateway.
	AddressGateway = "gateway"
	// AddressReserved says that the provider keeps it, as the network's own.
	AddressReserved = "reserved"
	// AddressOutOfRange says that the pool gave it away but no longer names it.
	AddressOutOfRange = "out-of-range"
	// AddressConflict says that more than one has it, or that it is in use and the pool would give it away.
	AddressConflict = "conflict"
)

// AddressStates returns the states of an address, in the order in which they are listed.
func AddressStates() []string {
	return []string{
		AddressHeld, AddressAwaited, AddressReleasing, AddressConflict, AddressOutOfRange, AddressFree, AddressGateway,
		AddressExcluded, AddressReserved,
	}
}

// mostCells is how many addresses a map shows one by one; more are summed up in blocks.
const mostCells = 1024

// PoolMap is a pool address by address, or block by block where there are many.
type PoolMap struct {
	Pool Pool `json:"pool"`
	// From and To are what is shown of the pool; empty if it is all.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Size is how many addresses are shown, as text: there may be more than a number holds.
	Size   string       `json:"size"`
	Counts []StateCount `json:"counts"`
	Cells  []MapCell    `json:"cells,omitempty"`
	Blocks []MapBlock   `json:"blocks,omitempty"`
	// Taken are the addresses that there is something to say about, one by one, also where blocks are shown.
	Taken []MapCell `json:"taken"`
	// Waiting are the claims on the pool that have no address.
	Waiting []Waiting `json:"waiting"`
	Trend   Trend     `json:"trend"`
}

// StateCount is how many addresses are in a state.
type StateCount struct {
	State string `json:"state"`
	Count string `json:"count"`
}

// MapCell is one address.
type MapCell struct {
	Address string `json:"address"`
	State   string `json:"state"`
	// Namespace, Cluster, Role and Claim are of who has the address; empty where nobody has, or it is not known.
	Namespace string    `json:"namespace,omitempty"`
	Cluster   string    `json:"cluster,omitempty"`
	Role      string    `json:"role,omitempty"`
	Claim     string    `json:"claim,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	// Says tells what is not as it should be.
	Says string `json:"says,omitempty"`
}

// Waiting is a claim that has no address.
type Waiting struct {
	Namespace string    `json:"namespace"`
	Claim     string    `json:"claim"`
	Cluster   string    `json:"cluster,omitempty"`
	Role      string    `json:"role,omitempty"`
	Since     time.Time `json:"since"`
}

// sheet is a map being drawn.
type sheet struct {
	atlas *Atlas
	pool  *PoolFacts
	// space is what is shown; all is false if that is only part of the pool.
	space []vip.Range
	all   bool
	// marks are the addresses that are neither free nor kept by the pool.
	marks map[netip.Addr]MapCell
	// order lists the marked addresses in order, while blocks are made.
	order []netip.Addr
}

// Map draws a pool, all of it or the part between two addresses. It reports false if there is no such pool.
func Map(a *Atlas, kind, namespace, name string, from, to netip.Addr) (PoolMap, bool) {
	pool := a.pool(kind, namespace, name)
	if pool == nil {
		return PoolMap{}, false
	}
	m := PoolMap{Pool: poolOf(pool), Waiting: []Waiting{}, Trend: a.trend(pool)}
	s := &sheet{atlas: a, pool: pool, space: pool.Space, all: true}
	if from.IsValid() && to.IsValid() {
		s.space, s.all = overlap(pool.Space, []vip.Range{{From: from, To: to}}), false
		m.From, m.To = from.String(), to.String()
	}
	for _, claim := range a.waitingFor(&pool.Pool) {
		m.Waiting = append(m.Waiting, Waiting{
			Namespace: claim.Namespace, Claim: claim.Name, Cluster: claim.Cluster, Role: claim.Role,
			Since: claim.Created,
		})
	}
	s.mark()
	size := sizeOf(s.space)
	m.Size = countText(size)
	m.Counts = s.counts()
	m.Taken = s.taken()
	if size.Cmp(big.NewInt(mostCells)) <= 0 {
		m.Cells = s.cells()
	} else {
		m.Blocks = s.blocks()
	}
	return m, true
}

// Maps draws the pools of a namespace (all if it is empty) and the global ones, in the order of Pools.
func Maps(a *Atlas, namespace string) []PoolMap {
	return MapsOf(a, PoolsOf(a, namespace, false))
}

// MapsOf draws pools, in their order.
func MapsOf(a *Atlas, pools []Pool) []PoolMap {
	drawn := []PoolMap{}
	for _, pool := range pools {
		if m, ok := Map(a, pool.Kind, pool.Namespace, pool.Name, netip.Addr{}, netip.Addr{}); ok {
			drawn = append(drawn, m)
		}
	}
	return drawn
}

// mark finds the single addresses that there is something to say about.
func (s *sheet) mark() {
	s.marks = map[netip.Addr]MapCell{}
	users := s.atlas.addressesOf(&s.pool.Pool)
	used := make(map[netip.Addr]bool, len(users))
	for _, user := range users {
		addr := vip.ParseAddr(user.Address)
		used[addr] = true
		if inSpace := vip.Contain(s.pool.Space, addr); inSpace && vip.Contain(s.space, addr) || !inSpace && s.all {
			s.marks[addr] = s.heldCell(addr, user, inSpace)
		}
	}
	// Others hold it, by hand or from another pool, and this pool does not know.
	for addr, h := range s.atlas.holders {
		if !used[addr] && len(h.objects) > 0 && vip.Contain(s.space, addr) && vip.Contain(s.pool.Offers, addr) {
			cell := MapCell{
				Address: addr.String(), State: AddressConflict,
				Says: "the pool can give it away, and it is in use: " + h.names(),
			}
			if len(h.clusters) > 0 {
				cell.Namespace, cell.Cluster = h.clusters[0].Namespace, h.clusters[0].Name
			}
			s.marks[addr] = cell
		}
	}
	s.await(used)
}

// heldCell returns the cell of an address that the pool gave away.
func (s *sheet) heldCell(addr netip.Addr, user PoolAddress, inSpace bool) MapCell {
	cell := MapCell{
		Address: addr.String(), State: AddressHeld, Namespace: user.Namespace, Cluster: user.Cluster, Role: user.Role,
		Claim: user.Claim, Since: user.Since,
	}
	switch h := s.atlas.holders[addr]; {
	case h != nil && h.shared():
		cell.State, cell.Says = AddressConflict, "more than one has it: "+h.names()
	case user.Releasing:
		cell.State = AddressReleasing
	case !inSpace:
		cell.State, cell.Says = AddressOutOfRange, "the pool does not name it any more, so another pool may hand it out"
	}
	return cell
}

// await marks the addresses that waiting claims would get: the provider gives the lowest that it considers free.
func (s *sheet) await(used map[netip.Addr]bool) {
	waiting := s.atlas.waitingFor(&s.pool.Pool)
	for _, offer := range s.pool.Offers {
		for addr := offer.From; addr.IsValid() && addr.Compare(offer.To) <= 0; addr = addr.Next() {
			if len(waiting) == 0 {
				return
			}
			if used[addr] {
				continue
			}
			claim := waiting[0]
			waiting = waiting[1:]
			if _, marked := s.marks[addr]; !marked && vip.Contain(s.space, addr) {
				s.marks[addr] = MapCell{
					Address: addr.String(), State: AddressAwaited, Namespace: claim.Namespace, Cluster: claim.Cluster,
					Role: claim.Role, Claim: claim.Name,
					Since: claim.Created, Says: "free, and next in line for a claim that waits",
				}
			}
		}
	}
}

// cells returns all addresses one by one, those out of range last.
func (s *sheet) cells() []MapCell {
	var cells []MapCell
	for _, r := range s.space {
		for addr := r.From; addr.IsValid() && addr.Compare(r.To) <= 0; addr = addr.Next() {
			cells = append(cells, s.cell(addr))
		}
	}
	return append(cells, s.outside()...)
}

// cell returns the cell of an address in the pool's space.
func (s *sheet) cell(addr netip.Addr) MapCell {
	if cell, marked := s.marks[addr]; marked {
		return cell
	}
	cell := MapCell{Address: addr.String(), State: AddressFree}
	switch {
	case vip.Contain(s.pool.Excluded, addr):
		cell.State = AddressExcluded
	case addr == s.pool.Gateway:
		cell.State = AddressGateway
	case vip.Contain(s.pool.Reserved, addr):
		cell.State = AddressReserved
	}
	return cell
}

// taken returns the cells of all marks, in order.
func (s *sheet) taken() []MapCell {
	cells := make([]MapCell, 0, len(s.marks))
	for _, addr := range slices.SortedFunc(maps.Keys(s.marks), netip.Addr.Compare) {
		cells = append(cells, s.marks[addr])
	}
	return cells
}

// outside returns the marks that are not in the pool's space, in order.
func (s *sheet) outside() []MapCell {
	return slices.DeleteFunc(s.taken(), func(c MapCell) bool {
		return vip.Contain(s.pool.Space, vip.ParseAddr(c.Address))
	})
}
