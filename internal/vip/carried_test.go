package vip_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// A VIP is first written to the variables of a Cluster, by itself. Templates may be rendered with it from then on, so
// its claim is no longer given up, whatever happens before the rest is written.
func TestAnAddressInVariablesIsCarried(t *testing.T) {
	elsewhere := viptest.WithPool("other", cp)
	moved := func(p *vip.Pool) { p.Roles = []string{"storage"}; p.HostVariable = "vip" }
	inVariable := viptest.With(held, values(map[string]string{"vip": `"10.0.0.10"`}), onHold(3, 2, true))
	inObject := viptest.With(held, values(map[string]string{"net": `{"mtu":1500,"vip":"10.0.0.10"}`}),
		onHold(3, 2, true))
	for name, given := range map[string][]viptest.Option{
		"if the pool serves the role no more, should keep the claim": {
			declares, viptest.WithPool("cp", cp, moved), elsewhere, bound, inVariable,
		},
		"if the pool was closed by a slip, should keep the claim": {
			declares, viptest.WithPool("cp", cp, into("vip", ""), func(p *vip.Pool) { p.Closed = true }), elsewhere,
			bound, inVariable,
		},
		"if the pool names the variable no more, should keep the claim": {
			declares, viptest.WithPool("cp", cp, func(p *vip.Pool) { p.Classes = nil }), elsewhere, bound, inVariable,
		},
		"if it stands in an object, should keep the claim": {
			declares, viptest.WithPool("cp", cp, moved), elsewhere, bound, inObject,
		},
		"if someone else sets the endpoint, should keep the claim": {
			declares, viptest.WithPool("cp", cp, into("vip", "")), bound, inVariable,
			viptest.With(host("10.0.9.9", 6443)),
		},
		"if someone types the address elsewhere, should keep it": {
			declares, viptest.WithPool("cp", cp, into("vip", "")), bound, inVariable,
			viptest.WithHolder("10.0.0.10", "late", vip.EndpointField),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := viptest.Snapshot(given...)
			plan := vip.Decide(s)
			for _, action := range plan.Actions {
				switch action.(type) {
				case vip.DeleteClaim, vip.ReplaceClaim:
					t.Errorf("%s", action)
				}
			}
			assert.Equal(t, s.Cluster.Endpoint.Host != "", slices.Contains(viptest.Brief(plan), "let go"))
		})
	}
}

func TestTheRemedyForAnotherEndpointThanTheVariables(t *testing.T) {
	s := viptest.Snapshot(declares, viptest.WithPool("cp", cp, into("vip", "")), bound,
		viptest.With(held, values(map[string]string{"vip": `"10.0.0.10"`}), host("10.0.9.9", 6443)))
	plan := vip.Decide(s)
	require.Equal(t, names.ReasonAddressConflict, plan.Status.Roles[0].Reason)
	require.Contains(t, plan.Status.Roles[0].Message, "10.0.0.10 from the variables")
	viptest.With(values(map[string]string{"vip": `""`}))(&s)
	assert.Contains(t, viptest.Brief(vip.Decide(s)), "delete vip-cp-prod")
}

func TestAnAddressInVariablesOfAnotherRole(t *testing.T) {
	s := viptest.Snapshot(declares, viptest.WithPool("cp", cp), viptest.WithPool("old", "storage", into("vip", "")),
		viptest.WithPool("web", ingress),
		viptest.WithBound(ingress, "old", "10.0.0.20"),
		viptest.With(held, values(map[string]string{"vip": `"10.0.0.20"`})))
	for _, action := range vip.Decide(s).Actions {
		if replace, ok := action.(vip.ReplaceClaim); ok && replace.Role == names.RoleIngress {
			t.Errorf("%s", action)
		}
	}
}
