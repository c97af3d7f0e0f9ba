package view

import (
	"math/bits"
	"net/netip"
)

// MapRow is a line of a map. Label is its first address. Cells without a state are places where the pool has no
// address.
type MapRow struct {
	Label string
	Cells []MapCell
}

// Rows arranges cells in lines of the given length, a power of two up to 256. Each line begins at a multiple of it.
func Rows(cells []MapCell, length int) []MapRow {
	var rows []MapRow
	var last netip.Prefix
	for _, cell := range cells {
		addr, err := netip.ParseAddr(cell.Address)
		if err != nil {
			continue
		}
		line, err := addr.Prefix(addr.BitLen() - bits.TrailingZeros(uint(length)))
		if err != nil {
			continue
		}
		bytes := addr.AsSlice()
		place := int(bytes[len(bytes)-1]) % length
		if n := len(rows); n == 0 || line != last || place < len(rows[n-1].Cells) {
			rows = append(rows, MapRow{Label: cell.Address})
		}
		last = line
		row := &rows[len(rows)-1]
		for len(row.Cells) < place {
			row.Cells = append(row.Cells, MapCell{})
		}
		row.Cells = append(row.Cells, cell)
	}
	return rows
}
