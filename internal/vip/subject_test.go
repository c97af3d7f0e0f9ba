package vip_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// asks makes a pool ask for values of variables: path=value.
func asks(variables ...string) func(*vip.Pool) {
	return func(p *vip.Pool) {
		for _, variable := range variables {
			path, value, _ := strings.Cut(variable, "=")
			p.Variables = append(p.Variables, vip.Variable{Path: path, Value: value})
		}
	}
}

// has gives a Cluster a variable; an empty value stands for one that is too large to be kept.
func has(name, value string) func(*vip.Cluster) {
	return func(c *vip.Cluster) {
		if c.Variables == nil {
			c.Variables = map[string][]byte{}
		}
		c.Variables[name] = []byte(value)
	}
}

func TestVariablesThatPoolsAskFor(t *testing.T) {
	for name, test := range map[string]struct {
		asked, value string
		want         vip.Verdict
	}{
		"if the text is the same, should choose the pool": {"v=vlan-7", `"vlan-7"`, vip.VerdictChosen},
		"if the text differs, should not": {
			"v=vlan-7", `"vlan-8"`, vip.VerdictOtherVariables,
		},
		"if the text differs in upper case, should not": {
			"v=vlan-7", `"VLAN-7"`, vip.VerdictOtherVariables,
		},
		"if the text is escaped, should choose the pool": {
			"v=vlan-7", `"vlan\u002d7"`, vip.VerdictChosen,
		},
		"if the value has an equals sign, should choose the pool":     {"v=a=b", `"a=b"`, vip.VerdictChosen},
		"if the number is the same, should choose the pool":           {"v=7", `7`, vip.VerdictChosen},
		"if the number is written otherwise, should choose the pool":  {"v=7", `7.0`, vip.VerdictChosen},
		"if the number is written as asked, should choose the pool":   {"v=7.0", `7.0`, vip.VerdictChosen},
		"if the asked number is written otherwise, should choose it":  {"v=7.0", `7`, vip.VerdictChosen},
		"if the asked number ends in noughts, should choose the pool": {"v=1.10", `1.1`, vip.VerdictChosen},
		"if the asked number is a text that differs, should not":      {"v=7.0", `"7"`, vip.VerdictOtherVariables},
		"if the asked text is no JSON number, should not":             {"v=0x7", `7`, vip.VerdictOtherVariables},
		"if a large asked number differs in the last digit, should not": {
			"v=9007199254740993.0", `9007199254740992`, vip.VerdictOtherVariables,
		},
		"if the number has an exponent, should choose the pool":       {"v=700", `7e2`, vip.VerdictChosen},
		"if the number is a text of the same signs, should choose it": {"v=7", `"7"`, vip.VerdictChosen},
		"if the number differs, should not":                           {"v=7", `71`, vip.VerdictOtherVariables},
		"if a large number differs in the last digit, should not": {
			"v=9007199254740993", `9007199254740992`, vip.VerdictOtherVariables,
		},
		"if a large number is the same, should choose the pool": {
			"v=9007199254740993", `9007199254740993`, vip.VerdictChosen,
		},
		"if the number is beyond all bounds, should not": {
			"v=1", `1e999999999`, vip.VerdictOtherVariables,
		},
		"if the boolean is the same, should choose the pool": {"v=true", `true`, vip.VerdictChosen},
		"if the boolean differs, should not":                 {"v=true", `false`, vip.VerdictOtherVariables},
		"if the value is null, should not":                   {"v=null", `null`, vip.VerdictOtherVariables},
		"if the value is a list, should not":                 {"v=a", `["a"]`, vip.VerdictOtherVariables},
		"if the value is an object, should not": {
			"v=a", `{"a":"a"}`, vip.VerdictOtherVariables,
		},
		"if the value is no JSON, should not":        {"v=a", `"a`, vip.VerdictOtherVariables},
		"if something follows the value, should not": {"v=a", `"a" "b"`, vip.VerdictOtherVariables},
		"if the field is the same, should choose the pool": {
			"v.site.name=berlin", `{"site":{"name":"berlin"}}`, vip.VerdictChosen,
		},
		"if the field differs, should not": {
			"v.site.name=berlin", `{"site":{"name":"bonn"}}`, vip.VerdictOtherVariables,
		},
		"if the field is not there, should not": {
			"v.site.name=berlin", `{"site":{}}`, vip.VerdictOtherVariables,
		},
		"if the path leads through a text, should not": {
			"v.site.name=berlin", `{"site":"berlin"}`, vip.VerdictOtherVariables,
		},
		"if the path ends at an object, should not": {
			"v.site=berlin", `{"site":{"name":"berlin"}}`, vip.VerdictOtherVariables,
		},
		"if a list of an object was too long to be kept, should not": {
			"v.a=" + vip.Unreadable, `{"a":"` + vip.Unreadable + `"}`, vip.VerdictOtherVariables,
		},
		"if the value is too large to be kept, should not know":         {"v=a", ``, vip.VerdictUnknown},
		"if a field of what is too large is asked for, should not know": {"v.a=a", ``, vip.VerdictUnknown},
		"if the variable is not set, should not":                        {"w=a", `"a"`, vip.VerdictOtherVariables},
		"if all of two are the same, should choose the pool":            {"v=a,always=yes", `"a"`, vip.VerdictChosen},
		"if one of two differs, should not": {
			"v=a,always=no", `"a"`, vip.VerdictOtherVariables,
		},
		"if one differs and one is too large, should not": {
			"v=a,always=no", ``, vip.VerdictOtherVariables,
		},
		"if one is the same and one is too large, should not know": {"v=a,always=yes", ``, vip.VerdictUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := viptest.Cluster(has("v", test.value), has("always", `"yes"`))
			pools := []vip.Pool{cpPool("a", asks(strings.Split(test.asked, ",")...))}
			assert.Equal(t, []vip.Verdict{test.want}, vip.Explain(&cluster, pools, names.RoleControlPlane))
			assert.Equal(t, test.want == vip.VerdictChosen,
				vip.Choose(&cluster, pools, names.RoleControlPlane).Pool != nil)
		})
	}
}

