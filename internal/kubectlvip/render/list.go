package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// List prints Clusters as a table, with a column for the namespace if namespaces is set.
func List(out io.Writer, clusters []view.Cluster, namespaces bool, o *Options) error {
	p := &printer{out: out, o: o}
	for _, line := range ListLines(clusters, namespaces, o) {
		p.line("%s", line)
	}
	return p.err
}

// ListLines returns the lines that List prints.
func ListLines(clusters []view.Cluster, namespaces bool, o *Options) []string {
	roles := RolesOf(clusters)
	t := &table{header: []string{"NAME", "CLASS", "STATE"}}
	for _, role := range roles {
		t.header = append(t.header, strings.ToUpper(role))
	}
	t.header = append(t.header, "AGE")
	if o.Wide {
		t.header = append(t.header, "POOLS", "ENDPOINT", "CLAIMS", "MESSAGE")
	}
	if namespaces {
		t.header = append([]string{"NAMESPACE"}, t.header...)
	}
	for i := range clusters {
		row := clusterRow(&clusters[i], roles, o)
		if namespaces {
			row = append([]cell{text(clusters[i].Namespace)}, row...)
		}
		t.rows = append(t.rows, row)
	}
	return t.lines(o)
}

// RolesOf returns the roles of all Clusters: the two standard ones, and the others by name.
func RolesOf(clusters []view.Cluster) []string {
	var others []string
	for i := range clusters {
		for _, role := range clusters[i].Roles {
			if role.Role != names.RoleControlPlane && role.Role != names.RoleIngress &&
				!slices.Contains(others, role.Role) {
				others = append(others, role.Role)
			}
		}
	}
	slices.Sort(others)
	return append([]string{names.RoleControlPlane, names.RoleIngress}, others...)
}

func clusterRow(c *view.Cluster, roles []string, o *Options) []cell {
	class := strings.TrimPrefix(c.Class, c.Namespace+"/")
	row := []cell{text(c.Name), orDash(class), {c.State, stateStyle(c.State)}}
	var pools, claims, messages []string
	for _, name := range roles {
		i := slices.IndexFunc(c.Roles, func(r view.Role) bool { return r.Role == name })
		if i < 0 {
			row = append(row, orDash(""))
			continue
		}
		role := &c.Roles[i]
		row = append(row, roleCell(role, c.State))
		pools, claims = add(pools, shortPool(role.Pool)), add(claims, role.Claim)
		if !role.Ready && role.Message != "" && role.Reason == c.State {
			messages = add(messages, role.Message)
		}
	}
	row = append(row, text(o.age(c.Created)))
	if o.Wide {
		row = append(row, orDash(strings.Join(pools, ",")), orDash(c.Endpoint), orDash(strings.Join(claims, ",")),
			orDash(strings.Join(messages, "; ")))
	}
	return row
}

// roleCell returns the address of a role, or why it has none.
func roleCell(role *view.Role, state string) cell {
	first, others, several := strings.Cut(role.Address, ",")
	if several { // explain shows all of them
		short := *role
		short.Address = fmt.Sprintf("%s +%d", first, 1+strings.Count(others, ","))
		return roleCell(&short, state)
	}
	switch {
	case state == view.StateOperatorNotRunning && !role.Ready && role.Reason == names.ReasonWaitingForIPAddress:
		return cell{"<" + state + ">", stateStyle(state)} // the first thing it waits for
	case role.Ready, role.Reason == "" && role.Address != "":
		return orDash(role.Address)
	case role.Reason == names.ReasonPoolNotFound && role.Role != names.RoleControlPlane && role.Claim == "" &&
		role.Address == "":
		return orDash("")
	case role.Address != "" && role.Reason == names.ReasonReleasing:
		return text(role.Address)
	}
	return cell{"<" + role.Reason + ">", stateStyle(role.Reason)}
}

// RoleText returns what a list says of a role of a Cluster in a state: its address, or why it has none.
func RoleText(role *view.Role, state string) string { return roleCell(role, state).text }

// shortPool is the name of a pool without its kind.
func shortPool(pool string) string { return pool[strings.LastIndex(pool, "/")+1:] }

func add(list []string, entry string) []string {
	if entry == "" || slices.Contains(list, entry) {
		return list
	}
	return append(list, entry)
}

// Tone says how much attention a state or reason needs: "good", "bad", "wait", or "" if nobody has to act.
func Tone(state string) string {
	return map[style]string{green: "good", red: "bad", yellow: "wait", dim: ""}[stateStyle(state)]
}

// stateStyle returns the colour of a state or reason.
func stateStyle(state string) style {
	switch state {
	case view.StateReady, names.ReasonIPAddressAssigned, names.ReasonEndpointProvided:
		return green
	case names.ReasonAddressConflict, names.ReasonAddressInUse, names.ReasonClaimConflict, names.ReasonPoolExhausted,
		names.ReasonPoolNotFound,
		view.StateOperatorNotRunning:
		return red
	case view.StateNoTopology, view.StateFiltered, view.StateGone:
		return dim
	}
	return yellow
}
