package diagnostics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// The limits of every server. They are generous for probes and scrapes, and cut off clients that dribble their
// requests.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 90 * time.Second
	// maxHeaderBytes leaves room for identity providers' long bearer tokens.
	maxHeaderBytes = 16 << 10
	// serverDrain is how long requests in flight may take once a server is told to stop.
	serverDrain = 5 * time.Second
	// maxConnections bounds the memory that clients can take without a valid request; see crowd.
	maxConnections = 256
)

// Server is an HTTP server that is bound to its address and serves once Serve is called.
type Server struct {
	name     string
	listener net.Listener
	http     *http.Server
	logger   *slog.Logger
}

// Spec describes one server.
type Spec struct {
	// Name identifies the server in log lines and errors; Flag is the flag that sets its address, without dashes.
	Name, Flag, Address string
	// Remedy says what to do if the address cannot be bound; empty means the usual advice.
	Remedy  string
	Handler http.Handler
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// WriteTimeout bounds how long an answer may take; 0 means the default.
	WriteTimeout time.Duration
	// OneRequest closes each connection after its first request.
	OneRequest bool
	Logger     *slog.Logger
}

// Listen binds a server. A server that is switched off is not bound and serves nothing, but can be used like any
// other. If the address cannot be bound, the error says what to do.
func Listen(ctx context.Context, spec Spec) (*Server, error) {
	server := &Server{name: spec.Name, logger: spec.Logger.With("server", spec.Name)}
	if options.IsOff(spec.Address) {
		return server, nil
	}
	if spec.WriteTimeout == 0 {
		spec.WriteTimeout = writeTimeout
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", spec.Address)
	if err != nil {
		if spec.Remedy == "" {
			spec.Remedy = fmt.Sprintf(
				"choose a free address of this machine with --%s=HOST:PORT, or switch the server off with --%s=0",
				spec.Flag, spec.Flag,
			)
		}
		return nil, fmt.Errorf("cannot bind the %s server: %w; %s", spec.Name, err, spec.Remedy)
	}
	protocols := new(http.Protocols)
	// Probes and scrapes need only HTTP/1.1; without HTTP/2, its ways of exhausting a server do not apply.
	protocols.SetHTTP1(true)
	connections := limitConnections(listener, maxConnections)
	server.listener = connections
	server.http = &http.Server{
		Handler:           spec.Handler,
		TLSConfig:         spec.TLS,
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      spec.WriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         connections.changed,
		// Clients' mistakes (a broken TLS handshake, say) do not concern whoever reads the log.
		ErrorLog: slog.NewLogLogger(server.logger.Handler(), slog.LevelDebug),
	}
	server.http.SetKeepAlivesEnabled(!spec.OneRequest)
	return server, nil
}

// Addr returns the address the server is bound to, with the real port if port 0 was requested; "" if it is switched
// off.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Serve answers requests until ctx ends, gives those in flight up to five seconds to finish, and returns nil. It
// returns an error only when serving itself fails. A server that is switched off waits for ctx.
func (s *Server) Serve(ctx context.Context) error {
	if s.listener == nil {
		<-ctx.Done()
		return nil
	}
	s.logger.Info("serving", slog.String("address", s.Addr()), slog.Bool("tls", s.http.TLSConfig != nil))
	failed := make(chan error, 1)
	go func() { failed <- s.serve() }()
	select {
	case err := <-failed:
		return fmt.Errorf("the %s server on %s stopped: %w", s.name, s.Addr(), err)
	case <-ctx.Done():
		s.shutdown(context.WithoutCancel(ctx))
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("the %s server on %s stopped: %w", s.name, s.Addr(), err)
		}
		return nil
	}
}

func (s *Server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

func (s *Server) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, serverDrain)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.logger.Warn("requests in hand are cut off", slog.Any(names.ErrorKey, errors.Join(err, s.http.Close())))
	}
}

// ServeAll runs all servers until ctx ends or one of them fails, then stops them all. It returns once all have
// stopped, with the errors of those that failed.
func ServeAll(ctx context.Context, servers ...*Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(servers))
	var running sync.WaitGroup
	for i, server := range servers {
		running.Go(func() {
			if failures[i] = server.Serve(ctx); failures[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}
