// Package certificatetest has helpers for tests of TLS servers.
package certificatetest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
)

// Chain returns a certificate for localhost, as Renew makes it.
func Chain(t *testing.T) map[string][]byte {
	t.Helper()
	data, _, err := certificate.Renew(nil, "test", []string{"localhost"}, time.Now())
	require.NoError(t, err)
	return data
}

// Write writes a certificate into a directory, laid out like a mounted Secret.
func Write(t *testing.T, dir string, data map[string][]byte) {
	t.Helper()
	for name, content := range data {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// Connect connects to a server as a client that trusts the bundle, and returns the client's error.
func Connect(t *testing.T, address string, bundle []byte) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: time.Minute},
		Config:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"},
	}
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err == nil {
		err = connection.Close()
	}
	return err
}
