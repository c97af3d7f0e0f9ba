package operator

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

	"github.com/gorizond/capi-vip-allocator/internal/controller"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/extension"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
)

// readRetry is how soon caches are built again that could not be.
const readRetry = 2 * time.Second

var (
	errHooksNotSynced      = errors.New("waiting for the APIs or for the caches of the runtime hooks to fill")
	errNoCertificate       = errors.New("waiting for the certificate")
	errHooksNoPodNamespace = errors.New("the runtime extension keeps its certificate in a Secret of the operator's namespace: set POD_NAMESPACE or --leader-election-namespace, or give --webhook-cert-dir")
)

// hooks is the runtime extension of one replica. All replicas answer, since Cluster API's requests go to any of them, each
// from caches of its own, whether it leads or not: an answer depends on nothing that a change of leaders interrupts. Only
// the leader writes the ExtensionConfig.
type hooks struct {
	operator    *operator
	certificate *servingCertificate
	registrar   *registrar
	store       atomic.Pointer[state.Store]
	// filled is closed when the caches are filled for the first time.
	filled chan struct{}
	fill   sync.Once
	// started is when the replica began.
	started time.Time
}

// newHooks returns the runtime extension.
func newHooks(o *operator) (*hooks, error) {
	place := extensionPlace{url: o.options.RuntimeExtension.URL, namespace: o.options.PodNamespace}
	clients, err := newExtensionClients(o.config, o.options.RuntimeExtension.Owner)
	if err != nil {
		return nil, err
	}
	h := &hooks{operator: o, filled: make(chan struct{}), started: time.Now()}
	source, err := o.certificateSource(clients, place)
	if err != nil {
		return nil, err
	}
	h.certificate = newServingCertificate(source, "runtime extension", o.logger)
	h.registrar = &registrar{
		extensionClients: clients, place: place, certificate: h.certificate, filled: h.filled, logger: o.logger,
		finder: &discovery.Finder{Discovery: clients.discovery, Logger: o.logger},
	}
	o.health.AddReadyCheck("runtime extension", h.ready)
	return h, nil
}

func (h *hooks) ready() error {
	if !h.certificate.loaded() {
		return errNoCertificate
	}
	if h.store.Load() == nil && !h.answersAnyway() {
		return errHooksNotSynced
	}
	return nil
}

// answersAnyway reports whether this replica has waited for its caches as long as an answer may depend on them. Behind a
// Service without any replica, Cluster API would wait for every call, and not start again; see extension.BenefitOfDoubt.
func (h *hooks) answersAnyway() bool { return time.Since(h.started) > extension.BenefitOfDoubt }

// keep takes the caches over, or that there are none.
func (h *hooks) keep(store *state.Store) {
	h.store.Store(store)
	if store != nil {
		h.fill.Do(func() { close(h.filled) })
	}
}

// listen binds the server of the hooks.
func (h *hooks) listen(ctx context.Context) (*Server, error) {
	o := h.operator
	handler := extension.Handler(extension.Config{
		Store: h.store.Load, Settings: o.options.Settings(), Namespace: o.options.Namespace, Now: time.Now, Metrics: o.metrics, Logger: o.logger,
	})
	address := net.JoinHostPort(o.options.Webhook.Host, strconv.Itoa(o.options.Webhook.Port))
	spec := hooksSpec(address, handler, h.certificate.get, o.logger)
	if file := o.options.Webhook.ClientCAFile; file != "" {
		cas := &clientCAs{file: file, base: spec.tls.Clone(), logger: o.logger}
		spec.tls.GetConfigForClient = cas.config
	}
	return listen(ctx, spec)
}

// clientCAs has a server take clients alone whose certificate a CA in a file has signed. The file is read at each
// connection, so that new CAs count at once; while it cannot be read, nobody is let in.
type clientCAs struct {
	file   string
	base   *tls.Config
	logger *slog.Logger
	// said is what was wrong with the file when it was last said.
	said atomic.Value
}

func (c *clientCAs) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	pool, err := c.read()
	if err != nil {
		// Callers learn nothing but that the server failed.
		if c.said.Swap(err.Error()) != err.Error() {
			c.logger.Warn("no client may call the runtime hooks: give --webhook-client-ca-file certificates in PEM", slog.Any(names.ErrorKey, err))
		}
		return nil, err
	}
	c.said.Store("")
	config := c.base.Clone() // which asks nobody for a certificate
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

// hooksSpec is the server of the hooks.
func hooksSpec(address string, handler http.Handler, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), logger *slog.Logger) serverSpec {
	return serverSpec{
		name:         "runtime-extension",
		address:      address,
		remedy:       "choose a free port with --webhook-port=PORT, or switch the runtime extension off with --runtime-extension=false",
		handler:      handler,
		tls:          &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate},
		writeTimeout: writeTimeout,
		// Cluster API before 1.10.9 and its fellows of 1.11 makes a connection for each call and leaves it behind; all that
		// are taken would be such soon. It also spreads the calls of others over all replicas.
		oneRequest: true,
		logger:     logger,
	}
}

// run keeps certificate and caches current until ctx ends.
func (h *hooks) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { h.certificate.keep(ctx, h.operator.options.ReconcilePeriod) })
	running.Go(func() { h.read(ctx) })
}

// read keeps the caches filled, again and again if what is served changes or a watch was found dead.
func (h *hooks) read(ctx context.Context) {
	said := ""
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		err := h.operator.whileServed(ctx, func(ctx context.Context, cfg controller.Config) error {
			return controller.Read(ctx, cfg, h.keep)
		})
		if err == nil || errors.Is(err, controller.ErrRestart) {
			said = ""
			return
		}
		if text := err.Error(); text != said {
			h.operator.logger.Warn("the caches of the runtime hooks cannot be filled, trying again", slog.Any(names.ErrorKey, err))
			said = text
		}
	}, readRetry)
}

// certificateSource is where the certificate comes from: the directory that was given, or a Secret of the operator's own.
func (o *operator) certificateSource(clients *extensionClients, place extensionPlace) (certificateSource, error) {
	if o.options.Webhook.CertDir != "" {
		return directory(o.options.Webhook.CertDir), nil
	}
	namespace := o.options.PodNamespace
	if namespace == "" {
		namespace = o.options.LeaderElection.Namespace
	}
	if namespace == "" {
		return nil, errHooksNoPodNamespace
	}
	hosts, err := place.hosts()
	if err != nil {
		return nil, fmt.Errorf("--runtime-extension-url: %w", err)
	}
	return &secretSource{secrets: clients.core.Secrets(namespace), hosts: hosts, owner: clients.owner, now: time.Now}, nil
}
