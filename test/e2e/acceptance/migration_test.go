package acceptance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// earlierIngress is the annotation and label key under which operator v0.7 put the ingress VIP.
	earlierIngress = names.Domain + "/ingress-vip"
	// earlierOptOut is the annotation that opted a Cluster out of it.
	earlierOptOut = names.Domain + "/ingress-enabled"
	// earlierVariable is the variable that v0.7 wrote where the class declares it.
	earlierVariable = "clusterVip"
)

// TestMigration takes over a Cluster as the earlier operator v0.7 left it: its claims have an owner and the label of
// their role, and nothing else.
func TestMigration(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	s.bothPools()
	s.cluster("old")
	cluster := s.sees("old")
	owner := earlierOwner(cluster)
	for claim, role := range map[string]string{"vip-cp-old": controlPlane, "vip-ingress-old": ingress} {
		pool := s.name + "-" + role + map[string]string{controlPlane: "-10", ingress: "-20"}[role]
		s.create(harness.NewClaim{
			Namespace: s.name, Name: claim, Pool: pool, Owner: owner, Labels: map[string]string{names.Role: role},
		})
	}
	host, vip := s.bound("vip-cp-old"), s.bound("vip-ingress-old")
	claims := map[string]string{}
	for _, claim := range s.ClaimsIn(s.name) {
		claims[claim.GetName()] = string(claim.GetUID())
	}
	s.edit("old", map[string]any{
		"metadata": map[string]any{
			"annotations": map[string]any{earlierIngress: vip}, "labels": map[string]any{earlierIngress: vip},
		},
		"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": 6443}},
	})
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)

	t.Run("if v0.7 has served a Cluster, should keep its addresses and its claims", func(t *testing.T) {
		s := s.in(t)
		taken := s.served("old")
		require.Equal(t, harness.Endpoint{Host: host, Port: 6443}, taken.Endpoint())
		require.Equal(t, vip, taken.VIP(ingress))
		require.True(t, taken.HasFinalizer())
		require.Equal(t, vip, taken.GetAnnotations()[earlierIngress], "what others read stays")
		for _, claim := range s.ClaimsIn(s.name) {
			require.Equal(t, claims[claim.GetName()], string(claim.GetUID()), claim.GetName())
		}
	})
	t.Run("if the old annotation and label are removed, should not care", func(t *testing.T) {
		s := s.in(t)
		s.edit("old", map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{earlierIngress: nil}, "labels": map[string]any{earlierIngress: nil},
		}})
		s.handled()
		s.served("old")
	})
}

// earlierOwner returns the owner reference of a claim as v0.7 wrote it.
func earlierOwner(cluster *harness.Cluster) map[string]any {
	return map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "name": cluster.GetName(),
		"uid":        string(cluster.GetUID()),
		"controller": true, "blockOwnerDeletion": true,
	}
}

// earlierCluster is a Cluster as v0.7.1 left it.
type earlierCluster struct {
	class string
	// optedOut has no ingress VIP; byHook has a claim that the runtime extension made and that nobody has adopted;
	// half has a claim and no endpoint yet.
	optedOut, byHook, half bool
}

