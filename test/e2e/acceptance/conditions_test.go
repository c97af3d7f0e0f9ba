package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// quiet is how long the operator reports nothing about a wait that may soon be over.
const quiet = 2 * time.Second

func TestConditions(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if no pool serves the class, should say so, after two seconds, and write nothing else", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonPoolNotFound), noCondition(ingress), held(false),
			endpoint("", 0))
		require.Contains(t, s.get("one").Condition(controlPlane).Message, names.ClusterClass+"="+s.name)
		s.hasEvent("one", "Warning PoolNotFound")
		s.handled()
		writes := s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "one" })
		require.Len(t, writes, 1)
		require.Equal(t, "status", writes[0].Subresource)
		s.notBefore(quiet, writes[0])
	})
	t.Run("if no pool serves the class and someone provides the endpoint, "+
		"should withdraw the condition", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonPoolNotFound))
		s.edit("one", map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "one.example.com", "port": 6443}},
		})
		s.sees("one", noCondition(controlPlane), noCondition(ingress), held(false), endpoint("one.example.com", 6443))
	})
	t.Run("if someone else set the host and a pool matches, should say so and leave it", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("one", func(c *harness.NewCluster) { c.Host, c.Port = "one.example.com", 7443 })
		s.sees("one", condition(controlPlane, names.ReasonEndpointProvided),
			condition(ingress, names.ReasonIPAddressAssigned),
			endpoint("one.example.com", 7443), annotation(controlPlane, ""), annotation(ingress, s.ip(20)))
		require.Nil(t, s.Claim(s.name, "vip-cp-one"))
	})
	t.Run("if the pool is full, should say so, and serve the Cluster when another one is deleted", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		cluster := s.sees("two", condition(controlPlane, names.ReasonPoolExhausted), endpoint("", 0), held(true))
		require.Contains(t, cluster.Condition(controlPlane).Message, pool)
		s.hasEvent("two", "Warning PoolExhausted")
		s.delete("one")
		s.sees("two", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 6443))
	})
	t.Run("if the pool is full, should serve the Cluster when the pool grows", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted))
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
			"spec": map[string]any{"addresses": []string{s.ips(10, 12)}},
		}))
		s.sees("two", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(11), 6443))
	})
	t.Run("if the pool is full, should move to another one that appears", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted))
		other := s.pool(controlPlane, 30, 39)
		s.sees("two", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(30), 6443))
		require.Equal(t, other, s.Claim(s.name, "vip-cp-two").Pool())
	})
	t.Run("if pools overlap, should give the address to one Cluster only, "+
		"and to the other when it is free", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 10)
		s.create(harness.NewClass{Namespace: s.name, Name: s.name + "-b"})
		overlapping := s.pool(controlPlane, 10, 10, func(p *harness.NewPool) {
			p.Name, p.Class = s.name+"-b", s.name+"-b"
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two", func(c *harness.NewCluster) { c.Class = s.name + "-b" })
		cluster := s.sees("two", condition(controlPlane, names.ReasonAddressConflict), endpoint("", 0),
			annotation(controlPlane, ""))
		require.Contains(t, cluster.Condition(controlPlane).Message, overlapping)
		require.Contains(t, cluster.Condition(controlPlane).Message, s.name+"/one")
		s.hasEvent("two", "Warning AddressConflict")
		s.delete("one")
		s.sees("two", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if an address was typed into another Cluster by hand, "+
		"should not write it until that one is gone", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("manual", func(c *harness.NewCluster) { c.Host, c.Port = s.ip(10), 6443 })
		s.pool(controlPlane, 10, 19)
		s.cluster("one")
		cluster := s.sees("one", condition(controlPlane, names.ReasonAddressConflict), endpoint("", 0))
		require.Contains(t, cluster.Condition(controlPlane).Message, s.name+"/manual")
		s.hasEvent("one", "Warning AddressConflict")
		s.delete("manual")
		s.sees("one", endpoint(s.ip(10), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if a claim of someone else is in the way, should wait until it is gone", func(t *testing.T) {
		s := ordinary(t)
		pool, _ := s.bothPools()
		owner := s.owner("someone")
		s.create(harness.NewClaim{Namespace: s.name, Name: "vip-cp-one", Pool: pool, Owner: owner})
		s.bound("vip-cp-one")
		s.cluster("one")
		cluster := s.sees("one", condition(controlPlane, names.ReasonClaimConflict),
			condition(ingress, names.ReasonIPAddressAssigned), endpoint("", 0))
		require.Contains(t, cluster.Condition(controlPlane).Message, "someone")
		s.hasEvent("one", "Warning ClaimConflict")
		require.Equal(t, types.UID(owner["uid"].(string)), s.Claim(s.name, "vip-cp-one").GetOwnerReferences()[0].UID)
		require.NoError(t, harness.Delete(t.Context(), s.Claims(s.name), "vip-cp-one"))
		s.served("one")
	})
	t.Run("if a claim in the way belongs to nobody and to a foreign pool, "+
		"should wait until the pool serves the class", func(t *testing.T) {
		s := ordinary(t)
		s.pool(ingress, 20, 29)
		foreign := s.pool(controlPlane, 30, 39, func(p *harness.NewPool) { p.Class = "" })
		s.pool(controlPlane, 10, 19)
		s.create(harness.NewClaim{Namespace: s.name, Name: "vip-cp-one", Pool: foreign})
		s.bound("vip-cp-one")
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonClaimConflict), endpoint("", 0))
		require.Empty(t, s.Claim(s.name, "vip-cp-one").GetOwnerReferences())
		s.serve(foreign, s.name)
		require.Equal(t, s.ip(30), s.served("one").Endpoint().Host)
	})
	t.Run("if the provider pauses the pool, should say after two seconds that it waits, "+
		"and go on when it goes on", func(t *testing.T) {
		s := ordinary(t)
		s.pool(ingress, 20, 29)
		pool := s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Annotations = map[string]string{names.Paused: ""}
		})
		s.cluster("one")
		cluster := s.sees("one", condition(controlPlane, names.ReasonWaitingForIPAddress), held(true), endpoint("", 0))
		require.Contains(t, cluster.Condition(controlPlane).Message, "vip-cp-one")
		s.hasEvent("one", "Warning WaitingForIPAddress")
		status := s.writes(0).Filter(func(e planeEntry) bool { return e.Subresource == "status" })
		require.NotEmpty(t, status)
		s.notBefore(quiet, status[0])
		s.unpause(pool)
		s.served("one")
	})
}

// notBefore checks that a request came at least some time after the creation of the test's first Cluster.
func (s *scope) notBefore(after time.Duration, entry planeEntry) {
	s.t.Helper()
	entries, err := s.Plane.Audit().Since(s.t.Context(), 0)
	require.NoError(s.t, err)
	creations := entries.Filter(func(e planeEntry) bool {
		return e.Namespace == s.name && e.Verb == "create" && e.Resource == "clusters"
	})
	require.NotEmpty(s.t, creations)
	require.GreaterOrEqual(s.t, entry.Time.Sub(creations[0].Time), after)
}

// unpause lets the provider serve a pool.
func (s *scope) unpause(pool string) {
	s.t.Helper()
	require.NoError(s.t, harness.Merge(s.t.Context(), s.Pools(""), pool,
		map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.Paused: nil}}}))
}
