package probe

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// short is long enough for any answer from this machine.
const short = 300 * time.Millisecond

// timeoutFor returns short where nobody answers, and otherwise more than a busy machine needs.
func timeoutFor(want Result) time.Duration {
	if want == Free {
		return short
	}
	return 20 * time.Second
}

var loopback = netip.MustParseAddr("127.0.0.1")

// listen accepts connections on a port of an address.
func listen(t *testing.T, addr netip.Addr) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// refuse returns a port on which nobody listens or can listen, because it is bound.
func refuse(t *testing.T) uint16 {
	t.Helper()
	_, port := bound(t)
	return port
}

// silent returns a port that drops new connections, because its backlog is full.
func silent(t *testing.T) uint16 {
	t.Helper()
	fd, port := bound(t)
	require.NoError(t, syscall.Listen(fd, 0))
	for {
		dialer := net.Dialer{Timeout: short}
		conn, err := dialer.DialContext(t.Context(), "tcp", netip.AddrPortFrom(loopback, port).String())
		if err != nil {
			return port
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

func bound(t *testing.T) (fd int, port uint16) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()}))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return fd, uint16(name.(*syscall.SockaddrInet4).Port)
}

func TestTryOnLoopback(t *testing.T) {
	accepts, refuses, drops := listen(t, loopback), refuse(t), silent(t)
	for name, test := range map[string]struct {
		ports []uint16
		want  Result
	}{
		"if a connection is accepted, someone is there":        {[]uint16{accepts}, InUse},
		"if a connection is refused, someone is there as well": {[]uint16{refuses}, InUse},
		"if nobody answers, the address is free":               {[]uint16{drops}, Free},
		"if one of several ports answers, someone is there":    {[]uint16{drops, accepts}, InUse},
	} {
		t.Run(name, func(t *testing.T) {
			result, why := Try(t.Context(), timeoutFor(test.want), loopback, test.ports)
			assert.Equal(t, test.want, result)
			assert.Empty(t, why)
		})
	}
	t.Run("if the work is cut off, nothing is known", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		result, why := Try(ctx, short, loopback, []uint16{drops})
		assert.Equal(t, Unknown, result)
		assert.NotEmpty(t, why)
	})
}

func TestJudge(t *testing.T) {
	for errno, want := range map[syscall.Errno]Result{
		syscall.ECONNREFUSED: InUse, syscall.ECONNRESET: InUse,
		syscall.EHOSTUNREACH: Free, syscall.EHOSTDOWN: Free, syscall.ETIMEDOUT: Free,
		syscall.ENETUNREACH: Unknown, syscall.EACCES: Unknown, syscall.EPERM: Unknown, syscall.EMFILE: Unknown,
		syscall.EADDRNOTAVAIL: Unknown,
	} {
		result, why := judge(&net.OpError{Op: "dial", Err: errno})
		assert.Equal(t, want, result, "%s", errno)
		if want == Unknown {
			assert.Equal(t, errno.Error(), why)
		}
	}
}

// The prober never exceeds its limit, callers do not wait, and namespaces take turns.
func TestProberIsBoundedAndFair(t *testing.T) {
	drops := silent(t)
	const limit = 2
	p := New(t.Context(), short, limit)
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	begin := time.Now()
	ask := func(namespace string, times int) {
		for range times {
			all.Add(1)
			p.Ask(namespace, loopback, []uint16{drops}, func(result Result, _ string) {
				defer all.Done()
				assert.Equal(t, Free, result)
				p.mu.Lock()
				assert.LessOrEqual(t, p.running, limit)
				p.mu.Unlock()
				mu.Lock()
				defer mu.Unlock()
				order = append(order, namespace)
			})
		}
	}
	ask("many", 8)
	ask("few", 1)
	assert.Less(t, time.Since(begin), short, "whoever asks does not wait")
	all.Wait()
	assert.GreaterOrEqual(t, time.Since(begin), 4*short, "nine in pairs")
	assert.Len(t, order, 9)
	assert.Less(t, slices.Index(order, "few"), 5, "%v", order)
	assert.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.running == 0
	}, 5*time.Second, time.Millisecond, "nobody is left working")
}

func TestProberEndsWithItsContext(t *testing.T) {
	drops := silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := New(ctx, time.Hour, 1)
	for range 3 {
		p.Ask("a", loopback, []uint16{drops}, func(Result, string) { t.Error("nobody is told") })
	}
	cancel()
	assert.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.running == 0
	}, 5*time.Second, time.Millisecond)
}
