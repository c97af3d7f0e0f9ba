package diagnostics_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/diagnostics"
	"github.com/gorizond/capi-vip-allocator/internal/hooks"
	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// quick is the timeout of servers under test: short for a test, but long enough for a well-behaved client on a busy
// machine.
const quick = time.Second

// target is one of the operator's servers, with a request that it answers.
type target struct {
	server *diagnostics.Server
	path   string
	method string
	// status is that of the answer to an anonymous request without a body.
	status int
}

// targets returns all servers of the operator, made as it makes them, with patience as their read and idle timeouts.
func targets(t *testing.T, patience time.Duration) map[string]target {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	bound := func(server *diagnostics.Server, err error) *diagnostics.Server {
		require.NoError(t, err)
		for name, limit := range map[string]time.Duration{
			"ReadHeaderTimeout": server.HTTP().ReadHeaderTimeout, "ReadTimeout": server.HTTP().ReadTimeout,
			"WriteTimeout": server.HTTP().WriteTimeout, "IdleTimeout": server.HTTP().IdleTimeout,
		} {
			require.Positive(t, limit, name)
		}
		server.HTTP().ReadHeaderTimeout, server.HTTP().ReadTimeout, server.HTTP().IdleTimeout = patience,
			patience, patience
		diagnostics.Serving(t, server)
		return server
	}
	answers := answer.Handler(answer.Config{
		Store: func() *state.Store { return nil }, Now: time.Now, Logger: logger,
		Metrics: telemetry.NewMetrics(prometheus.NewRegistry(), "", ""),
	})
	address := "127.0.0.1:0"
	metrics := diagnostics.Config{
		Address: address, Gatherer: diagnostics.Registry(), Logger: logger, Reviewers: diagnostics.FakeReviewers(),
	}
	open := metrics
	open.Insecure = true
	return map[string]target{
		"health": {
			bound(diagnostics.ListenHealth(t.Context(), address, diagnostics.NewHealth(logger), logger)), "/healthz",
			http.MethodGet, http.StatusOK,
		},
		"metrics": {
			bound(diagnostics.ListenMetrics(t.Context(), metrics)), "/metrics", http.MethodGet, http.StatusUnauthorized,
		},
		"metrics for anyone": {
			bound(diagnostics.ListenMetrics(t.Context(), open)), "/metrics", http.MethodGet, http.StatusOK,
		},
		"profiler": {
			bound(diagnostics.ListenProfiler(t.Context(), address, logger)), "/debug/pprof/cmdline", http.MethodGet,
			http.StatusOK,
		},
		"hooks": {
			bound(diagnostics.Listen(t.Context(), hooks.Spec(address, answers, diagnostics.SelfSigned(t), logger))),
			"/hooks.runtime.cluster.x-k8s.io/v1alpha1/discovery", http.MethodPost, http.StatusBadRequest,
		},
	}
}

// dial opens a connection to the server, without TLS.
func (s target) dial(t *testing.T) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.server.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() }) // it may already be closed
	require.NoError(t, connection.SetDeadline(time.Now().Add(30*time.Second)))
	return connection
}

// connect opens a connection to the server, with TLS if the server uses it.
func (s target) connect(t *testing.T) net.Conn {
	t.Helper()
	connection := s.dial(t)
	if s.server.HTTP().TLSConfig == nil {
		return connection
	}
	secure := tls.Client(connection, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, secure.HandshakeContext(t.Context()))
	return secure
}

// answers checks that a well-behaved client gets an answer.
func (s target) answers(t *testing.T) {
	t.Helper()
	assert.Equal(t, s.status, s.ask(t, s.connect(t), "Connection: close\r\n"))
}

// ask sends a request with additional headers and returns the status of the answer, or 0 if the connection is closed
// without one.
func (s target) ask(t *testing.T, connection net.Conn, headers string) int {
	t.Helper()
	_, err := fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", s.method, s.path, headers)
	if err != nil {
		return 0 // the server did not read to the end
	}
	return status(t, connection)
}

// status reads an answer to its end and returns its status, or 0 if the connection ends without one.
func status(t *testing.T, connection net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		requireEnd(t, err)
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body) // a server that has had enough may cut its answer short
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// requireEnd checks that a read failed because the server closed the connection, and not because it kept it open.
func requireEnd(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if errors.As(err, &timeout) {
		require.False(t, timeout.Timeout(), "the server keeps the connection")
	}
}

// closed waits until the server closes the connection, whatever it sends before.
func closed(t *testing.T, connection net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, connection)
	requireEnd(t, err)
}

