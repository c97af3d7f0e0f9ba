package hooks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/certificate/certificatetest"
)

// With a client CA, the hooks answer only clients whose certificates it has signed. While it cannot be read, they
// answer nobody and log why.
func TestClientCAs(t *testing.T) {
	serving, err := certificate.Pair(certificatetest.Chain(t))
	require.NoError(t, err)
	own, other := clientCertificate(t), clientCertificate(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	var log bytes.Buffer
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = Spec("", nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return serving, nil },
		slog.New(slog.DiscardHandler)).TLS
	cas := &clientCAs{file: file, base: server.TLS.Clone(), logger: slog.New(slog.NewTextHandler(&log, nil))}
	server.TLS.GetConfigForClient = cas.config
	server.StartTLS()
	defer server.Close()
	call := func(certificate *tls.Certificate) error {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true,
			// Unlike Certificates, this is sent regardless of the CAs that the server names.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return certificate, nil
			},
		}}}
		response, err := client.Get(server.URL)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	trust := func(content []byte) { require.NoError(t, os.WriteFile(file, content, 0o600)) }
	inPEM := func(certificate *tls.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	}
	for range 3 {
		require.Error(t, call(own), "the file is not there")
	}
	trust([]byte("nothing"))
	require.Error(t, call(own), "it holds no certificate")
	assert.Equal(t, 2, strings.Count(log.String(), "--webhook-client-ca-file"), "each trouble once: %s", log.String())
	trust(inPEM(own))
	require.NoError(t, call(own), "it is read anew, and knows the client")
	require.Error(t, call(other), "a client of another CA")
	require.Error(t, call(&tls.Certificate{}), "a client without a certificate")
	trust(inPEM(other))
	require.NoError(t, call(other))
	require.Error(t, call(own), "a client whose CA is gone")
}

// clientCertificate returns a self-signed client certificate.
func clientCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
