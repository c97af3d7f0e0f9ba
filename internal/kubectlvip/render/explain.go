package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// shownPools is how many pools a role shows without -o wide; those that matter come first.
const shownPools = 8

// Explain prints an explanation.
func Explain(out io.Writer, e *view.Explanation, o *Options) error {
	p := &printer{out: out, o: o}
	p.line("%s %s/%s  %s", o.paint("Cluster", bold), e.Namespace, e.Name, o.paint(e.State, stateStyle(e.State)))
	if e.Cause != "" {
		p.fold("  Cause: ", e.Cause)
	}
	p.fold("  ", e.Summary)
	for _, do := range e.Do {
		p.fold("  - ", do)
	}
	p.line("")
	class := e.Class
	if class == "" {
		class = "none"
	}
	p.line("  class     %s", class)
	endpoint := e.Endpoint
	if endpoint == "" {
		endpoint = "not set"
	}
	p.line("  endpoint  %s", endpoint)
	p.line("  age       %s", o.age(e.Created))
	p.fold("  operator  ", operatorLine(&e.Operator))
	for _, limit := range e.Limits {
		p.fold("  note      ", limit)
	}
	for i := range e.Roles {
		explainRole(p, &e.Roles[i])
	}
	for _, warning := range e.Warnings {
		p.line("")
		p.fold("Warning: ", warning)
	}
	p.line("")
	p.line("%s", o.paint("Next", bold))
	p.fold("  ", e.NextNote)
	for _, action := range e.Next {
		p.fold("  - ", action)
	}
	return p.err
}

// operatorLine says in one line what is known of the operator.
func operatorLine(operator *view.Operator) string {
	text := strings.ToLower(operator.State[:1]) + operator.State[1:]
	switch operator.State {
	case view.OperatorNotRunning:
		text = "not running"
	case view.OperatorUnknown:
		text = "unknown"
	}
	if operator.Version != "" {
		text += ", " + operator.Version
	}
	return text + ": " + operator.Says
}

func explainRole(p *printer, role *view.RoleExplanation) {
	o := p.o
	p.line("")
	title := o.paint(role.Role.Role, bold)
	address := role.Address
	if address == "" {
		address = "no address"
	}
	if role.Reason != "" {
		address += "  "
	}
	p.line("%s  %s%s", title, address, o.paint(role.Reason, stateStyle(role.Reason)))
	p.fold("  ", role.Means)
	brief := role.Idle && !o.Wide
	if role.Message != "" && !brief {
		p.fold("  why       ", role.Message)
	}
	if role.Holder != "" {
		p.fold("  holder    ", role.Holder)
	}
	for i, do := range role.Do {
		label := "            - "
		if i == 0 {
			label = "  do        - "
		}
		p.fold(label, do)
	}
	if c := role.ClaimState; c != nil && role.Claims == nil {
		p.fold("  claim     ", claimLine(c, o))
	}
	for i := range role.Claims {
		p.fold("  claim     ", claimLine(&role.Claims[i], o))
	}
	if c := role.Condition; c != nil {
		stale := ""
		if c.Outdated {
			stale = " (will change)"
		}
		p.fold("  condition ",
			fmt.Sprintf("%s=%s %s since %s%s", c.Type, truth(c.Status), c.Reason, o.age(c.Since), stale))
	}
	if role.Tier != "" && !brief {
		p.fold("  tier      ", role.Tier)
	}
	if !brief {
		explainPools(p, role.Pools)
	}
}

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func claimLine(c *view.ClaimState, o *Options) string {
	text := fmt.Sprintf("%s on %s, %s old", c.Name, c.Pool, o.age(c.Created))
	switch {
	case c.Owner == "":
		text += ", owned by nobody"
	case !strings.HasPrefix(c.Owner, "Cluster/"):
		text += ", owned by " + c.Owner
	}
	switch {
	case c.Deleting:
		text += ", being deleted"
	case c.Address != "":
		text += ", has " + c.Address
	case c.IPAddress != "":
		text += ", names IPAddress " + c.IPAddress + ", which does not exist"
	default:
		text += ", has no address yet"
	}
	if c.Says != "" {
		text += "; the provider says " + c.Says
	}
	return text
}

func explainPools(p *printer, pools []view.PoolVerdict) {
	if len(pools) == 0 {
		return
	}
	t := &table{header: []string{"", "", "", ""}}
	hidden := 0
	for i := range pools {
		pool := &pools[i]
		if !p.o.Wide && i >= shownPools && !pool.Matches {
			hidden++
			continue
		}
		t.rows = append(t.rows, verdictRow(pool))
	}
	o := *p.o
	o.NoHeaders = true
	for i, line := range t.lines(&o) {
		label := "            "
		if i == 0 {
			label = "  pools     "
		}
		p.line("%s%s", label, line)
	}
	if hidden > 0 {
		p.line("            and %d more that do not match (-o wide shows all)", hidden)
	}
}

// briefly names a pool as the list of pools does, without the kinds of the in-cluster provider.
func briefly(pool string) string {
	return strings.Replace(strings.TrimPrefix(pool, "GlobalInClusterIPPool/"), "/InClusterIPPool/", "/", 1)
}

func verdictRow(pool *view.PoolVerdict) []cell {
	look := dim
	switch {
	case pool.Chosen && (pool.Capacity == nil || pool.Capacity.Free > 0):
		look = green
	case pool.Matches:
		look = yellow
	}
	if pool.Claimed && !pool.Chosen {
		look = plain
	}
	room := ""
	if c := pool.Capacity; c != nil {
		room = fmt.Sprintf("%d of %d free", c.Free, c.Total)
	}
	var notes []string
	if pool.Claimed {
		notes = append(notes, "has the claim")
	}
	if pool.Less {
		notes = append(notes, "tier "+pool.Tier)
	}
	if pool.Priority != 0 {
		notes = append(notes, "priority "+strconv.Itoa(pool.Priority))
	}
	if pool.Paused {
		notes = append(notes, "paused")
	}
	if len(pool.Problems) > 0 {
		notes = append(notes, "has mistakes in its labels or annotations")
	}
	return []cell{text(briefly(pool.Pool)), {pool.Verdict, look}, text(room), text(strings.Join(notes, "; "))}
}
