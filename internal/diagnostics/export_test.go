package diagnostics

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// Helpers for the tests of all servers, which are outside the package because the hooks' server imports it.

// MaxConnections is how many connections a server keeps.
const MaxConnections = maxConnections

// HTTP returns the underlying http.Server.
func (s *Server) HTTP() *http.Server { return s.http }

// Connections returns how many connections the server keeps now.
func (s *Server) Connections(t *testing.T) int {
	t.Helper()
	crowd, ok := s.listener.(*crowd)
	require.True(t, ok)
	crowd.lock.Lock()
	defer crowd.lock.Unlock()
	return crowd.members.Len()
}

// Serving runs a server until the test ends.
func Serving(t *testing.T, server *Server) {
	t.Helper()
	serving(t, server)
}

// Registry returns a registry with one metric.
func Registry() *prometheus.Registry { return registry() }

// FakeReviewers know two tokens, one of which may read metrics.
func FakeReviewers() Reviewers { return newFakeAPI().reviewers() }

// SelfSigned returns the GetCertificate of a self-signed certificate.
func SelfSigned(t *testing.T) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	t.Helper()
	own, err := newSelfSigned(time.Now)
	require.NoError(t, err)
	return own.get
}
