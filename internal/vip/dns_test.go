package vip_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// named switches DNS names on.
func named(s *vip.Snapshot) {
	s.DNS.Served = true
	s.Settings.DNS = vip.DNSSettings{BaseDomain: "example.com", Names: map[string]string{
		cp: "api.{cluster}.{baseDomain}", ingress: "*.{cluster}.{namespace}.{baseDomain}",
	}}
}

func recorded(records ...vip.Record) viptest.Option {
	return func(s *vip.Snapshot) { s.DNS.Exists, s.DNS.Records = true, records }
}

// nameHeld makes another Cluster, older by the given duration, hold a name.
func nameHeld(name string, older time.Duration) viptest.Option {
	return func(s *vip.Snapshot) {
		s.DNS.Holders = append(s.DNS.Holders, vip.Holder{
			Name: name, Created: s.Cluster.Created.Add(-older), UID: "other",
		})
	}
}

// uid changes the UID of the Cluster and the owner of its claims.
func uid(uid types.UID) viptest.Option {
	return func(s *vip.Snapshot) {
		s.Cluster.UID = uid
		for i := range s.Claims {
			s.Claims[i].Owner.UID = uid
		}
	}
}

func TestDNS(t *testing.T) {
	wildcard, api := vip.Record{Name: "*.prod.tenant.example.com", Type: "A", Target: "10.0.0.20"},
		vip.Record{Name: "api.prod.example.com", Type: "A", Target: "10.0.0.10"}
	both := "records [{*.prod.tenant.example.com A 10.0.0.20} {api.prod.example.com A 10.0.0.10}]"
	tests := map[string]struct {
		given []viptest.Option
		want  []string
		// message is part of the control plane's condition.
		message string
	}{
		"if names are off, should write none": {given: []viptest.Option{viptest.Served()}},
		"if the kind is not served, should write none": {
			given: []viptest.Option{viptest.Served(), named, func(s *vip.Snapshot) { s.DNS.Served = false }},
		},
		"if the Cluster is served, should name its VIPs": {
			given: []viptest.Option{viptest.Served(), named}, want: []string{both},
		},
		"if the names are there, should write nothing": {
			given: []viptest.Option{viptest.Served(), named, recorded(wildcard, api)},
		},
		"if one name is wrong, should write them anew": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, vip.Record{Name: api.Name, Type: "A", Target: "10.9.9.9"}),
			},
			want: []string{both},
		},
		"if the VIP is IPv6, should write an AAAA record": {
			given: []viptest.Option{
				viptest.WithPool("cp", cp), viptest.WithBound(cp, "cp", "fd00::10"), viptest.Carry, named,
			},
			want: []string{"records [{api.prod.example.com AAAA fd00::10}]"},
		},
		"if a role has several addresses, should name all of them": {
			given: []viptest.Option{
				viptest.WithPool(lb, ingress, each(2)), viptest.WithBound(ingress, lb, "10.0.0.20"),
				viptest.WithBound("ingress.2", lb, "10.0.0.9", func(c *vip.Claim) { c.Role = ingress }),
				viptest.Carry, named,
			},
			want: []string{"records [{*.prod.tenant.example.com A 10.0.0.20} {*.prod.tenant.example.com A 10.0.0.9}]"},
		},
		"if a role has no pattern, should leave it out": {
			given: []viptest.Option{
				viptest.Served(), named, func(s *vip.Snapshot) { delete(s.Settings.DNS.Names, ingress) },
			},
			want: []string{"records [{api.prod.example.com A 10.0.0.10}]"},
		},
		"if the endpoint is not ours, should not name it": {
			given: []viptest.Option{viptest.WithPools(), named, viptest.With(host("10.0.0.99", 6443))},
			want:  []string{"create vip-ingress-prod from web"},
		},
		"if a claim was lost, should keep the name": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), func(s *vip.Snapshot) { s.Claims = s.Claims[1:] },
			},
			want: []string{"create vip-cp-prod from cp"},
		},
		"if an annotation is restored, should keep the name": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), viptest.With(func(c *vip.Cluster) {
					delete(c.VIPs, ingress)
				}),
			},
			want: []string{"restore ingress=10.0.0.20"},
		},
		"if an annotation is changed by hand, should keep the name": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), viptest.With(func(c *vip.Cluster) {
					c.VIPs[ingress] = "10.9.9.9"
				}),
			},
			want: []string{"restore ingress=10.0.0.20"},
		},
		"if the claim was lost and the annotation with it, should keep the name of the endpoint": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), viptest.With(func(c *vip.Cluster) {
					delete(c.VIPs, cp)
				}),
				func(s *vip.Snapshot) { s.Claims = s.Claims[1:] },
			},
			want: []string{"create vip-cp-prod from cp", "restore control-plane=10.0.0.10"},
		},
		"if the Cluster carries none, should withdraw all": {
			given: []viptest.Option{named, recorded(api)}, want: []string{"records away"},
		},
		"if the object is someone else's, should leave it and say so": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(api), func(s *vip.Snapshot) { s.DNS.Foreign = true },
			},
			message: "belongs to someone else",
		},
		"if nobody owns the object any more, should take it over": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), func(s *vip.Snapshot) { s.DNS.Orphaned = true },
			},
			want: []string{both},
		},
		"if the object names its owner at another version than the one in use, should write it anew": {
			given: []viptest.Option{viptest.Served(), named, recorded(wildcard,
				api), inUse(v1beta2), func(s *vip.Snapshot) { s.DNS.OwnerVersion = v1beta1 }}, want: []string{both},
		},
		"if the object names its owner at the version in use, should write nothing": {
			given: []viptest.Option{viptest.Served(), named, recorded(wildcard,
				api), inUse(v1beta2), func(s *vip.Snapshot) { s.DNS.OwnerVersion = v1beta2 }}, want: []string{},
		},
		"if nobody owns the object any more and the Cluster carries no VIP, should withdraw it": {
			given: []viptest.Option{named, recorded(), func(s *vip.Snapshot) { s.DNS.Orphaned = true }},
			want:  []string{"records away"},
		},
		"if the name is too long, should say so": {
			given: []viptest.Option{viptest.Served(), named, func(s *vip.Snapshot) {
				s.Settings.DNS.Names = map[string]string{cp: strings.Repeat("x", 60) + "{cluster}.{baseDomain}"}
			}},
			message: "no DNS name",
		},
		"if the name is too long in all, should say so": {
			given: []viptest.Option{viptest.Served(), named, func(s *vip.Snapshot) {
				s.Settings.DNS.Names = map[string]string{
					cp: strings.Repeat("xxxxxxxxx.", 25) + "{cluster}.{baseDomain}",
				}
			}},
			message: "longer than 253",
		},
		"if an older Cluster holds the name, should leave it and say so": {
			given:   []viptest.Option{viptest.Served(), named, nameHeld("api.prod.example.com", time.Second)},
			want:    []string{"records [{*.prod.tenant.example.com A 10.0.0.20}]"},
			message: "api.prod.example.com collides with a name of an older Cluster",
		},
		"if an older Cluster gets to hold a name that is there, should give it up": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), nameHeld("api.prod.example.com", time.Second),
			},
			want:    []string{"records [{*.prod.tenant.example.com A 10.0.0.20}]"},
			message: "it gets the name when that one goes",
		},
		"if an older Cluster holds a wildcard above the name, should leave it": {
			given: []viptest.Option{viptest.Served(), named, nameHeld("*.example.com", time.Second)}, want: []string{},
			message: "no DNS name",
		},
		"if an older Cluster holds a name below the wildcard, should leave it": {
			given: []viptest.Option{viptest.Served(), named, nameHeld("a.b.prod.tenant.example.com", time.Second)},
			want:  []string{"records [{api.prod.example.com A 10.0.0.10}]"},
		},
		"if an older Cluster holds the domain of the wildcard, should write it": {
			given: []viptest.Option{viptest.Served(), named, nameHeld("prod.tenant.example.com", time.Second)},
			want:  []string{both},
		},
		"if an older Cluster holds other names, should write them": {
			given: []viptest.Option{
				viptest.Served(), named, nameHeld("xapi.prod.example.com", time.Second),
				nameHeld("*.api.prod.example.com", time.Second), nameHeld("*.x.tenant.example.com", time.Second),
			},
			want: []string{both},
		},
		"if a younger Cluster holds the name, should write it": {
			given: []viptest.Option{viptest.Served(), named, nameHeld("api.prod.example.com", -time.Second)},
			want:  []string{both},
		},
		"if a Cluster of that second has the name and a lower UID, should leave it": {
			given: []viptest.Option{viptest.Served(), uid("z"), named, nameHeld("api.prod.example.com", 0)},
			want:  []string{"records [{*.prod.tenant.example.com A 10.0.0.20}]"},
		},
		"if a Cluster of that second has the name and a higher UID, should write it": {
			given: []viptest.Option{viptest.Served(), uid("a"), named, nameHeld("api.prod.example.com", 0)},
			want:  []string{both},
		},
		"if Cluster API is done with a deleted Cluster, should withdraw the names before the addresses go back": {
			given: []viptest.Option{
				viptest.Served(), named, recorded(wildcard, api), viptest.With(func(c *vip.Cluster) {
					c.Deleting, c.InUse = true, false
				}),
			},
			want: []string{"records away", "delete vip-cp-prod", "delete vip-ingress-prod"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			plan := vip.Decide(viptest.Snapshot(tt.given...))
			assert.Equal(t, append([]string{}, tt.want...), viptest.Brief(plan))
			if tt.message != "" {
				assert.Contains(t, viptest.Condition(plan, cp).Message, tt.message)
			}
		})
	}
}

