package view_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// assigned adds an IPAddress of a claim for a Cluster.
func assigned(f *view.Facts, value, claim, cluster string) {
	f.Claims = append(f.Claims, view.ClaimFacts{
		Cluster: cluster, Claim: vip.Claim{Namespace: viptest.Namespace, Name: claim},
	})
	f.Addresses = append(f.Addresses, view.AddressFacts{
		Address: vip.Address{Namespace: viptest.Namespace, Name: claim, Claim: claim, Value: value},
	})
}

func carrier(f *view.Facts, name, host string, change ...func(*vip.Cluster)) {
	s := viptest.Snapshot(viptest.With(append(change, func(c *vip.Cluster) {
		c.Name, c.Endpoint.Host, c.Endpoint.Port = name, host, 6443
	})...))
	f.Snapshots = append(f.Snapshots, s)
}

func TestDuplicates(t *testing.T) {
	for name, test := range map[string]struct {
		facts func(*view.Facts)
		want  []string
	}{
		"if a Cluster carries what its claim was given, should be fine": {func(f *view.Facts) {
			assigned(f, "10.0.0.1", "vip-cp-a", "a")
			carrier(f, "a", "10.0.0.1", func(c *vip.Cluster) {
				c.VIPs = map[string]string{names.RoleControlPlane: "10.0.0.1"}
			})
		}, nil},
		"if someone reserved the address of a Cluster by a claim, should be fine": {func(f *view.Facts) {
			assigned(f, "10.0.0.1", "reserved", "")
			carrier(f, "a", "10.0.0.1")
		}, nil},
		"if hosts are names, should be fine": {
			func(f *view.Facts) { carrier(f, "a", "lb"); carrier(f, "b", "lb") }, nil,
		},
		"if two Clusters carry one address, should say so": {func(f *view.Facts) {
			carrier(f, "a", "10.0.0.1")
			carrier(f, "b", "10.0.0.1")
		}, []string{"10.0.0.1 is held by Cluster tenant/a and Cluster tenant/b"}},
		"if it is written in two ways, should say so": {func(f *view.Facts) {
			carrier(f, "a", "fd00::1")
			carrier(f, "b", "fd00:0::1")
		}, []string{"fd00::1 is held by Cluster tenant/a and Cluster tenant/b"}},
		"if one of them is released, should be fine": {func(f *view.Facts) {
			carrier(f, "a", "10.0.0.1", func(c *vip.Cluster) { c.Deleting, c.InUse = true, false })
			carrier(f, "b", "10.0.0.1")
		}, nil},
		"if two pools gave one address, should say so": {func(f *view.Facts) {
			assigned(f, "10.0.0.1", "vip-cp-a", "a")
			assigned(f, "10.0.0.1", "vip-ingress-a", "a")
		}, []string{"10.0.0.1 is held by IPAddress tenant/vip-cp-a and IPAddress tenant/vip-ingress-a"}},
		"if a Cluster carries what another's claim was given, should say so": {func(f *view.Facts) {
			assigned(f, "10.0.0.1", "vip-cp-a", "a")
			carrier(f, "b", "10.0.0.1")
		}, []string{"10.0.0.1 is held by Cluster tenant/b and IPAddress tenant/vip-cp-a"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &view.Facts{Now: viptest.Now}
			test.facts(f)
			report := view.Check(f, &view.Permissions{})
			var found []string
			for _, finding := range report.Findings {
				if finding.Check == "duplicate-address" {
					assert.Equal(t, view.SeverityError, finding.Severity)
					found = append(found, finding.Object+" "+finding.Message)
				}
			}
			assert.Equal(t, test.want, found)
		})
	}
}

// TestSameReport runs the checks on shuffled facts: the order in which objects were read must not matter.
func TestSameReport(t *testing.T) {
	f := &view.Facts{Now: viptest.Now}
	for _, host := range []string{"10.0.0.9", "10.0.0.10", "10.0.0.2"} {
		carrier(f, "a"+host, host)
		carrier(f, "b"+host, host)
	}
	var objects []string
	for _, finding := range view.Check(f, &view.Permissions{}).Findings {
		if finding.Check == "duplicate-address" {
			objects = append(objects, finding.Object)
		}
	}
	assert.Equal(t, []string{"10.0.0.2", "10.0.0.9", "10.0.0.10"}, objects)
}

func TestHoldsThatNobodyLetsGo(t *testing.T) {
	held := func(change func(*vip.Cluster), state string) view.Facts {
		held := viptest.Snapshot(viptest.With(func(c *vip.Cluster) {
			c.Pause, c.ControlPlane = vip.PauseOwn, "kubeadmcontrolplane/prod-x"
		}, change))
		return view.Facts{Operator: view.Operator{State: state}, Snapshots: []vip.Snapshot{held}}
	}
	none := func(*vip.Cluster) {}
	for name, tt := range map[string]struct {
		facts view.Facts
		do    string
	}{
		"if the operator runs, should say nothing": {held(none, view.OperatorRunning), ""},
		"if it does not, should say how to let go": {
			held(none, view.OperatorNotRunning), "kubectl patch cluster -n tenant prod",
		},
		"if the Cluster was deleted, should say how to let it go": {
			held(func(c *vip.Cluster) { c.Deleting = true }, view.OperatorRunning),
			"kubectl annotate -n tenant kubeadmcontrolplane/prod-x cluster.x-k8s.io/paused-",
		},
		"if a user paused it, should say nothing": {
			held(func(c *vip.Cluster) { c.Pause = vip.PauseForeign }, view.OperatorNotRunning), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := slices.DeleteFunc(view.Check(&tt.facts, &view.Permissions{}).Findings, func(f view.Finding) bool {
				return f.Check != "hold"
			})
			if tt.do == "" {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Contains(t, found[0].Do, tt.do)
		})
	}
}

