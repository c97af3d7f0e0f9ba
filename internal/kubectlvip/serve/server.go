package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// The bounds of the server. One person looks at it, with a handful of windows.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	drain          = time.Second
	maxHeaderBytes = 16 << 10
	maxConnections = 64
	// maxManifest is how large a manifest may be.
	maxManifest = 1 << 20
)

const contentType = "text/html; charset=utf-8"

// Source is where the pages come from. Its methods are safe for concurrent use.
type Source interface {
	// Atlas returns what is known now.
	Atlas() *view.Atlas
	// Plan says what the Clusters of a manifest would get.
	Plan(manifest []byte) ([]view.ClusterPlan, error)
}

// ErrNotLoopback says that the address could be reached from other machines.
var ErrNotLoopback = errors.New("the address is not on loopback, so others could reach it")

// Server serves pages to one person.
type Server struct {
	source   Source
	changes  *changes
	listener net.Listener
	guard    *guard
}

// Listen binds the address, host:port with a loopback host; port 0 is any that is free.
func Listen(ctx context.Context, address string, source Source) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	if !isLoopbackName(host) {
		return nil, fmt.Errorf("address %q: %w", address, ErrNotLoopback)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	bound, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil || !bound.Addr().IsLoopback() { // whatever localhost means here
		return nil, errors.Join(fmt.Errorf("address %q: %w", address, ErrNotLoopback), listener.Close())
	}
	s := &Server{source: source, changes: newChanges(), listener: netutil.LimitListener(listener, maxConnections)}
	s.guard = newGuard(bound.Port(), s.routes())
	return s, nil
}

// URL is the address for the browser, with the token.
func (s *Server) URL() string {
	return (&url.URL{
		Scheme: "http", Host: s.listener.Addr().String(), Path: web.PathPools, RawQuery: url.Values{tokenParameter: {s.guard.token}}.Encode(),
	}).String()
}

// Changed tells the browsers that there is something new to see.
func (s *Server) Changed() { s.changes.tell() }

// Serve serves until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: s.guard, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
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
	mux.HandleFunc("GET "+web.PathPools+"{$}", page(func(w *bytes.Buffer, _ url.Values) (bool, error) {
		return true, web.Pools(w, s.source.Atlas())
	}))
	mux.HandleFunc("GET "+web.PathPool, page(func(w *bytes.Buffer, q url.Values) (bool, error) {
		from, _ := netip.ParseAddr(q.Get("from")) // what is no address shows the whole pool
		to, _ := netip.ParseAddr(q.Get("to"))
		return web.Pool(w, s.source.Atlas(), web.PoolQuery{Kind: q.Get("kind"), Namespace: q.Get("namespace"), Name: q.Get("name"), From: from, To: to})
	}))
	mux.HandleFunc("GET "+web.PathClusters, page(func(w *bytes.Buffer, q url.Values) (bool, error) {
		number, _ := strconv.Atoi(q.Get("page")) // what is no number is the first page
		return true, web.Clusters(w, s.source.Atlas(), web.ClusterQuery{Text: q.Get("q"), State: q.Get("state"), Page: number})
	}))
	mux.HandleFunc("GET "+web.PathCluster, page(func(w *bytes.Buffer, q url.Values) (bool, error) {
		return web.Cluster(w, s.source.Atlas(), q.Get("namespace"), q.Get("name"))
	}))
	mux.HandleFunc("GET "+web.PathOverlaps, page(func(w *bytes.Buffer, _ url.Values) (bool, error) {
		return true, web.Overlaps(w, s.source.Atlas())
	}))
	mux.HandleFunc("GET "+web.PathPlan, page(func(w *bytes.Buffer, _ url.Values) (bool, error) {
		return true, web.Plan(w, s.source.Atlas(), web.Planned{})
	}))
	mux.Handle("POST "+web.PathPlan, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.plan)))
	mux.HandleFunc("GET "+web.PathEvents, s.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusNotFound, "Not found", "There is no such page.")
	})
	return mux
}

// page answers with what a function renders; it reports false if there is no such thing.
func page(render func(*bytes.Buffer, url.Values) (bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		switch found, err := render(&body, r.URL.Query()); {
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

// Close gives the address back; for a server that never served.
func (s *Server) Close() error { return s.listener.Close() }