func TestHostileClients(t *testing.T) {
	t.Parallel()
	for name, s := range targets(t, quick) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits most of the time
			t.Run("if a client does not begin, should end the connection", func(t *testing.T) {
				closed(t, s.dial(t))
			})
			t.Run("if a client dribbles its headers, should end the connection, "+
				"and answer others meanwhile", func(t *testing.T) {
				connection := s.connect(t)
				_, err := connection.Write([]byte(s.method + " " + s.path + " HTTP/1.1\r\nHost: local"))
				require.NoError(t, err)
				s.answers(t)
				closed(t, connection)
			})
			t.Run("if a client dribbles its body, should end the connection, "+
				"and answer others meanwhile", func(t *testing.T) {
				connection := s.connect(t)
				_, err := fmt.Fprintf(connection,
					"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", s.path)
				require.NoError(t, err)
				s.answers(t)
				closed(t, connection)
			})
			t.Run("if a client says nothing more, should end the connection", func(t *testing.T) {
				connection := s.connect(t)
				require.Equal(t, s.status, s.ask(t, connection, ""))
				closed(t, connection)
			})
			t.Run("if headers are too large, should say so or hang up", func(t *testing.T) {
				got := s.ask(t, s.connect(t), "X-Large: "+strings.Repeat("x", 1<<20)+"\r\n")
				assert.Contains(t, []int{0, http.StatusRequestHeaderFieldsTooLarge}, got)
			})
			t.Run("if a token is huge, should answer as to any other that is wrong", func(t *testing.T) {
				assert.Equal(t, s.status,
					s.ask(t, s.connect(t), "Authorization: Bearer "+strings.Repeat("x", 12<<10)+"\r\n"))
			})
			for what, request := range map[string]string{
				"no HTTP":             "\x00\x01\x02\x03\r\n\r\n",
				"HTTP/2":              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
				"two lengths":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
				"a length below zero": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
				"two hosts":           "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
				"no host":             "GET / HTTP/1.1\r\n\r\n",
			} {
				t.Run("if a request is "+what+", should refuse it", func(t *testing.T) {
					connection := s.connect(t)
					_, err := connection.Write([]byte(request))
					require.NoError(t, err)
					got := status(t, connection)
					assert.True(t, got == 0 || got >= 400 && got < 600, "%d", got)
				})
			}
		})
	}
}

// TestConnectionsThatAreHeld has more clients than a server allows hold one connection each, for longer than anyone
// waits.
func TestConnectionsThatAreHeld(t *testing.T) {
	for name, s := range targets(t, time.Hour) {
		request := s.method + " " + s.path + " HTTP/1.1\r\nHost: localhost\r\n"
		for what, hold := range map[string]func(*testing.T) net.Conn{
			"say nothing":            s.dial,
			"say nothing within TLS": s.connect,
			"hold back headers":      func(t *testing.T) net.Conn { return s.say(t, request) },
			"hold back a body": func(t *testing.T) net.Conn {
				return s.say(t, request+"Content-Length: 1000\r\n\r\n{")
			},
			"say nothing more": func(t *testing.T) net.Conn { return s.say(t, request+"\r\n") },
		} {
			t.Run(name+": if they "+what+", should answer others at once", func(t *testing.T) {
				for range diagnostics.MaxConnections + 20 {
					hold(t)
				}
				require.Eventually(t, func() bool {
					return s.ask(t, s.connect(t), "Connection: close\r\n") == s.status
				},
					20*time.Second, 10*time.Millisecond, "some of the others may be in work still")
				require.LessOrEqual(t, s.server.Connections(t), diagnostics.MaxConnections)
			})
		}
	}
}

// say opens a connection and sends the text.
func (s target) say(t *testing.T, text string) net.Conn {
	t.Helper()
	connection := s.connect(t)
	_, err := io.WriteString(connection, text)
	require.NoError(t, err)
	return connection
}

// A connection in use stays open, and a closed one takes no place.
func TestConnectionsInUseStay(t *testing.T) {
	s := targets(t, time.Hour)["metrics for anyone"]
	scraper := s.connect(t)
	for range 5 {
		for range diagnostics.MaxConnections / 2 {
			require.Equal(t, http.StatusOK, s.ask(t, s.connect(t), "")) // and stays
		}
		require.Equal(t, http.StatusOK, s.ask(t, scraper, ""))
	}
	other := targets(t, time.Hour)["metrics for anyone"]
	idle := other.connect(t)
	for range 2 * diagnostics.MaxConnections {
		require.Equal(t, http.StatusOK, other.ask(t, other.connect(t), "Connection: close\r\n"))
	}
	require.Equal(t, http.StatusOK, other.ask(t, idle, ""))
}

// TestProbesKeepNoConnection: the kubelet opens a new connection for each probe.
func TestProbesKeepNoConnection(t *testing.T) {
	s := targets(t, time.Minute)["health"]
	connection := s.connect(t)
	require.Equal(t, s.status, s.ask(t, connection, "Connection: keep-alive\r\n"))
	closed(t, connection)
}

// TestHookBodies covers the runtime hooks, the only server that reads bodies.
func TestHookBodies(t *testing.T) {
	s := targets(t, time.Minute)["hooks"]
	t.Run("if a body is larger than it may be, should say so at once", func(t *testing.T) {
		assert.Equal(t, http.StatusRequestEntityTooLarge, s.ask(t, s.connect(t), "Content-Length: 1000000000\r\n"))
	})
	t.Run("if a body never ends, should not wait for the end", func(t *testing.T) {
		connection := s.connect(t)
		_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
			s.path)
		require.NoError(t, err)
		sent := make(chan int)
		go func() {
			chunk, n := "100000\r\n"+strings.Repeat(" ", 1<<20)+"\r\n", 0
			for err := error(nil); err == nil && n < 100; n++ {
				_, err = io.WriteString(connection, chunk)
			}
			sent <- n
		}()
		assert.Equal(t, http.StatusRequestEntityTooLarge, status(t, connection))
		require.NoError(t, connection.Close())
		assert.Less(t, <-sent, 100)
	})
}

// Cluster API before 1.10.9, and 1.11 of that time, opens a connection for each hook call and leaks it.
func TestHooksOfClientsThatLeaveConnectionsBehind(t *testing.T) {
	server := targets(t, time.Minute)["hooks"]
	for range diagnostics.MaxConnections + 10 {
		require.Equal(t, server.status, server.ask(t, server.connect(t), ""))
	}
}
