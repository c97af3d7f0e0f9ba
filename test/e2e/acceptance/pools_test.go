package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// example applies a file of examples/pools as it is, except that each of the given texts, which end in the name of a
// class or namespace, names the test's instead. What follows a bar in them stays.
func (s *scope) example(file string, named ...string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "pools", file))
	require.NoError(s.t, err)
	content := string(text)
	for _, name := range named {
		name, stays, _ := strings.Cut(name, "|")
		require.Contains(s.t, content, name+stays+"\n")
		key, _, _ := strings.Cut(name, ": ")
		content = strings.ReplaceAll(content, name+stays+"\n", key+": "+s.name+stays+"\n")
	}
	applied, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(), content)
	require.NoError(s.t, err)
	for _, object := range applied {
		if !strings.HasSuffix(object.GetKind(), "IPPool") {
			continue
		}
		s.pools = append(s.pools, poolKey{object.GetNamespace(), object.GetName()})
		s.eventually("pool "+object.GetName()+" reports its capacity", func() error {
			if _, known := s.Capacity(object.GetNamespace(), object.GetName()); !known {
				return harness.ErrNotYet
			}
			return nil
		})
	}
}

// TestPoolExamples applies every file of examples/pools, as docs/pools.md promises.
func TestPoolExamples(t *testing.T) {
	t.Parallel() // after the disruptive tests
	examples := map[string]func(t *testing.T, s *scope){
		"per-class.yaml": func(_ *testing.T, s *scope) {
			s.example("per-class.yaml", "cluster-class: metal")
			s.cluster("one")
			s.sees("one", endpoint("10.20.0.10", 6443), annotation(ingress, "10.20.0.100"))
		},
		"shared.yaml": func(_ *testing.T, s *scope) {
			s.example("shared.yaml", "cluster-class: small, large, platform/edge")
			s.cluster("one")
			s.served("one")
		},
		"per-tenant.yaml": func(_ *testing.T, s *scope) {
			s.example("per-tenant.yaml", "cluster-class: tenant", "namespace: red", "name: red",
				"namespaces: blue, green")
			s.cluster("one") // here both pools serve its namespace, and its own comes first
			s.sees("one", endpoint("10.40.1.10", 6443))
		},
		"overflow.yaml": func(_ *testing.T, s *scope) {
			s.example("overflow.yaml", "cluster-class: rack")
			for i, want := range []string{"10.50.0.10", "10.50.0.11", "10.50.1.10"} {
				name := string(rune('a' + i))
				s.cluster(name)
				s.sees(name, endpoint(want, 6443))
			}
		},
		"per-network.yaml": func(_ *testing.T, s *scope) {
			s.networks()
			s.example("per-network.yaml", "cluster-class: edge|-net")
			s.cluster("one", s.onNetwork("vlan-8", "berlin"))
			s.cluster("two", s.onNetwork("vlan-7", "berlin"))
			s.cluster("three", s.onNetwork("vlan-9", "berlin"))
			s.sees("one", endpoint("10.91.8.10", 6443))
			s.sees("two", endpoint("10.91.7.10", 6443))
			s.sees("three", endpoint("", 0), condition(controlPlane, names.ReasonPoolNotFound))
		},
		"reservation.yaml": func(_ *testing.T, s *scope) {
			s.example("reservation.yaml", "cluster-class: vault", "clusters: team-a|/berlin")
			for _, name := range []string{"one", "berlin"} {
				s.cluster(name)
			}
			s.sees("one", endpoint("10.92.0.10", 6443))
			s.sees("berlin", endpoint("10.92.0.50", 6443))
			s.delete("berlin")
			s.gone("berlin")
			s.cluster("berlin")
			s.sees("berlin", endpoint("10.92.0.50", 6443))
		},
		"any-class.yaml": func(_ *testing.T, s *scope) {
			s.networks()
			s.example("any-class.yaml", "namespaces: sandbox")
			s.cluster("one")
			s.cluster("two", s.onNetwork("vlan-8", "berlin"))
			s.served("one")
			s.served("two")
		},
		"several-addresses.yaml": func(_ *testing.T, s *scope) {
			s.example("several-addresses.yaml", "cluster-class: farm")
			s.cluster("one")
			s.sees("one", endpoint("10.94.0.10", 6443), condition("load-balancer", names.ReasonIPAddressAssigned))
			s.several("one", "load-balancer", 4)
		},
		"public-and-internal-ingress.yaml": func(_ *testing.T, s *scope) {
			s.example("public-and-internal-ingress.yaml", "cluster-class: web")
			s.cluster("one")
			s.sees("one", annotation(ingress, "203.0.113.10"), annotation("ingress-internal", "10.60.0.10"),
				condition("ingress-internal", names.ReasonIPAddressAssigned))
		},
		"dual-stack.yaml": func(t *testing.T, s *scope) {
			s.example("dual-stack.yaml", "cluster-class: dual")
			s.cluster("one")
			cluster := s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned),
				condition("ingress-v6", names.ReasonIPAddressAssigned))
			require.Contains(t, cluster.Endpoint().Host, "10.70.0.")
			require.Equal(t, "2001:db8:70::10", cluster.VIP("ingress-v6"))
		},
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "examples", "pools", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, len(examples), "every example is tried")
	for file, try := range examples {
		t.Run("if "+file+" is applied, should give Clusters what it says", func(t *testing.T) { try(t, ordinary(t)) })
	}
}

