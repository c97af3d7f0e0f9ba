package acceptance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// TestTenants covers two tenants, red and blue, whose Clusters have one class: neither gets an address of the other,
// whatever a tenant can do in its own namespace.
func TestTenants(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if pools are for red, should give blue none of their addresses", func(t *testing.T) {
		red, blue := ordinary(t), tenant(t)
		blueCluster := func(name string) { blue.cluster(name, ofClass(red)) }
		forRed := red.pool(controlPlane, 10, 11, local(red))
		onlyRed := red.pool(ingress, 20, 29, func(p *harness.NewPool) {
			p.Annotations = map[string]string{names.Namespaces: red.name}
		})
		red.cluster("one")
		red.sees("one", endpoint(red.ip(10), 6443), annotation(ingress, red.ip(20)))

		blueCluster("one")
		blue.sees("one", condition(controlPlane, names.ReasonPoolNotFound), endpoint("", 0))
		blue.handled()
		require.Empty(t, blue.ClaimsIn(blue.name))

		// Claims that blue creates itself do not become its Clusters': neither one on red's global pool, whose
		// provider serves anyone, nor one that names red's local pool, which does not exist in blue's namespace.
		blue.create(
			harness.NewClaim{Namespace: blue.name, Name: "vip-ingress-two", Pool: onlyRed},
			harness.NewClaim{Namespace: blue.name, Name: "vip-cp-two", Pool: forRed, Namespaced: true})
		blue.bound("vip-ingress-two")
		// Blue needs a pool that serves it at all.
		blue.pool("storage", 30, 39, local(blue), func(p *harness.NewPool) { p.Class = red.name })
		blueCluster("two")
		blue.sees("two", condition("storage", names.ReasonIPAddressAssigned), annotation(ingress, ""), endpoint("", 0))
		blue.handled()
		require.Empty(t, blue.Claim(blue.name, "vip-ingress-two").GetOwnerReferences(), "it is not adopted")
		require.Empty(t, blue.Claim(blue.name, "vip-cp-two").GetOwnerReferences(), "it is not adopted")

		// A pool of the same name in blue's namespace is another pool.
		blue.pool(controlPlane, 40, 49, local(blue), func(p *harness.NewPool) { p.Name, p.Class = forRed, red.name })
		require.Contains(t,
			blue.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned)).Endpoint().Host, blue.ip(4))
		red.cluster("two")
		red.sees("two", endpoint(red.ip(11), 6443))
	})
	t.Run("if red's own pool is full, should let red wait and not take what is for all", func(t *testing.T) {
		red, blue := ordinary(t), tenant(t)
		red.pool(controlPlane, 10, 10, local(red))
		forAll := red.pool(controlPlane, 20, 29)
		red.cluster("one")
		red.sees("one", endpoint(red.ip(10), 6443))
		red.cluster("two")
		red.sees("two", condition(controlPlane, names.ReasonPoolExhausted), endpoint("", 0))
		blue.cluster("one", ofClass(red))
		blue.sees("one", endpoint(red.ip(20), 6443))
		red.used(forAll, 1)
	})
	t.Run("if blue claims to have red's address, should leave red what it has", func(t *testing.T) {
		red, blue := ordinary(t), tenant(t)
		red.bothPools()
		red.cluster("one")
		before := red.served("one")
		blue.cluster("thief", ofClass(red), func(c *harness.NewCluster) {
			c.Host, c.Port = before.Endpoint().Host, 6443
			c.Annotations = map[string]string{harness.Unguarded: "", names.Annotation(ingress): before.VIP(ingress)}
		})
		blue.sees("thief", condition(ingress, names.ReasonIPAddressAssigned), annotation(ingress, red.ip(21)))
		red.annotate("one", names.Annotation(ingress), nil)
		red.sees("one", annotation(ingress, before.VIP(ingress)),
			condition(controlPlane, names.ReasonIPAddressAssigned), condition(ingress, names.ReasonIPAddressAssigned))
		require.Equal(t, before.Endpoint(), red.get("one").Endpoint())
	})
}

// tenant makes another scope for the same test.
func tenant(t *testing.T) *scope {
	t.Helper()
	e := onPlane(t)
	return newScope(t, e, sharedOperator(t, e))
}

// ofClass gives a Cluster the class of another scope.
func ofClass(s *scope) func(*harness.NewCluster) {
	return func(c *harness.NewCluster) { c.Class, c.ClassNamespace = s.name, s.name }
}

// local puts a pool into the namespace of a scope.
func local(s *scope) func(*harness.NewPool) {
	return func(p *harness.NewPool) { p.Namespace = s.name }
}
