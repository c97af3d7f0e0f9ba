package diagnostics

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// What the tests of all servers need: they stand outside of the package, since the hooks' server builds on it.

// MaxConnections is how many connections a server keeps.
const MaxConnections = maxConnections

// HTTP is the server below.
func (s *Server) HTTP() *http.Server { return s.http }

// Connections is how many connections the server keeps now.
func (s *Server) Connections(t *testing.T) int {
	t.Helper()
	crowd, ok := s.listener.(*crowd)
	require.True(t, ok)
	crowd.lock.Lock()
	defer crowd.lock.Unlock()
	return crowd.members.Len()
}

// Serving runs a server until the test is over.
func Serving(t *testing.T, server *Server) {
	t.Helper()
	serving(t, server)
}

// Registry has a metric.
func Registry() *prometheus.Registry { return registry() }

// FakeReviewers know two tokens, one of which may read metrics.
func FakeReviewers() Reviewers { return newFakeAPI().reviewers() }

// SelfSigned is a certificate of the server's own making.
func SelfSigned(t *testing.T) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	t.Helper()
	own, err := newSelfSigned(time.Now)
	require.NoError(t, err)
	return own.get
}
