package installers

import (
	"context"
	"fmt"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// team is a namespace with a class, a pool for each role and Clusters.
type team struct {
	*harness.World
	t    *testing.T
	name string
	ctx  context.Context //nolint:containedctx // it lives as long as one test
}

// newTeam creates a namespace with a class and its pools, which have addresses from 10.net.0.10 up.
func newTeam(t *testing.T, name string, net int) *team {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	o := &team{World: suite.world, t: t, name: name, ctx: ctx}
	require.NoError(t, o.CreateNamespace(ctx, name))
	require.NoError(t, o.Create(ctx, harness.NewClass{Namespace: name, Name: name},
		o.pool("cp", names.RoleControlPlane, net, 10), o.pool("in", names.RoleIngress, net, 20)))
	return o
}

func (o *team) pool(kind, role string, net, from int) harness.NewPool {
	return harness.NewPool{Name: o.name + "-" + kind, Class: o.name, Role: role, Addresses: []string{
		fmt.Sprintf("10.%d.0.%d-10.%d.0.%d", net, from, net, from+3),
	}}
}

// served creates a Cluster and waits until it has both VIPs and reports them.
func (o *team) served(name string) {
	o.t.Helper()
	require.NoError(o.t, o.Create(o.ctx, harness.NewCluster{Namespace: o.name, Name: name, Class: o.name}))
	o.hasVIPs(name)
}

func (o *team) hasVIPs(name string) {
	o.t.Helper()
	require.NoError(o.t, o.Await(o.ctx, func() error {
		cluster := o.Cluster(o.name, name)
		if cluster == nil || cluster.Endpoint().Host == "" || cluster.VIP(names.RoleIngress) == "" {
			return fmt.Errorf("Cluster %s/%s has no VIPs yet", o.name, name)
		}
		for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
			if condition := cluster.Condition(role); condition == nil || condition.Status != metav1.ConditionTrue {
				return fmt.Errorf("the condition of Cluster %s/%s for %s is %v", o.name, name, role, condition)
			}
		}
		return nil
	}))
}

// heals removes the ingress annotation and waits until it is back.
func (o *team) heals(name string) {
	o.t.Helper()
	patch := map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{names.Annotation(names.RoleIngress): nil}},
	}
	require.NoError(o.t, harness.Merge(o.ctx, o.Clusters(o.name), name, patch))
	o.hasVIPs(name)
}

// gone deletes a Cluster and waits until it has released its addresses.
func (o *team) gone(name string) {
	o.t.Helper()
	require.NoError(o.t, harness.Delete(o.ctx, o.Clusters(o.name), name))
	require.NoError(o.t, o.Await(o.ctx, func() error {
		if o.Cluster(o.name, name) != nil || len(o.ClaimsIn(o.name)) > 0 || len(o.AddressesIn(o.name)) > 0 {
			return fmt.Errorf("Cluster %s/%s is not gone, or holds addresses", o.name, name)
		}
		return nil
	}))
}

// works takes a Cluster from creation to deletion.
func works(t *testing.T, name string, net int) {
	t.Helper()
	o := newTeam(t, name, net)
	o.served("one")
	o.heals("one")
	o.gone("one")
}
