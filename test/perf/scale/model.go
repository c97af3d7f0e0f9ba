package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

const (
	// modelTenant names the model's namespace and class, and prefixes its pools.
	modelTenant = "scale-model-tenant"
	// modelCluster is the Cluster that is really served.
	modelCluster = "scale-model-cluster"
	// quietWindow is how long nobody may write before the plane counts as settled.
	quietWindow = 3 * time.Second
)

// model is a Cluster that was really served, ready to be copied.
type model struct {
	class, cluster      template
	claims, addresses   map[string]template // by role
	clusterUID          string
	record              string            // the annotation that names the claims
	values              map[string]string // the addresses, by role
	claimUIDs, poolUIDs map[string]string // by role
}

func roles() []string { return []string{names.RoleControlPlane, names.RoleIngress} }

func poolName(tenant, role string) string { return tenant + "-" + role }

// serveModel has one Cluster served and takes the result as the model of all others.
func (g *rig) serveModel(ctx context.Context) error {
	g.say("serving the model")
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	namespace := fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", modelTenant)
	if _, err := plane.ApplyYAML(ctx, g.plane.Config(), namespace); err != nil {
		return err
	}
	pool := func(role, addresses string) harness.NewPool {
		return harness.NewPool{
			Name: poolName(modelTenant, role), Class: modelTenant, Role: role,
			Addresses: []string{addresses}, Prefix: 16,
		}
	}
	err := g.create(ctx, harness.NewClass{Namespace: modelTenant, Name: modelTenant},
		// No address may be part of another text.
		pool(names.RoleControlPlane, "172.31.100.100-172.31.127.254"),
		pool(names.RoleIngress, "172.31.200.100-172.31.250.254"))
	if err != nil {
		return err
	}
	operator, _, err := g.start(ctx, g.options.reconcile)
	if err != nil {
		return err
	}
	if err := g.serve(ctx, modelCluster); err != nil {
		return errors.Join(err, operator.Kill())
	}
	g.served++
	if err := measure.Quiet(ctx, g.plane, quietWindow); err != nil {
		return errors.Join(err, operator.Kill())
	}
	if g.model, err = g.readModel(ctx); err != nil {
		return errors.Join(err, operator.Kill())
	}
	return operator.Kill()
}

// serve creates a Cluster in the model's namespace and waits until the operator and Cluster API report that they are
// done.
func (g *rig) serve(ctx context.Context, name string) error {
	if err := g.create(ctx, harness.NewCluster{Namespace: modelTenant, Name: name, Class: modelTenant}); err != nil {
		return err
	}
	err := plane.Eventually(ctx, func(ctx context.Context) error {
		object, err := g.client.Resource(clusters).Namespace(modelTenant).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		cluster := &harness.Cluster{Unstructured: object}
		for _, role := range roles() {
			if condition := cluster.Condition(role); condition == nil || condition.Status != metav1.ConditionTrue {
				return fmt.Errorf("the %s VIP is not there", role)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cluster %s is not served: %w", name, err)
	}
	return nil
}

// readModel reads the model's objects.
func (g *rig) readModel(ctx context.Context) (*model, error) {
	m := &model{
		claims: map[string]template{}, addresses: map[string]template{},
		values: map[string]string{}, claimUIDs: map[string]string{}, poolUIDs: map[string]string{},
	}
	class, err := g.client.Resource(classes).Namespace(modelTenant).Get(ctx, modelTenant, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	cluster, err := g.client.Resource(clusters).Namespace(modelTenant).Get(ctx, modelCluster, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	m.clusterUID, m.record = string(cluster.GetUID()), cluster.GetAnnotations()[names.Claims]
	if m.class, err = newTemplate(classes, class); err != nil {
		return nil, err
	}
	if m.cluster, err = newTemplate(clusters, cluster); err != nil {
		return nil, err
	}
	for _, role := range roles() {
		if err := g.readRole(ctx, m, role); err != nil {
			return nil, fmt.Errorf("read the model: %w", err)
		}
	}
	return m, nil
}

func (g *rig) readRole(ctx context.Context, m *model, role string) error {
	name := names.ClaimName(modelCluster, role)
	claim, err := g.client.Resource(claims).Namespace(modelTenant).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	address, err := g.client.Resource(addresses).Namespace(modelTenant).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	pool, err := g.client.Resource(pools).Get(ctx, poolName(modelTenant, role), metav1.GetOptions{})
	if err != nil {
		return err
	}
	m.claimUIDs[role], m.poolUIDs[role] = string(claim.GetUID()), string(pool.GetUID())
	m.values[role], _, _ = unstructured.NestedString(address.Object, "spec", "address")
	if m.claims[role], err = newTemplate(claims, claim); err != nil {
		return err
	}
	m.addresses[role], err = newTemplate(addresses, address)
	return err
}