// "www.prod" would lie below the wildcard of a Cluster "prod".
func TestDNSNameOfClusterWithDot(t *testing.T) {
	settings := vip.DNSSettings{BaseDomain: "example.com", Names: map[string]string{cp: "{cluster}.{baseDomain}"}}
	name, err := settings.Name(cp, &vip.Cluster{Namespace: "tenant", Name: "www.prod"})
	assert.Empty(t, name)
	assert.ErrorContains(t, err, "has a dot")
}

func TestNameThatIsTakenIsTriedAgain(t *testing.T) {
	given := []viptest.Option{viptest.Served(), named}
	assert.False(t, vip.Decide(viptest.Snapshot(given...)).Status.Waiting)
	plan := vip.Decide(viptest.Snapshot(append(given, nameHeld("api.prod.example.com", time.Second))...))
	assert.True(t, plan.Status.Waiting)
	assert.True(t, viptest.Condition(plan, cp).True, "the VIP is there")
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a.example.com", "a.example.com", true},
		{"a.example.com", "b.example.com", false},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "a.notexample.com", false},
		{"*.a.example.com", "*.b.example.com", false},
		{"b.example.com", "a.b.example.com", false},
	} {
		assert.Equal(t, tt.want, vip.Overlap(tt.a, tt.b), "%s and %s", tt.a, tt.b)
		assert.Equal(t, tt.want, vip.Overlap(tt.b, tt.a), "%s and %s", tt.b, tt.a)
	}
}
