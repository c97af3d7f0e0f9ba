// Package diagnostics has the servers for probes, metrics and profiles, and the code that all servers of the operator
// share.
package diagnostics

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

const (
	// maxScrapes bounds how many scrapes are answered at once.
	maxScrapes = 4
	// scrapeTimeout is how long collecting may take; Prometheus gives up after ten seconds by default.
	scrapeTimeout = 10 * time.Second
	// profileTimeout leaves room for pprof's ?seconds=.
	profileTimeout = 5 * time.Minute
	// certificateReload is how soon new certificate files are in use.
	certificateReload = time.Minute
)

// errNoReviewers is a programming error, not the user's mistake.
var errNoReviewers = errors.New("diagnostics over TLS need Reviewers, or Insecure")

// Config configures the metrics server.
type Config struct {
	// Address is --diagnostics-address; "" and "0" switch the server off.
	Address string
	// Insecure serves plain HTTP to anyone instead of TLS to the authorized.
	Insecure bool
	// CertDir holds tls.crt and tls.key; empty means a self-signed certificate, which nobody can verify.
	CertDir string
	// Gatherer provides the metrics.
	Gatherer prometheus.Gatherer
	// Reviewers ask the API server who may read; unused with Insecure.
	Reviewers Reviewers
	// Logger logs failed scrapes and reviews.
	Logger *slog.Logger
}

// ListenMetrics binds the server of /metrics. Without Insecure it serves TLS, with the certificate in CertDir,
// reloaded until ctx ends, or with a self-signed one, which it renews itself. It admits users whom the API server
// allows to get the nonResourceURL /metrics. If the address cannot be bound, the error names the flag.
func ListenMetrics(ctx context.Context, config Config) (*Server, error) {
	metrics := promhttp.HandlerFor(config.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelError),
		// One failing collector must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	})
	spec := Spec{
		Name: "diagnostics", Flag: "diagnostics-address", Address: config.Address, Logger: config.Logger,
	}
	if !config.Insecure && !options.IsOff(config.Address) {
		if config.Reviewers.Tokens == nil || config.Reviewers.Access == nil {
			return nil, errNoReviewers
		}
		get, err := config.certificate(ctx)
		if err != nil {
			return nil, err
		}
		// TLS 1.2 is the minimum of Cluster API's providers too.
		spec.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}
		metrics = newGate(config.Reviewers, config.Logger, time.Now).protect(metrics)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	spec.Handler = mux
	return Listen(ctx, spec)
}

// certificate returns the server's GetCertificate. Unusable files are only logged, since VIPs matter more than
// metrics.
func (c *Config) certificate(ctx context.Context) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if c.CertDir == "" {
		own, err := newSelfSigned(time.Now)
		if err != nil {
			return nil, err
		}
		return own.get, nil
	}
	given := certificate.NewKeeper(certificate.Directory(c.CertDir), "diagnostics server", c.Logger)
	go given.Keep(ctx, certificateReload)
	return given.Get, nil
}

// ListenProfiler binds the server of /debug/pprof/, in plain HTTP and open to anyone who reaches address; "" and "0"
// switch it off. It has its own mux: importing net/http/pprof fills the default one, which nobody serves.
func ListenProfiler(ctx context.Context, address string, logger *slog.Logger) (*Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return Listen(ctx, Spec{
		Name: "profiler", Flag: "profiler-address", Address: address, Handler: mux, WriteTimeout: profileTimeout,
		Logger: logger,
	})
}
