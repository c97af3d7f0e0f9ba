package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// mapSign returns the sign of an address on a terminal: a letter, so that a map can be read without colours.
func mapSign(state string) cell {
	switch state {
	case view.AddressFree:
		return cell{".", dim}
	case view.AddressHeld:
		return cell{"#", green}
	case view.AddressAwaited:
		return cell{"a", yellow}
	case view.AddressReleasing:
		return cell{"r", yellow}
	case view.AddressConflict:
		return cell{"!", red}
	case view.AddressOutOfRange:
		return cell{"?", red}
	case view.AddressGateway:
		return cell{"g", dim}
	case view.AddressExcluded:
		return cell{"x", dim}
	case view.AddressReserved:
		return cell{"-", dim}
	}
	return cell{" ", plain} // not of the pool
}

// inMapRow is how many addresses a line of a map shows.
const inMapRow = 32

// Maps draws pools address by address, or block by block if they are large.
func Maps(out io.Writer, maps []view.PoolMap, o *Options) error {
	p := &printer{out: out, o: o}
	for i := range maps {
		if i > 0 {
			p.line("")
		}
		drawMap(p, &maps[i])
	}
	return p.err
}

func drawMap(p *printer, m *view.PoolMap) {
	p.line("%s  %s", p.o.paint(m.Pool.Title(), bold), m.Pool.Kind)
	if len(m.Counts) == 0 {
		p.fold("  ", "The addresses of this pool are not known: it is of another provider, or names none.")
		return
	}
	var legend []string
	for _, count := range m.Counts {
		legend = append(legend, fmt.Sprintf("%s %s %s", mapSign(count.State).text, count.Count, count.State))
	}
	p.fold("  ", strings.Join(legend, ", "))
	p.line("")
	if len(m.Blocks) > 0 {
		drawBlocks(p, m)
	} else {
		drawCells(p, m)
	}
	for _, c := range m.Taken {
		if c.Says != "" {
			p.fold("  "+p.o.paint(mapSign(c.State).text, mapSign(c.State).style)+" ", c.Address+": "+c.Says)
		}
	}
	for _, claim := range m.Waiting {
		p.fold("  ", fmt.Sprintf("claim %s/%s has waited for an address for %s",
			claim.Namespace, claim.Claim, p.o.age(claim.Since)))
	}
}

func drawCells(p *printer, m *view.PoolMap) {
	rows := view.Rows(m.Cells, inMapRow)
	width := 0
	for _, row := range rows {
		width = max(width, len(row.Label))
	}
	for _, row := range rows {
		var b strings.Builder
		for _, c := range row.Cells {
			sign := mapSign(c.State)
			b.WriteString(p.o.paint(sign.text, sign.style))
		}
		p.line("  %-*s  %s", width, row.Label, b.String())
	}
}

func drawBlocks(p *printer, m *view.PoolMap) {
	t := &table{header: []string{"FROM", "TO", "ADDRESSES", "USE"}}
	for _, block := range m.Blocks {
		var counts []string
		for _, count := range block.Counts {
			counts = append(counts, count.Count+" "+count.State)
		}
		look := plain
		if block.State == view.AddressConflict {
			look = red
		}
		t.rows = append(t.rows, []cell{
			text(block.From), text(block.To), text(block.Size), {strings.Join(counts, ", "), look},
		})
	}
	p.table(t, "  ")
}
