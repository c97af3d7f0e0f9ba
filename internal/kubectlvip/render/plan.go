package render

import (
	"io"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Plan prints what would be allocated.
func Plan(out io.Writer, plans []view.ClusterPlan, o *Options) error {
	p := &printer{out: out, o: o}
	for i := range plans {
		if i > 0 {
			p.line("")
		}
		plan(p, &plans[i])
	}
	return p.err
}

func plan(p *printer, c *view.ClusterPlan) {
	what := "new"
	if c.Exists {
		what = "exists"
	}
	p.line("%s %s/%s  %s", p.o.paint("Cluster", bold), c.Namespace, c.Name, p.o.paint(what, dim))
	p.fold("  ", c.Summary)
	t := &table{header: []string{"ROLE", "ADDRESS", "POOL", "CLAIM", "STATE"}}
	var messages []string
	for _, role := range c.Roles {
		state := cell{role.Reason, stateStyle(role.Reason)}
		if role.Reason == names.ReasonPoolNotFound && role.Role != names.RoleControlPlane && role.Claim == "" {
			state.style = dim
		} else if !role.Ready && role.Reason == c.State {
			messages = append(messages, role.Role+": "+role.Message)
		}
		t.rows = append(t.rows, []cell{
			text(role.Role), orDash(role.Address), orDash(role.Pool), orDash(role.Claim), state,
		})
	}
	if len(t.rows) > 0 {
		p.line("")
		p.table(t, "  ")
	}
	for _, message := range messages {
		p.line("")
		p.fold("  ", message)
	}
	if len(c.Actions) > 0 {
		p.line("")
		p.line("  The operator would")
		for _, action := range c.Actions {
			p.fold("  - ", action)
		}
	}
}
