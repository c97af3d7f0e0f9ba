package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
)

// The limits of the server.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	drain          = time.Second
	maxHeaderBytes = 16 << 10
	// maxOwn limits the connections on loopback: one person looks, with a handful of windows. maxOpen is the limit
	// where many may look. Half of them may wait for changes, so that other requests always find an answer.
	maxOwn, maxOpen = 64, 256
	// maxPlans limits concurrent plans: each needs a copy of what was read.
	maxPlans = 2
	// maxManifest limits the size of a manifest, in bytes.
	maxManifest = 1 << 20
)

const contentType = "text/html; charset=utf-8"

// again is after how many seconds a browser reloads when there was nothing to show.
const again = "10"

// Source supplies the pages. Its methods are safe for concurrent use.
type Source interface {
	// Atlas returns what is known now, or why nothing is.
	Atlas() (*view.Atlas, error)
	// Plan says what the Clusters of a manifest would get.
	Plan(manifest []byte) ([]view.ClusterPlan, error)
}

// ErrNotLoopback says that other machines could reach the address.
var ErrNotLoopback = errors.New("the address is not on loopback, so others could reach it")

// Server serves pages.
type Server struct {
	source   Source
	changes  *changes
	listener net.Listener
	handler  http.Handler
	// token is what visitors must know; empty where others control access.
	token string
	// streams and plans limit what takes long.
	streams, plans chan struct{}
}

func newServer(listener net.Listener, connections int, source Source) *Server {
	return &Server{
		source: source, changes: newChanges(), listener: netutil.LimitListener(listener, connections),
		streams: make(chan struct{}, connections/2), plans: make(chan struct{}, maxPlans),
	}
}

func bind(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// Listen binds the address, host:port with a loopback host; port 0 means any free port. Only visitors who know the
// token in the URL get an answer.
func Listen(ctx context.Context, address string, source Source) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	if !isLoopbackName(host) {
		return nil, fmt.Errorf("address %q: %w", address, ErrNotLoopback)
	}
	listener, err := bind(ctx, address)
	if err != nil {
		return nil, err
	}
	bound, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil || !bound.Addr().IsLoopback() { // whatever localhost resolves to here
		return nil, errors.Join(fmt.Errorf("address %q: %w", address, ErrNotLoopback), listener.Close())
	}
	s := newServer(listener, maxOwn, source)
	guard := newGuard(bound.Port(), s.routes())
	s.token, s.handler = guard.token, shield(guard)
	return s, nil
}

// ListenOpen binds an address that others can reach, for a pod; everyone who connects gets an answer. Access is up to
// the API server, through whose service proxy people come, and to a NetworkPolicy. The Host is that of the API server,
// as the browser knows it, and proves nothing.
func ListenOpen(ctx context.Context, address string, source Source) (*Server, error) {
	listener, err := bind(ctx, address)
	if err != nil {
		return nil, err
	}
	s := newServer(listener, maxOpen, source)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+web.PathHealth, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n") // a client that has gone needs no answer
	})
	mux.Handle("/", s.routes())
	s.handler = shield(mux)
	return s, nil
}

// URL is the address for the browser, with the token if there is one.
func (s *Server) URL() string {
	address := &url.URL{Scheme: "http", Host: s.listener.Addr().String(), Path: web.PathPools}
	if s.token != "" {
		address.RawQuery = url.Values{tokenParameter: {s.token}}.Encode()
	}
	return address.String()
}

// Changed tells the browsers that there is something new to see.
func (s *Server) Changed() { s.changes.tell() }

// Serve serves until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		stopped <- server.Shutdown(last)
	}()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	if err := <-stopped; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+web.PathStatic, http.StripPrefix(web.PathStatic, http.FileServerFS(web.Static())))
	mux.HandleFunc("GET "+web.PathPools+"{$}", s.page(func(w *bytes.Buffer, a *view.Atlas, _ url.Values) (bool, error) {
		return true, web.Pools(w, a)
	}))
	mux.HandleFunc("GET "+web.PathPool, s.page(func(w *bytes.Buffer, a *view.Atlas, q url.Values) (bool, error) {
		from, _ := netip.ParseAddr(q.Get("from")) // anything but an address shows the whole pool
		to, _ := netip.ParseAddr(q.Get("to"))
		return web.Pool(w, a, web.PoolQuery{
			Kind: q.Get("kind"), Namespace: q.Get("namespace"), Name: q.Get("name"), From: from, To: to,
		})
	}))
	mux.HandleFunc("GET "+web.PathClusters, s.page(func(w *bytes.Buffer, a *view.Atlas, q url.Values) (bool, error) {
		number, _ := strconv.Atoi(q.Get("page")) // anything but a number shows the first page
		return true, web.Clusters(w, a, web.ClusterQuery{Text: q.Get("q"), State: q.Get("state"), Page: number})
	}))
	mux.HandleFunc("GET "+web.PathCluster, s.page(func(w *bytes.Buffer, a *view.Atlas, q url.Values) (bool, error) {
		return web.Cluster(w, a, q.Get("namespace"), q.Get("name"))
	}))
	mux.HandleFunc("GET "+web.PathOverlaps, s.page(func(w *bytes.Buffer, a *view.Atlas, _ url.Values) (bool, error) {
		return true, web.Overlaps(w, a)
	}))
	mux.HandleFunc("GET "+web.PathPlan, s.page(func(w *bytes.Buffer, a *view.Atlas, _ url.Values) (bool, error) {
		return true, web.Plan(w, a, web.Planned{})
	}))
	mux.Handle("POST "+web.PathPlan, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.plan)))
	mux.HandleFunc("GET "+web.PathEvents, s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusNotFound, "Not found", "There is no such page.")
	})
	return mux
}

// page answers with what render writes; render reports false if there is no such thing.
func (s *Server) page(render func(*bytes.Buffer, *view.Atlas, url.Values) (bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		atlas, err := s.source.Atlas()
		if err != nil {
			w.Header().Set("Refresh", again)
			refuse(w, r, http.StatusServiceUnavailable, "Nothing to show yet", err.Error())
			return
		}
		var body bytes.Buffer
		switch found, err := render(&body, atlas, r.URL.Query()); {
		case err != nil:
			refuse(w, r, http.StatusInternalServerError, "Not rendered", err.Error())
		case !found:
			refuse(w, r, http.StatusNotFound, "Not found", "There is no such thing, or not any more.")
		default:
			w.Header().Set("Content-Type", contentType)
			_, _ = body.WriteTo(w) // a client that has gone needs no answer
		}
	}
}

// Close releases the address of a server that never served.
func (s *Server) Close() error { return s.listener.Close() }