// TestMigrationOfClasses takes over what v0.7.1 left of two classes that share their pools by the label "true" and an
// annotation; one of them has the variable of v0.7, as docs/migration.md describes.
func TestMigrationOfClasses(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, nil)
	direct, legacy := s.name+"-direct", s.name+"-variable"
	s.create(harness.NewClass{Namespace: s.name, Name: direct}, harness.NewClass{
		Namespace: s.name, Name: legacy, Variables: []any{declared(earlierVariable, "string")},
		Patches: []any{harness.FromVariable(earlierVariable)},
	})
	both := func(p *harness.NewPool) { p.Class = direct + "," + legacy }
	s.pool(controlPlane, 10, 19, both, func(p *harness.NewPool) {
		p.Annotations = map[string]string{names.HostVariable: earlierVariable}
	})
	s.pool(ingress, 20, 29, both)
	clusters := map[string]earlierCluster{
		"direct": {class: direct}, "variable": {class: legacy}, "opted-out": {class: direct, optedOut: true},
		"by-hook": {class: legacy, byHook: true}, "half": {class: direct, half: true},
	}
	vips := map[string]string{}
	for name, earlier := range clusters {
		s.leaveAsEarlier(name, earlier)
		vips[name] = s.bound(names.ClaimName(name, controlPlane))
	}
	claims := s.claims()
	s.settled()
	mark := s.mark()
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)

	t.Run("if v0.7.1 has left Clusters, should keep their addresses and their claims", func(t *testing.T) {
		s := s.in(t)
		for name := range clusters {
			require.Equal(t, vips[name], s.served(name).Endpoint().Host, name)
			require.True(t, s.get(name).HasFinalizer(), name)
		}
		s.settled()
		now := s.claims()
		for name, uid := range claims {
			require.Equal(t, uid, now[name], name)
		}
		require.Len(t, now, len(claims)+2,
			"for the ingress of the Cluster that had opted out, and of that which was half done")
		require.Empty(t, s.get("opted-out").GetAnnotations()[earlierIngress])
		writes := s.changes(mark)
		t.Logf("%d writes for %d Clusters: %v", len(writes), len(clusters), writes.CountBy(plane.Entry.Request))
		// An owner at the currently served version for each claim, the new claims, and finalizer, annotations and
		// conditions.
		require.LessOrEqual(t, len(writes), len(claims)+2+5*len(clusters))
	})
	t.Run("if a class has the variable of v0.7, should keep its value, "+
		"and give it to new Clusters", func(t *testing.T) {
		s := s.in(t)
		s.sees("variable", variable(earlierVariable, vips["variable"]))
		s.cluster("new", func(c *harness.NewCluster) { c.Class = legacy })
		taken := s.served("new")
		s.sees("new", variable(earlierVariable, taken.Endpoint().Host))
	})
	stop(t, s.operator)
	s.settled()
	mark = s.mark()
	s.operator = runOperator(t, e, "--reconcile-period=2s")
	s.looks(s.operator, len(clusters))
	require.Empty(t, s.changes(mark), "writes of an operator that starts again")
	s.end()
}

// leaveAsEarlier creates a Cluster and leaves it as v0.7.1 would.
func (s *scope) leaveAsEarlier(name string, earlier earlierCluster) {
	s.t.Helper()
	s.cluster(name, func(c *harness.NewCluster) { c.Class = earlier.class })
	claim := func(role, pool string) string {
		made := harness.NewClaim{
			Namespace: s.name, Name: names.ClaimName(name, role), Pool: s.name + "-" + pool,
			Labels: map[string]string{names.Role: role},
			Owner:  earlierOwner(s.sees(name)),
		}
		if earlier.byHook && role == controlPlane {
			made.Owner, made.Labels[names.ClusterName] = nil, name
		}
		s.create(made)
		return s.bound(made.Name)
	}
	host := claim(controlPlane, "control-plane-10")
	if earlier.half {
		return
	}
	metadata := map[string]any{"annotations": map[string]any{earlierOptOut: "false"}}
	if !earlier.optedOut {
		vip := claim(ingress, "ingress-20")
		metadata = map[string]any{
			"annotations": map[string]any{earlierIngress: vip}, "labels": map[string]any{earlierIngress: vip},
		}
	}
	spec := map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": 6443}}
	if strings.HasSuffix(earlier.class, "-variable") {
		spec["topology"] = map[string]any{"variables": []any{map[string]any{"name": earlierVariable, "value": host}}}
	}
	s.edit(name, map[string]any{"metadata": metadata, "spec": spec})
}

// claims returns the UIDs of all claims by name.
func (s *scope) claims() map[string]types.UID {
	found := map[string]types.UID{}
	for _, claim := range s.ClaimsIn(s.name) {
		found[claim.GetName()] = claim.GetUID()
	}
	return found
}