func TestPoolTrouble(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if a hand-made endpoint lies in a pool's range, "+
		"should warn before the pool hands it out", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19)
		s.cluster("by-hand", func(c *harness.NewCluster) { c.Host, c.Port = s.ip(12), 6443 })
		event := s.hasEvent("by-hand", "Warning "+names.EventEndpointInPoolRange)
		require.Contains(t, event.Message, pool)
		require.Contains(t, event.Message, "excludedAddresses")
		require.Contains(t, s.get("by-hand").Condition(controlPlane).Message, "excludedAddresses")
	})
	t.Run("if the address is excluded, should have nothing to warn of", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Excluded = []string{s.ip(12)} })
		s.cluster("by-hand", func(c *harness.NewCluster) { c.Host, c.Port = s.ip(12), 6443 })
		cluster := s.sees("by-hand", condition(controlPlane, names.ReasonEndpointProvided))
		require.NotContains(t, cluster.Condition(controlPlane).Message, "excludedAddresses")
	})
	t.Run("if the ClusterClass does not exist, should say that, "+
		"and serve the Cluster when it does", func(t *testing.T) {
		s := ordinary(t)
		late := s.name + "-late"
		s.cluster("one", func(c *harness.NewCluster) { c.Class = late })
		waits := s.sees("one", condition(controlPlane, names.ReasonPoolNotFound))
		require.Contains(t, waits.Condition(controlPlane).Message, "ClusterClass "+s.name+"/"+late+" does not exist")
		s.create(harness.NewClass{Namespace: s.name, Name: late})
		s.sees("one", func(c *harness.Cluster) error {
			if message := c.Condition(controlPlane).Message; !strings.Contains(message, "put the labels") {
				return errors.New(message)
			}
			return nil
		})
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = late })
		s.sees("one", endpoint(s.ip(10), 6443))
	})
	t.Run("if a role cannot be one, should say so on the pool and go on with the others", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane+",Not A Role,ingres", 10, 19, func(p *harness.NewPool) {
			p.Name = s.name + "-roles"
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443))
		s.saysOn(pool, "Not A Role", `role "ingres" is too near to ingress`)
		s.handled()
		require.Nil(t, s.Claim(s.name, names.ClaimName("one", "ingres")))
	})
	t.Run("if a key is misspelled, should serve nobody new and go on with those that are served", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19)
		annotate := func(values map[string]any) {
			require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
				"metadata": map[string]any{"annotations": values},
			}))
		}
		s.cluster("old")
		s.sees("old", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		wrong := names.Domain + "/namespace"
		annotate(map[string]any{wrong: "elsewhere"})
		s.saysOn(pool, "serves nobody new", wrong, "did you mean namespaces?")

		s.cluster("new")
		cluster := s.sees("new", condition(controlPlane, names.ReasonPoolNotFound))
		require.Contains(t, cluster.Condition(controlPlane).Message, pool)
		require.Nil(t, s.Claim(s.name, names.ClaimName("new", controlPlane)))
		s.annotate("old", names.Annotation(controlPlane), nil)
		s.sees("old", annotation(controlPlane, s.ip(10)), endpoint(s.ip(10), 6443),
			condition(controlPlane, names.ReasonIPAddressAssigned))

		annotate(map[string]any{wrong: nil, names.Namespaces: s.name})
		s.sees("new", endpoint(s.ip(11), 6443))
	})
	t.Run("if a role or a class is nearly another one, should say so on the pool", func(t *testing.T) {
		s := ordinary(t)
		s.pool("storage", 10, 14)
		pool := s.pool("storge", 15, 19)
		s.saysOn(pool, "storge is nearly the role storage")
		s.create(harness.NewClass{Namespace: s.name, Name: s.name + "-bare-metal"})
		class := s.pool("disks", 20, 24, func(p *harness.NewPool) { p.Class = s.name + "-bare-metl" })
		s.saysOn(class, "there is no ClusterClass "+s.name+"-bare-metl; did you mean "+s.name+"-bare-metal?")
	})
	t.Run("if a Cluster is made again within the grace period of its addresses, "+
		"should wait and not take the dying claim", func(t *testing.T) {
		s := ordinary(t)
		if s.Plane.Stack() == plane.StackOldest {
			return // its provider has no grace period
		}
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Spec = map[string]any{"addressReuseGracePeriodSeconds": int64(5)}
		})
		s.cluster("one")
		first := s.sees("one", endpoint(s.ip(10), 6443))
		dying := s.Claim(s.name, "vip-cp-one").GetUID()
		s.delete("one")
		s.gone("one")
		require.NotNil(t, s.Claim(s.name, "vip-cp-one"), "the Cluster does not wait for the grace period")
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonWaitingForIPAddress))
		again := s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		require.NotEqual(t, first.GetUID(), again.GetUID())
		require.NotEqual(t, dying, s.Claim(s.name, "vip-cp-one").GetUID())
	})
}

// saysOn waits for an event on a global pool that reports a wrong configuration and contains all of the words.
func (s *scope) saysOn(pool string, words ...string) {
	s.t.Helper()
	s.eventually("the event on the pool", func() error {
		events, err := s.GlobalPoolEvents(s.t.Context(), pool)
		if err != nil {
			return err
		}
		var said []string
		for _, event := range events {
			said = append(said, event.Message)
			lacks := func(word string) bool { return !strings.Contains(event.Message, word) }
			if event.Reason == names.EventInvalidPoolConfiguration && !slices.ContainsFunc(words, lacks) {
				return nil
			}
		}
		return fmt.Errorf("the events say %q", said)
	})
}
