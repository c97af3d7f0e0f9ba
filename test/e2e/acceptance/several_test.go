package acceptance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

const storage = "storage"

// several waits until a Cluster has the addresses of n claims for a role, in their order, and returns them.
func (s *scope) several(cluster, role string, n int) []string {
	s.t.Helper()
	var addresses []string
	for number := range n {
		addresses = append(addresses, s.bound(names.ClaimName(cluster, names.Slot(role, number+1))))
	}
	s.sees(cluster, annotation(role, strings.Join(addresses, ",")), condition(role, names.ReasonIPAddressAssigned))
	require.Len(s.t, slices.Compact(slices.Sorted(slices.Values(addresses))), n, "each address is there once")
	return addresses
}

// perCluster sets on a pool how many addresses a Cluster gets.
func (s *scope) perCluster(pool string, n int) {
	s.t.Helper()
	require.NoError(s.t, harness.Merge(s.t.Context(), s.Pools(""), pool,
		map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.PerCluster: strconv.Itoa(n)}}}))
}

// awaitFree waits until a pool has n free addresses.
func (s *scope) awaitFree(pool string, n int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d addresses of %s are free", n, pool), func() error {
		if capacity, _ := s.Capacity("", pool); capacity.Free != n {
			return fmt.Errorf("%d are", capacity.Free)
		}
		return nil
	})
}

func TestSeveralAddresses(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if a pool gives several, should write them in one, restore them, "+
		"and release them together", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(storage, 10, 19, annotated(names.PerCluster, "4"))
		s.cluster("one")
		s.cluster("one-2") // no claim of the other Cluster may get this name
		addresses := s.several("one", storage, 4)
		s.several("one-2", storage, 4)
		s.awaitFree(pool, 2)
		s.annotate("one", names.Annotation(storage), nil)
		s.sees("one", annotation(storage, strings.Join(addresses, ",")))
		s.annotate("one", names.Annotation(storage), addresses[0]+",10.0.0.99")
		s.sees("one", annotation(storage, strings.Join(addresses, ",")))
		s.delete("one")
		s.gone("one")
		s.awaitFree(pool, 6)
	})
	t.Run("if the number is raised, should add what is missing; "+
		"if it is lowered, should take nothing away", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(storage, 10, 19)
		s.cluster("one")
		first := s.several("one", storage, 1)
		s.perCluster(pool, 3)
		three := s.several("one", storage, 3)
		require.Equal(t, first[0], three[0], "what is there stays where it is")
		s.perCluster(pool, 1)
		s.cluster("two")
		s.several("two", storage, 1)
		s.several("one", storage, 3)
		require.NoError(t,
			harness.Delete(t.Context(), s.Claims(s.name), names.ClaimName("one", names.Slot(storage, 3))))
		s.sees("one", annotation(storage, strings.Join(three[:2], ",")),
			condition(storage, names.ReasonIPAddressAssigned))
	})
	t.Run("if there is no room for all of them, should take none, and all when there is", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(storage, 10, 11, annotated(names.PerCluster, "3"))
		s.cluster("one")
		s.sees("one", annotation(storage, ""), condition(storage, names.ReasonPoolExhausted))
		s.awaitFree(pool, 2)
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), pool, map[string]any{
			"spec": map[string]any{"addresses": []string{s.ips(10, 12)}},
		}))
		s.several("one", storage, 3)
	})
	t.Run("if one is in use, should write none of them until it is free", func(t *testing.T) {
		s := ordinary(t)
		s.pool(storage, 10, 12, annotated(names.PerCluster, "3"))
		s.cluster("other", func(c *harness.NewCluster) { c.Class, c.Host, c.Port = "", s.ip(11), 6443 })
		s.cluster("one")
		s.sees("one", annotation(storage, ""), condition(storage, names.ReasonAddressConflict))
		s.delete("other")
		s.gone("other")
		s.several("one", storage, 3)
	})
}