// The message of a waiting Cluster says what the pool asks for, but not what the Cluster has.
func TestWaitingForVariables(t *testing.T) {
	const secret = "s3cr3t"
	secretive := has("network", `"`+secret+`"`)
	large := has("network", "")
	for name, test := range map[string]struct {
		pool    func(*vip.Pool)
		cluster func(*vip.Cluster)
		says    []string
	}{
		"if a pool asks for another value, should say for which": {
			asks("network=vlan-7"), secretive, []string{"GlobalInClusterIPPool/cp", "(network=vlan-7)", "set them"},
		},
		"if a value is too large, should say what to do": {
			asks("network=vlan-7"), large,
			[]string{"GlobalInClusterIPPool/cp", "too large", "(network=vlan-7)", names.Variables},
		},
		"if a pool names another Cluster, should say where to add it": {
			clusters(viptest.Namespace + "/other"), secretive,
			[]string{"GlobalInClusterIPPool/cp", "add tenant/prod", names.Clusters},
		},
	} {
		t.Run(name, func(t *testing.T) {
			waiting := vip.Decide(viptest.Snapshot(viptest.WithPool("cp", cp, test.pool), viptest.With(test.cluster)))
			assert.Empty(t, viptest.Brief(waiting))
			condition := viptest.Condition(waiting, cp)
			assert.Equal(t, names.ReasonPoolNotFound, condition.Reason)
			// The Cluster's claim on a pool that is not for it, as from before the pool was corrected.
			unserved := vip.Decide(viptest.Snapshot(viptest.WithPool("cp", cp, test.pool), viptest.With(test.cluster),
				viptest.WithBound(cp, "cp", "10.0.0.10")))
			refused := viptest.Condition(unserved, cp)
			assert.Equal(t, names.ReasonClaimConflict, refused.Reason)
			stray := vip.Decide(viptest.Snapshot(viptest.WithPool("cp", cp, test.pool), viptest.WithPool("other", cp),
				viptest.With(test.cluster), viptest.WithClaim(cp, "cp", func(c *vip.Claim) { c.Owner = nil })))
			for _, word := range test.says {
				assert.Contains(t, condition.Message, word)
			}
			for _, message := range []string{condition.Message, refused.Message, viptest.Condition(stray, cp).Message} {
				assert.NotContains(t, message, secret)
			}
			assert.Contains(t, refused.Message, "delete the claim")
		})
	}
	t.Run("if a Cluster is served, should keep it whatever the pool asks for", func(t *testing.T) {
		for _, pool := range []func(*vip.Pool){asks("network=vlan-7"), clusters("other/x")} {
			plan := vip.Decide(viptest.Snapshot(viptest.Served(), func(s *vip.Snapshot) {
				for i := range s.Pools {
					pool(&s.Pools[i])
				}
			}, viptest.With(large)))
			assert.Empty(t, viptest.Brief(plan))
			assert.False(t, plan.Status.Changed)
		}
	})
}
