// Package diagnostics has the servers that say how the operator is: probes, metrics and profiles, and what every server
// of it has in common.
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
	// certificateReload is how soon new files of a certificate are in use.
	certificateReload = time.Minute
)

// errNoReviewers is a mistake of the caller, not of the user.
var errNoReviewers = errors.New("diagnostics over TLS need Reviewers, or Insecure")

// Config is what the server of the metrics needs.
type Config struct {
	// Address is --diagnostics-address; "" and "0" switch the server off.
	Address string
	// Insecure serves plain HTTP to anyone instead of TLS to the authorized.
	Insecure bool
	// CertDir holds tls.crt and tls.key; empty means a certificate of the server's own making, which nobody can verify.
	CertDir string
	// Gatherer is where the metrics come from.
	Gatherer prometheus.Gatherer
	// Reviewers ask the API server who may read; not used with Insecure.
	Reviewers Reviewers
	// Logger takes failures of scrapes and reviews.
	Logger *slog.Logger
}

// ListenMetrics binds the server of /metrics. Without Insecure it speaks TLS with a certificate from CertDir, of
// which new files are taken up until ctx ends, or of its own making, which it renews by itself. It admits who the API
// server says may get the nonResourceURL /metrics. An address that cannot be bound is an error that names the flag.
func ListenMetrics(ctx context.Context, config Config) (*Server, error) {
	metrics := promhttp.HandlerFor(config.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelError),
		// One collector that fails shall not hide all others.
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

// certificate returns what gives the server its certificate. Files that cannot be used are said in the log: VIPs matter
// more than metrics.
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

// ListenProfiler binds the server of /debug/pprof/, in plain HTTP and for anyone who reaches address; "" and "0" switch
// it off. It has a mux of its own: importing net/http/pprof fills the default one, which is served nowhere.
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
