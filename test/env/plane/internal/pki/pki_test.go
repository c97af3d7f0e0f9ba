package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, pair Pair) *x509.Certificate {
	t.Helper()
	_, err := tls.X509KeyPair(pair.Cert, pair.Key)
	require.NoError(t, err, "certificate and key belong together")
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func TestServer(t *testing.T) {
	authority, err := NewAuthority()
	require.NoError(t, err)
	pair, err := authority.Server("kubernetes")
	require.NoError(t, err)
	cert := parse(t, pair)
	for _, name := range []string{"127.0.0.1", "localhost", "kubernetes"} {
		_, err = cert.Verify(x509.VerifyOptions{DNSName: name, Roots: authority.Pool()})
		require.NoError(t, err)
	}
}

func TestClient(t *testing.T) {
	authority, err := NewAuthority()
	require.NoError(t, err)
	pair, err := authority.Client("someone", "one", "two")
	require.NoError(t, err)
	cert := parse(t, pair)
	require.Equal(t, "someone", cert.Subject.CommonName)
	require.ElementsMatch(t, []string{"one", "two"}, cert.Subject.Organization)
	_, err = cert.Verify(x509.VerifyOptions{
		Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	require.NoError(t, err)

	_, err = authority.Client(strings.Repeat("x", MaxCommonName))
	require.NoError(t, err)
	_, err = authority.Client(strings.Repeat("x", MaxCommonName+1))
	require.ErrorContains(t, err, "use a token")
	_, err = authority.Client("")
	require.Error(t, err)
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c"), filepath.Join(dir, "k")
	require.NoError(t, Pair{Cert: []byte("c"), Key: []byte("k")}.Write(cert, key))
	info, err := os.Stat(key)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
