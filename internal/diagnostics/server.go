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

// The limits of every server. They are generous for probes and scrapes, and end the patience with clients that
// dribble their requests.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 90 * time.Second
	// maxHeaderBytes leaves room for the long bearer tokens of identity providers.
	maxHeaderBytes = 16 << 10
	// serverDrain is how long requests in hand may take once a server is told to stop.
	serverDrain = 5 * time.Second
	// maxConnections bounds the memory that clients can take without a valid request; see crowd.
	maxConnections = 256
)

// Server is an HTTP server that is bound to its address and waits for Serve.
type Server struct {
	name     string
	listener net.Listener
	http     *http.Server
	logger   *slog.Logger
}

// Spec is what servers differ in.
type Spec struct {
	// Name is what log lines and errors call the server, Flag the flag its address comes from, without dashes.
	Name, Flag, Address string
	// Remedy says what to do about an address that cannot be bound, where that is not the usual.
	Remedy  string
	Handler http.Handler
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// WriteTimeout bounds how long an answer may take; 0 is the usual.
	WriteTimeout time.Duration
	// OneRequest ends each connection with its first request.
	OneRequest bool
	Logger     *slog.Logger
}

// Listen binds a server. One that is switched off is not bound and has nothing to serve, but can be used all the same.
// An address that cannot be bound is an error that says what to do.
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
	// HTTP/1.1 is all that probes and scrapes need, and leaves HTTP/2's ways of exhausting a server out.
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
		// What a client does wrong (a broken TLS handshake, say) is no concern of the operator's reader.
		ErrorLog: slog.NewLogLogger(server.logger.Handler(), slog.LevelDebug),
	}
	server.http.SetKeepAlivesEnabled(!spec.OneRequest)
	return server, nil
}

// Addr is the address the server is bound to, with the real port where port 0 was asked for; "" if it is switched off.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Serve answers requests until ctx ends, lets those in hand finish for up to five seconds and returns nil. It returns
// an error only when serving itself fails. A server that is switched off waits for ctx.
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

// ServeAll serves all servers until ctx ends or one of them fails; then all are stopped. It returns when all have
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
