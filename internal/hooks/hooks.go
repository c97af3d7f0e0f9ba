// Package hooks runs the runtime extension for Cluster API: its server and certificate, its registration with Cluster
// API, and the caches that package answer reads.
package hooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/diagnostics"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/hooks/answer"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// readRetry is how soon to try again to fill the caches.
const readRetry = 2 * time.Second

var (
	errNotSynced      = errors.New("waiting for the APIs or for the caches of the runtime hooks to fill")
	errNoPodNamespace = errors.New("the runtime extension keeps its certificate in a Secret of the operator's " +
		"namespace: set POD_NAMESPACE or --leader-election-namespace, or give --webhook-cert-dir")
)

// Config configures the hooks.
type Config struct {
	// Options are the operator's.
	Options *options.Options
	// REST configures the clients of the API server.
	REST *rest.Config
	// Read fills caches and calls keep with them, and with nil while they are not filled. It returns nil when ctx
	// ends or the caches must be rebuilt.
	Read    func(ctx context.Context, keep func(*state.Store)) error
	Metrics *telemetry.Metrics
	Logger  *slog.Logger
}

// Hooks is the runtime extension of one replica. Cluster API's requests reach any replica, so each answers from its
// own caches, whether it leads or not; a change of leader does not interrupt the answers. Only the leader writes the
// ExtensionConfig.
type Hooks struct {
	Config

	certificate *certificate.Keeper
	registrar   *registrar
	store       atomic.Pointer[state.Store]
	// filled is closed when the caches are filled for the first time.
	filled chan struct{}
	fill   sync.Once
	// started is when the replica began.
	started time.Time
}

// New returns the runtime extension. It makes no requests.
func New(config Config) (*Hooks, error) {
	where := place{url: config.Options.RuntimeExtension.URL, namespace: config.Options.PodNamespace}
	clients, err := newClients(config.REST, config.Options.RuntimeExtension.Owner)
	if err != nil {
		return nil, err
	}
	h := &Hooks{Config: config, filled: make(chan struct{}), started: time.Now()}
	source, err := h.source(clients, where)
	if err != nil {
		return nil, err
	}
	h.certificate = certificate.NewKeeper(source, "runtime extension", h.Logger)
	h.registrar = &registrar{
		clients: clients, place: where, certificate: h.certificate, filled: h.filled, logger: h.Logger,
		finder: &discovery.Finder{Discovery: clients.discovery, Logger: h.Logger},
	}
	return h, nil
}

// Ready returns why this replica cannot answer hooks yet, or nil.
func (h *Hooks) Ready() error {
	if !h.certificate.Loaded() {
		return certificate.ErrNone
	}
	if h.store.Load() == nil && !h.AnswersAnyway() {
		return errNotSynced
	}
	return nil
}

// AnswersAnyway reports whether this replica has waited so long for its caches that it answers without them. If no
// replica were ready behind the Service, Cluster API would wait on every call and could not restart; see
// answer.BenefitOfDoubt.
func (h *Hooks) AnswersAnyway() bool { return time.Since(h.started) > answer.BenefitOfDoubt }

// keep takes the caches, or nil while they are not filled.
func (h *Hooks) keep(store *state.Store) {
	h.store.Store(store)
	if store != nil {
		h.fill.Do(func() { close(h.filled) })
	}
}

// Listen binds the hooks' server.
func (h *Hooks) Listen(ctx context.Context) (*diagnostics.Server, error) {
	o := h.Options
	handler := answer.Handler(answer.Config{
		Store: h.store.Load, Settings: o.Settings(), Namespace: o.Namespace, Now: time.Now, Metrics: h.Metrics,
		Logger: h.Logger,
	})
	address := net.JoinHostPort(o.Webhook.Host, strconv.Itoa(o.Webhook.Port))
	spec := Spec(address, handler, h.certificate.Get, h.Logger)
	if file := o.Webhook.ClientCAFile; file != "" {
		cas := &clientCAs{file: file, base: spec.TLS.Clone(), logger: h.Logger}
		spec.TLS.GetConfigForClient = cas.config
	}
	return diagnostics.Listen(ctx, spec)
}

// clientCAs restricts a server to clients whose certificates are signed by a CA in a file. It reads the file for each
// connection, so new CAs count immediately. While the file cannot be read, it admits nobody.
type clientCAs struct {
	file   string
	base   *tls.Config
	logger *slog.Logger
	// said is the last problem with the file that was logged.
	said atomic.Value
}

func (c *clientCAs) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	pool, err := c.read()
	if err != nil {
		// Clients learn only that the server failed.
		if c.said.Swap(err.Error()) != err.Error() {
			c.logger.Warn("no client may call the runtime hooks: give --webhook-client-ca-file certificates in PEM",
				slog.Any(names.ErrorKey, err))
		}
		return nil, err
	}
	c.said.Store("")
	config := c.base.Clone() // the base asks for no client certificate
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, pool
	return config, nil
}

func (c *clientCAs) read() (*x509.CertPool, error) {
	content, err := os.ReadFile(c.file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", c.file)
	}
	return pool, nil
}

// Spec returns the spec of the hooks' server.
func Spec(
	address string, handler http.Handler, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), logger *slog.Logger,
) diagnostics.Spec {
	return diagnostics.Spec{
		Name:    "runtime-extension",
		Address: address,
		Remedy: "choose a free port with --webhook-port=PORT, or switch the runtime extension off with " +
			"--runtime-extension=false",
		Handler: handler,
		TLS:     &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get},
		// Cluster API before 1.10.9, and the 1.11 releases of that time, leak a connection on each call, and would
		// soon use them all up. One request per connection also spreads other versions' calls over all replicas.
		OneRequest: true,
		Logger:     logger,
	}
}

// Run keeps the certificate and the caches current until ctx ends.
func (h *Hooks) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { h.certificate.Keep(ctx, h.Options.ReconcilePeriod) })
	running.Go(func() { h.read(ctx) })
}

// Register registers the hooks with Cluster API and keeps them registered until ctx ends. It then removes the
// registration if the operator is being uninstalled. Only the leader may call it.
func (h *Hooks) Register(ctx context.Context) { h.registrar.run(ctx, h.Options.ReconcilePeriod) }

// read keeps the caches filled, and rebuilds them when the served APIs change or a watch is found dead.
func (h *Hooks) read(ctx context.Context) {
	said := ""
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		err := h.Read(ctx, h.keep)
		if err == nil {
			said = ""
			return
		}
		if text := err.Error(); text != said {
			h.Logger.Warn("the caches of the runtime hooks cannot be filled, trying again",
				slog.Any(names.ErrorKey, err))
			said = text
		}
	}, readRetry)
}

// source returns where the certificate comes from: the configured directory, or a Secret that the operator maintains.
func (h *Hooks) source(clients *clients, where place) (certificate.Source, error) {
	if h.Options.Webhook.CertDir != "" {
		return certificate.Directory(h.Options.Webhook.CertDir), nil
	}
	namespace := h.Options.PodNamespace
	if namespace == "" {
		namespace = h.Options.LeaderElection.Namespace
	}
	if namespace == "" {
		return nil, errNoPodNamespace
	}
	hosts, err := where.hosts()
	if err != nil {
		return nil, fmt.Errorf("--runtime-extension-url: %w", err)
	}
	return &secretSource{
		secrets: clients.core.Secrets(namespace), hosts: hosts, owner: clients.owner, now: time.Now,
	}, nil
}
