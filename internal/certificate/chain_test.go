package certificate_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
)

const day = 24 * time.Hour

var (
	start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	hosts = []string{"hooks.vip.svc", "127.0.0.1", "::1"}
)

func renew(t *testing.T, data map[string][]byte, now time.Time) (map[string][]byte, bool) {
	t.Helper()
	renewed, changed, err := certificate.Renew(data, "test", hosts, now)
	require.NoError(t, err)
	return renewed, changed
}

// verify checks a server's certificate as a client would.
func verify(t *testing.T, server, client map[string][]byte, now time.Time) {
	t.Helper()
	pair, err := certificate.Pair(server)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(client[certificate.BundleKey]))
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: hosts[0], CurrentTime: now})
	require.NoError(t, err, "at %s, certificate from %s", now, pair.Leaf.NotBefore)
}

func TestRenewOverTheYears(t *testing.T) {
	data, changed := renew(t, nil, start)
	require.True(t, changed)
	yesterday := data
	certificates, bundles := 0, 0
	const years = 10
	for now := start; now.Before(start.Add(years * 365 * day)); now = now.Add(day) {
		renewed, changed := renew(t, data, now)
		again, repeated := renew(t, renewed, now)
		require.False(t, repeated, "what was renewed is settled")
		require.Equal(t, renewed, again)
		if !bytes.Equal(data[certificate.CertificateKey], renewed[certificate.CertificateKey]) {
			certificates++
		}
		if !bytes.Equal(data[certificate.BundleKey], renewed[certificate.BundleKey]) {
			bundles++
		}
		require.Equal(t, changed, !bytes.Equal(data[certificate.CertificateKey], renewed[certificate.CertificateKey]) ||
			!bytes.Equal(data[certificate.BundleKey], renewed[certificate.BundleKey]))
		// Servers and clients may be a day behind each other.
		verify(t, renewed, renewed, now)
		verify(t, renewed, yesterday, now)
		verify(t, yesterday, renewed, now)
		require.Less(t, len(renewed[certificate.BundleKey]), 5000, "the bundle does not grow for ever")
		yesterday, data = data, renewed
	}
	require.InDelta(t, years*365/60, certificates, 10, "a serving certificate is used for two months")
	require.Equal(t, 4, bundles, "two authorities come, after four and eight years, and two go, a year after each")
}

func TestRenew(t *testing.T) {
	fresh, _ := renew(t, nil, start)
	other, _ := renew(t, nil, start)
	with := func(key string, value []byte) map[string][]byte {
		changed := map[string][]byte{}
		for k, v := range fresh {
			changed[k] = v
		}
		changed[key] = value
		return changed
	}
	tests := map[string]struct {
		data        map[string][]byte
		keepsBundle bool
	}{
		"if the certificate is missing, should make one with the same authority": {
			with(certificate.CertificateKey, nil), true,
		},
		"if the certificate cannot be read, should make one": {
			with(certificate.CertificateKey, []byte("x")), true,
		},
		"if the key does not belong to the certificate, should make both": {
			with(certificate.PrivateKeyKey, other[certificate.PrivateKeyKey]), true,
		},
		"if the authority's key is missing, should make an authority": {
			with(certificate.AuthorityKeysKey, nil), false,
		},
		"if the authority's key is another's, should make an authority": {
			with(certificate.AuthorityKeysKey, other[certificate.AuthorityKeysKey]), false,
		},
		"if the authority cannot be read, should make one": {
			with(certificate.BundleKey, []byte("x")), false,
		},
		"if the authority is missing, should make one": {
			with(certificate.BundleKey, nil), false,
		},
		"if authority and key are another's, should keep them and make a certificate anew": {
			map[string][]byte{
				certificate.BundleKey:        fresh[certificate.BundleKey],
				certificate.AuthorityKeysKey: fresh[certificate.AuthorityKeysKey],
				certificate.CertificateKey:   other[certificate.CertificateKey],
				certificate.PrivateKeyKey:    other[certificate.PrivateKeyKey],
			}, true,
		},
		"if there is something else in it that nobody asked for, should not carry it along": {
			with("unknown", []byte("x")), true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			renewed, _ := renew(t, test.data, start.Add(time.Hour))
			verify(t, renewed, renewed, start.Add(time.Hour))
			require.Equal(t, test.keepsBundle,
				bytes.Equal(fresh[certificate.BundleKey], renewed[certificate.BundleKey]))
			require.Len(t, renewed, 4)
		})
	}
	t.Run("if the hosts change, should make a certificate for them", func(t *testing.T) {
		renewed, changed, err := certificate.Renew(fresh, "test", []string{"elsewhere.svc"}, start)
		require.NoError(t, err)
		require.True(t, changed)
		pair, err := certificate.Pair(renewed)
		require.NoError(t, err)
		require.NoError(t, pair.Leaf.VerifyHostname("elsewhere.svc"))
		require.Error(t, pair.Leaf.VerifyHostname(hosts[0]))
	})
}

// A client with the bundle can connect to a server with the certificate.
func TestHandshake(t *testing.T) {
	now := time.Now()
	data, _ := renew(t, nil, now)
	pair, err := certificate.Pair(data)
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair},
	})
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			_, _ = io.Copy(connection, strings.NewReader("hello"))
			_ = connection.Close()
		}
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data[certificate.BundleKey])
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: hosts[0],
	}}
	connection, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	defer connection.Close()
	text, err := io.ReadAll(connection)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
}
