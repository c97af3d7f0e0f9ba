package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With a CA of clients, the hooks answer those alone that it has signed, and nobody while it cannot be read.
func TestOnlyClientsOf(t *testing.T) {
	identity := httptest.NewTLSServer(nil) // for its certificate, which signs itself
	defer identity.Close()
	own := clientCertificate(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: identity.TLS.Certificates}
	server.TLS.GetConfigForClient = onlyClientsOf(file, server.TLS)
	server.StartTLS()
	defer server.Close()
	call := func(certificates ...tls.Certificate) error {
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		client := &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12},
		}}
		response, err := client.Get(server.URL)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	require.Error(t, call(own), "the file is not there")
	require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o600))
	require.Error(t, call(own), "it holds no certificate")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600))
	require.NoError(t, call(own), "it is read anew, and knows the client")
	require.Error(t, call(), "a client without a certificate")
}

// clientCertificate returns one of a client that signs itself.
func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
