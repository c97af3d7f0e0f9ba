package diagnostics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/certificate/certificatetest"
)

// serving runs a server until the test ends and checks that it then stops cleanly.
func serving(t *testing.T, server *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
}

// fetch makes one request on a new connection.
func fetch(t *testing.T, config *tls.Config, url, token string) (*http.Response, string) {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	return response, string(body)
}

func registry() *prometheus.Registry {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	counter.Inc()
	r := prometheus.NewRegistry()
	r.MustRegister(counter)
	return r
}

func TestDiagnosticsInsecure(t *testing.T) {
	server, err := ListenMetrics(t.Context(), Config{
		Address: "127.0.0.1:0", Insecure: true, Gatherer: registry(), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	serving(t, server)
	response, body := fetch(t, nil, "http://"+server.Addr()+"/metrics", "")
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Contains(t, body, "things_total 1")
	response, _ = fetch(t, nil, "http://"+server.Addr()+"/debug/pprof/", "")
	assert.Equal(t, http.StatusNotFound, response.StatusCode, "profiles are served elsewhere")
}

func TestDiagnosticsSecure(t *testing.T) {
	server, err := ListenMetrics(t.Context(), Config{
		Address: "127.0.0.1:0", Gatherer: registry(), Logger: slog.New(slog.DiscardHandler),
		Reviewers: newFakeAPI().reviewers(),
	})
	require.NoError(t, err)
	serving(t, server)
	anyCertificate := &tls.Config{InsecureSkipVerify: true} // scrapers cannot verify a self-signed certificate either
	for token, want := range map[string]int{
		"": http.StatusUnauthorized, "wrong": http.StatusUnauthorized, "stranger": http.StatusForbidden,
		"scraper": http.StatusOK,
	} {
		response, body := fetch(t, anyCertificate, "https://"+server.Addr()+"/metrics", token)
		assert.Equal(t, want, response.StatusCode, "token %q: %s", token, body)
		assert.Equal(t, "HTTP/1.1", response.Proto)
	}
}

// Clients can verify a certificate from files. New or replaced files are in use without a restart.
func TestDiagnosticsCertificateFromDirectory(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, err := ListenMetrics(ctx, Config{
		Address: "127.0.0.1:0", CertDir: dir, Gatherer: registry(), Logger: slog.New(slog.DiscardHandler),
		Reviewers: newFakeAPI().reviewers(),
	})
	require.NoError(t, err, "VIPs do not wait for the certificate")
	serving(t, server)
	data := certificatetest.Chain(t)
	require.Error(t, certificatetest.Connect(t, server.Addr(), data[certificate.BundleKey]))
	certificatetest.Write(t, dir, data)
	require.Eventually(t, func() bool {
		return certificatetest.Connect(t, server.Addr(), data[certificate.BundleKey]) == nil
	}, time.Minute, 100*time.Millisecond)
	require.Error(t, certificatetest.Connect(t, server.Addr(), certificatetest.Chain(t)[certificate.BundleKey]),
		"of another authority")
}

func TestDiagnosticsWithoutReviewers(t *testing.T) {
	config := Config{Address: "127.0.0.1:0", Gatherer: registry(), Logger: slog.New(slog.DiscardHandler)}
	_, err := ListenMetrics(t.Context(), config)
	require.ErrorIs(t, err, errNoReviewers)
}

func TestProfiler(t *testing.T) {
	server, err := ListenProfiler(t.Context(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	serving(t, server)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		response, _ := fetch(t, nil, "http://"+server.Addr()+path, "")
		assert.Equal(t, http.StatusOK, response.StatusCode, path)
	}
}

func TestServerOff(t *testing.T) {
	for _, address := range []string{"", "0"} {
		server, err := ListenProfiler(t.Context(), address, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		assert.Empty(t, server.Addr())
		serving(t, server)
	}
}

func TestServerAddressTaken(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, taken.Close()) })
	_, err = ListenHealth(t.Context(), taken.Addr().String(), NewHealth(slog.Default()), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, taken.Addr().String())
	assert.ErrorContains(t, err, "--health-addr=HOST:PORT")
}

func TestServerDrains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	server, err := Listen(t.Context(), Spec{
		Name: "slow", Flag: "slow", Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			w.WriteHeader(http.StatusTeapot)
		}),
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	status := make(chan int, 1)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr(), http.NoBody)
	require.NoError(t, err)
	go func() {
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if !assert.NoError(t, err) {
			status <- 0
			return
		}
		assert.NoError(t, response.Body.Close())
		status <- response.StatusCode
	}()
	<-entered
	stop()
	require.Eventually(t, func() bool {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
		if err != nil {
			return true
		}
		assert.NoError(t, connection.Close())
		return false
	}, 5*time.Second, time.Millisecond, "new connections should be refused while the old request is served")
	select {
	case <-served:
		t.Error("the server stopped with a request in hand")
	default:
	}
	close(leave)
	require.NoError(t, <-served)
	assert.Equal(t, http.StatusTeapot, <-status)
}

func TestServeAllStopsTogether(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	broken, err := ListenHealth(t.Context(), "127.0.0.1:0", NewHealth(logger), logger)
	require.NoError(t, err)
	require.NoError(t, broken.listener.Close())
	fine, err := ListenProfiler(t.Context(), "127.0.0.1:0", logger)
	require.NoError(t, err)
	err = ServeAll(t.Context(), fine, broken)
	require.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorContains(t, err, "health")
}

func TestSelfSignedIsReplacedInTime(t *testing.T) {
	now := time.Now()
	s, err := newSelfSigned(func() time.Time { return now })
	require.NoError(t, err)
	first, err := s.get(nil)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(first.Leaf)
	_, err = first.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: pool, CurrentTime: now})
	require.NoError(t, err)

	now = now.Add(certificateLifetime - certificateRenewal - time.Second)
	same, err := s.get(nil)
	require.NoError(t, err)
	assert.Same(t, first, same)

	now = now.Add(time.Second)
	second, err := s.get(nil)
	require.NoError(t, err)
	assert.NotSame(t, first, second)
	assert.True(t, second.Leaf.NotAfter.After(first.Leaf.NotAfter))
}
