package acceptance

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// portOf returns a port of an address on this machine that refuses connections, and a function that makes it drop
// them.
func portOf(t *testing.T, address string) (port int, drop func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: netip.MustParseAddr(address).As4()}))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	port = name.(*syscall.SockaddrInet4).Port
	return port, func() {
		require.NoError(t, syscall.Listen(fd, 0)) // nobody accepts connections, so the queue is soon full
		for {
			conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", address, port), time.Second)
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel() // after the disruptive tests
	// probed creates a pool of one address on this machine, with a probe on a port of it.
	probed := func(s *scope) (pool, address string, drop func()) {
		address = strings.Replace(s.ip(10), "10.", "127.", 1)
		port, drop := portOf(s.t, address)
		pool = s.pool(controlPlane, 10, 10, annotated(names.Probe, strconv.Itoa(port)), func(p *harness.NewPool) {
			p.Addresses = []string{address}
		})
		return pool, address, drop
	}
	t.Run("if nobody answers, should write the address", func(t *testing.T) {
		s := ordinary(t)
		_, address, drop := probed(s)
		drop()
		s.cluster("one")
		s.sees("one", endpoint(address, 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if someone answers, should keep the claim and write the address when nobody does", func(t *testing.T) {
		s := ordinary(t)
		pool, address, drop := probed(s)
		s.cluster("one")
		cluster := s.sees("one", condition(controlPlane, names.ReasonAddressInUse), endpoint("", 0))
		require.Contains(t, cluster.Condition(controlPlane).Message, address)
		require.Contains(t, s.hasEvent("one", "Warning "+names.ReasonAddressInUse).Message,
			"excludedAddresses of GlobalInClusterIPPool/"+pool)
		require.NotNil(t, s.Claim(s.name, names.ClaimName("one", controlPlane)))
		s.used(pool, 1)
		drop()
		s.sees("one", endpoint(address, 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if the claim is deleted and the address excluded, as the message says, "+
		"should take the next", func(t *testing.T) {
		s := ordinary(t)
		loopback := func(host int) string { return strings.Replace(s.ip(host), "10.", "127.", 1) }
		port, drop := portOf(t, loopback(11))
		drop() // nobody answers there; the address before it refuses the connection
		pool := s.pool(controlPlane, 10, 11, annotated(names.Probe, strconv.Itoa(port)), func(p *harness.NewPool) {
			p.Addresses = []string{loopback(10), loopback(11)}
		})
		s.cluster("one")
		s.says("one", names.ReasonAddressInUse, "delete claim vip-cp-one and add "+loopback(10)+" to excludedAddresses")
		s.deleteClaim("vip-cp-one")
		s.says("one", names.ReasonAddressInUse,
			"still offers it; add it to excludedAddresses there, and a new claim follows")
		s.exclude(pool, loopback(10))
		s.sees("one", endpoint(loopback(11), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if the Cluster has the address already, should heal it without a look", func(t *testing.T) {
		s := ordinary(t)
		_, address, drop := probed(s)
		drop()
		s.cluster("one")
		s.sees("one", endpoint(address, 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		require.NoError(t, harness.Merge(t.Context(), s.Pools(""), s.pools[0].name, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{names.Probe: "1"}}, // refuses connections
		}))
		s.annotate("one", names.Annotation(controlPlane), nil)
		s.sees("one", annotation(controlPlane, address), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
}