func TestClaimPools(t *testing.T) {
	const group = "ipam.cluster.x-k8s.io"
	ref := vip.PoolRef{Group: group, Kind: "GlobalInClusterIPPool", Name: "p"}
	bound := func(pool vip.PoolRef) view.ClaimFacts {
		return view.ClaimFacts{Claim: vip.Claim{
			Namespace: viptest.Namespace, Name: "vip-cp-a", Role: names.RoleControlPlane, Pool: pool,
			Address: "vip-cp-a", Owner: &vip.Owner{Kind: "Other"},
		}}
	}
	for name, test := range map[string]struct {
		facts view.Facts
		want  string
	}{
		"if the pool is there, should be fine": {view.Facts{
			Claims: []view.ClaimFacts{bound(ref)}, Pools: []view.PoolFacts{{Pool: vip.Pool{Ref: ref}}},
		}, ""},
		"if the pool is being deleted, should say so": {view.Facts{
			Claims: []view.ClaimFacts{bound(ref)}, Pools: []view.PoolFacts{{Pool: vip.Pool{Ref: ref, Deleting: true}}},
		}, "which is being deleted"},
		"if the pool is gone, should say so": {
			view.Facts{Claims: []view.ClaimFacts{bound(ref)}}, "which does not exist",
		},
		"if one of that name is in another namespace, should say so": {view.Facts{
			Claims: []view.ClaimFacts{bound(ref)},
			Pools:  []view.PoolFacts{{Pool: vip.Pool{Ref: ref, Namespace: "other"}}},
		}, "which does not exist"},
		"if not everything could be read, should not guess": {
			view.Facts{Claims: []view.ClaimFacts{bound(ref)}, Limits: []string{"pools"}}, "",
		},
		"if the pool is another provider's, should not guess": {
			view.Facts{Claims: []view.ClaimFacts{bound(vip.PoolRef{Group: "example.com"})}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var found []string
			for _, finding := range view.Check(&test.facts, &view.Permissions{}).Findings {
				if finding.Check == "claim-pool" {
					found = append(found, finding.Message)
				}
			}
			if test.want == "" {
				assert.Empty(t, found)
				return
			}
			assert.Len(t, found, 1)
			assert.Contains(t, found[0], test.want)
		})
	}
}

func TestListOfReleased(t *testing.T) {
	var f view.Facts
	release := func(c *vip.Cluster) { c.Deleting, c.InUse, c.HasFinalizer, c.UID = true, false, false, "1" }
	carrier(&f, "old", "10.0.0.1", release)
	assert.Empty(t, view.List(&f, "")[0].Roles, "its VIP may be another's")

	f.Snapshots[0].Claims = []vip.Claim{{
		Namespace: viptest.Namespace, Name: "vip-cp-old", Role: names.RoleControlPlane,
		Owner: &vip.Owner{Kind: "Cluster", Name: "old", UID: "1"},
	}}
	assert.NotEmpty(t, view.List(&f, "")[0].Roles, "its claim holds the address")

	f.Snapshots[0].Claims, f.Snapshots[0].Cluster.InUse = nil, true
	assert.NotEmpty(t, view.List(&f, "")[0].Roles, "its machines may still answer")
}

// TestCheckOfWaiting: check reports a long wait, but not one that has just begun.
func TestCheckOfWaiting(t *testing.T) {
	for name, test := range map[string]struct {
		since time.Duration
		want  []string
	}{
		"if it waits for a moment, should say nothing": {time.Minute, nil},
		"if it waits for long, should say for how long": {
			10 * time.Minute, []string{"warning Cluster tenant/prod", "WaitingForIPAddress for 10m: "},
		},
		"if nothing says since when, should go by its age": {
			0, []string{"warning Cluster tenant/prod", "WaitingForIPAddress for 60m: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := viptest.Snapshot(viptest.WithPools(), viptest.WithClaim(names.RoleControlPlane, "cp"))
			if test.since > 0 {
				s.Cluster.Conditions = []vip.Condition{
					{Type: names.ConditionType(names.RoleControlPlane), Since: viptest.Ago(test.since)},
				}
			}
			var found []string
			for _, finding := range view.Check(&view.Facts{Now: viptest.Now, Snapshots: []vip.Snapshot{s}},
				&view.Permissions{}).Findings {
				if finding.Check == "cluster" && strings.Contains(finding.Message, names.RoleControlPlane) {
					found = append(found, string(finding.Severity)+" "+finding.Object, finding.Message)
				}
			}
			require.Len(t, found, len(test.want))
			for i, want := range test.want {
				assert.Contains(t, found[i], want)
			}
		})
	}
}
