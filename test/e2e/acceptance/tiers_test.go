package acceptance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// annotated puts an annotation on a pool.
func annotated(key, value string) func(*harness.NewPool) {
	return func(p *harness.NewPool) {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		p.Annotations[key] = value
	}
}

// onNetwork gives a Cluster the class with a network, and values for its variables.
func (s *scope) onNetwork(network, site string) func(*harness.NewCluster) {
	return func(c *harness.NewCluster) {
		c.Class = s.name + "-net"
		c.Variables = map[string]any{"network": network, "site": map[string]any{"host": site}}
	}
}

// networks creates the class of onNetwork and returns what makes pools serve it. Its network is vlan-0 by default.
func (s *scope) networks() func(*harness.NewPool) {
	s.t.Helper()
	network := declared("network", "string")
	network["schema"] = map[string]any{"openAPIV3Schema": map[string]any{"type": "string", "default": "vlan-0"}}
	s.create(harness.NewClass{
		Namespace: s.name, Name: s.name + "-net", Variables: []any{network, object("site", "host", "port")},
	})
	return func(p *harness.NewPool) { p.Class = s.name + "-net" }
}

func TestTiers(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if pools ask for values of variables, should serve each Cluster from its network", func(t *testing.T) {
		s := ordinary(t)
		class := s.networks()
		s.pool(controlPlane, 10, 14, class, annotated(names.Variables, "network=vlan-7,site.host=berlin"))
		s.pool(controlPlane, 20, 24, class, annotated(names.Variables, "network=vlan-8"))
		s.pool(controlPlane, 30, 34, class, annotated(names.Variables, "network=vlan-0"))
		s.cluster("berlin", s.onNetwork("vlan-7", "berlin"))
		s.cluster("bonn", s.onNetwork("vlan-8", "bonn"))
		s.cluster("nowhere", s.onNetwork("vlan-7", "secret-site"))
		s.sees("berlin", endpoint(s.ip(10), 6443))
		s.sees("bonn", endpoint(s.ip(20), 6443))
		s.cluster("default", func(c *harness.NewCluster) { c.Class = s.name + "-net" })
		s.sees("default", endpoint(s.ip(30), 6443))
		waits := s.sees("nowhere", condition(controlPlane, names.ReasonPoolNotFound), endpoint("", 0))
		require.Contains(t, waits.Condition(controlPlane).Message, "asks for other values of variables")
		require.NotContains(t, waits.Condition(controlPlane).Message, "secret-site")
	})
	t.Run("if the more specific pool is full, should wait and not take what is for more", func(t *testing.T) {
		s := ordinary(t)
		class := s.networks()
		s.pool(controlPlane, 10, 10, class, annotated(names.Variables, "network=vlan-7"))
		forAll := s.pool(controlPlane, 20, 24, class)
		s.cluster("one", s.onNetwork("vlan-7", "berlin"))
		s.sees("one", endpoint(s.ip(10), 6443))
		s.cluster("two", s.onNetwork("vlan-7", "berlin"))
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted), endpoint("", 0))
		s.cluster("other", s.onNetwork("vlan-8", "berlin"))
		s.sees("other", endpoint(s.ip(20), 6443))
		s.used(forAll, 1)
	})
	t.Run("if an address is reserved, should give it to the Cluster of that name, "+
		"and again when it is made anew", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 20, 24)
		s.pool(controlPlane, 10, 10, annotated(names.Clusters, s.name+"/berlin"))
		s.cluster("first")
		s.cluster("berlin")
		s.sees("first", endpoint(s.ip(20), 6443))
		s.sees("berlin", endpoint(s.ip(10), 6443))
		s.delete("berlin")
		s.gone("berlin")
		s.cluster("second")
		s.sees("second", endpoint(s.ip(21), 6443))
		s.cluster("berlin")
		s.sees("berlin", endpoint(s.ip(10), 6443))
	})
	t.Run("if a pool is for any class, should serve all of them where nothing more specific does", func(t *testing.T) {
		s := ordinary(t)
		class := s.networks()
		// It must not serve another test's Clusters.
		s.pool(controlPlane, 10, 14, func(p *harness.NewPool) { p.Class = "*" }, annotated(names.Namespaces, s.name))
		s.cluster("one")
		s.cluster("two", s.onNetwork("vlan-7", "berlin"))
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.sees("two", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.pool(controlPlane, 20, 24, class)
		s.cluster("three", s.onNetwork("vlan-7", "berlin"))
		s.sees("three", endpoint(s.ip(20), 6443))
	})
	t.Run("if a pool is corrected, should serve whom it is for then, and leave whom it has served", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 14)
		s.cluster("old")
		s.sees("old", endpoint(s.ip(10), 6443))
		annotate := func(key string, value any) {
			require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
				"metadata": map[string]any{"annotations": map[string]any{key: value}},
			}))
		}
		annotate(names.Variables, "network: vlan-7")
		s.saysOn(pool, "serves nobody new", names.Variables, "write path=value")
		annotate(names.Variables, nil)
		annotate(names.Clusters, "berlin")
		s.saysOn(pool, "serves nobody new", names.Clusters, "write namespace/name")
		s.cluster("berlin")
		s.sees("berlin", condition(controlPlane, names.ReasonPoolNotFound))
		annotate(names.Clusters, s.name+"/berlin")
		s.sees("berlin", endpoint(s.ip(11), 6443))
		s.annotate("old", names.Annotation(controlPlane), nil)
		s.sees("old", annotation(controlPlane, s.ip(10)), endpoint(s.ip(10), 6443),
			condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if the Cluster's network names a port, should use it", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 14)
		s.cluster("one", func(c *harness.NewCluster) { c.APIServerPort = 9345 })
		cluster := s.sees("one", endpoint(s.ip(10), 9345), condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Contains(t, cluster.Condition(controlPlane).Message, "the port is 9345")
		s.cluster("two", func(c *harness.NewCluster) { c.APIServerPort, c.Port = 9345, 8443 })
		s.sees("two", endpoint(s.ip(11), 8443))
	})
}
