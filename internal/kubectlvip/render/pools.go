package render

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// Pools prints pools as a table and, if known, who uses which address.
func Pools(out io.Writer, pools []view.Pool, o *Options) error {
	p := &printer{out: out, o: o}
	t := &table{header: []string{"POOL", "CLASSES", "ROLES", "TOTAL", "USED", "FREE", "USE"}}
	if o.Wide {
		t.header = append(t.header, "TIER", "PRIO", "KIND", "NAMESPACES", "NOTES")
	}
	withAddresses := false
	for i := range pools {
		t.rows = append(t.rows, poolRow(&pools[i], o))
		withAddresses = withAddresses || pools[i].Addresses != nil
	}
	p.table(t, "")
	if withAddresses {
		addresses(p, pools)
	}
	return p.err
}

func poolRow(pool *view.Pool, o *Options) []cell {
	row := []cell{text(pool.Title()), orDash(strings.Join(pool.Classes, ",")), orDash(strings.Join(pool.Roles, ","))}
	if c := pool.Capacity; c != nil {
		row = append(row, text(strconv.Itoa(c.Total)), text(strconv.Itoa(c.Used)),
			text(strconv.Itoa(c.Free)), bar(c, o))
	} else {
		row = append(row, orDash(""), orDash(""), orDash(""), orDash(""))
	}
	if !o.Wide {
		return row
	}
	namespaces := text("all")
	switch {
	case pool.Namespace != "":
		namespaces = text(pool.Namespace)
	case len(pool.Namespaces) > 0:
		namespaces = text(strings.Join(pool.Namespaces, ","))
	}
	return append(row, orDash(pool.Tier), text(strconv.Itoa(pool.Priority)), text(pool.Kind), namespaces, notes(pool))
}

// notes returns what is unusual about a pool.
func notes(pool *view.Pool) cell {
	var list []string
	if pool.Paused {
		list = append(list, "paused")
	}
	if pool.Deleting {
		list = append(list, "being deleted")
	}
	if pool.Capacity != nil && pool.Capacity.OutOfRange > 0 {
		list = append(list, fmt.Sprintf("%d out of range", pool.Capacity.OutOfRange))
	}
	if pool.Closed {
		list = append(list, "serves nobody new")
	}
	list = append(list, pool.Problems...)
	look := yellow
	if len(list) == 0 {
		look = plain
	}
	list = append(list, clients(pool)...)
	if len(list) == 0 {
		return orDash("")
	}
	return cell{strings.Join(list, "; "), look}
}

// clients says which Clusters a pool is restricted to. A pool of one address for one Cluster is a reservation.
func clients(pool *view.Pool) []string {
	var list []string
	only := "only for "
	if c := pool.Capacity; c != nil && c.Total == 1 && len(pool.Clusters) == 1 &&
		!strings.HasSuffix(pool.Clusters[0], "/*") {
		only = "reserved for "
	}
	if len(pool.Clusters) > 0 {
		list = append(list, only+named(pool.Clusters))
	}
	if len(pool.Variables) > 0 {
		list = append(list, "with "+named(pool.Variables))
	}
	if pool.PerCluster > 0 {
		list = append(list, fmt.Sprintf("%d for each Cluster", pool.PerCluster))
	}
	return list
}

// named joins a list and shortens a long one.
func named(list []string) string {
	if len(list) > shownClients {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shownClients], ", "), len(list)-shownClients)
	}
	return strings.Join(list, ", ")
}

const (
	// shownClients is how many Clusters or variables of a pool are listed.
	shownClients = 3

	barWidth = 10
	// nearlyFull is the used fraction from which a pool is worth a look.
	nearlyFull = 0.8
)

// bar draws how much of a pool is used, as in [####......] 40%. Any use shows, and only a full pool looks full.
func bar(c *view.Capacity, o *Options) cell {
	if c.Total <= 0 {
		return cell{"no addresses", red}
	}
	used := min(float64(c.Total-c.Free)/float64(c.Total), 1)
	blocks := int(math.Round(used * barWidth))
	if c.Free < c.Total {
		blocks = max(blocks, 1)
	}
	if c.Free > 0 {
		blocks = min(blocks, barWidth-1)
	}
	full, empty := "#", "."
	if o.Unicode {
		full, empty = "█", "░"
	}
	drawn := strings.Repeat(full, blocks) + strings.Repeat(empty, barWidth-blocks)
	if !o.Unicode {
		drawn = "[" + drawn + "]"
	}
	look := green
	switch {
	case c.Free <= 0:
		look = red
	case used >= nearlyFull:
		look = yellow
	}
	return cell{fmt.Sprintf("%s %.0f%%", drawn, math.Floor(used*100)), look}
}

func addresses(p *printer, pools []view.Pool) {
	p.line("")
	t := &table{header: []string{"ADDRESS", "POOL", "CLUSTER", "ROLE", "CLAIM", "AGE"}}
	for i := range pools {
		pool := &pools[i]
		for _, a := range pool.Addresses {
			cluster := orDash("")
			if a.Cluster != "" {
				cluster = text(a.Namespace + "/" + a.Cluster)
			}
			age := text(p.o.age(a.Since))
			if a.Releasing {
				age = cell{age.text + " (releasing)", yellow}
			}
			t.rows = append(t.rows, []cell{
				text(a.Address), text(pool.Name), cluster, orDash(a.Role), text(a.Namespace + "/" + a.Claim), age,
			})
		}
	}
	if len(t.rows) == 0 {
		p.line("No address is in use.")
		return
	}
	p.table(t, "")
}
