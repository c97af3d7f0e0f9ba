package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gorizond/capi-vip-allocator/test/plane"
)

// WriteProxy stands between an operator and the API server and knows the operator's writes. It lets one of them go no
// further, so that a test can kill the operator in the middle of it.
type WriteProxy struct {
	// Kubeconfig leads through the proxy.
	Kubeconfig string
	// Reached is closed when the write is there.
	Reached chan struct{}

	at    int
	after bool
	// token is the operator's: clients do not send it over a plain connection.
	token string

	server *http.Server
	proxy  *httputil.ReverseProxy
	free   chan struct{}

	mu     sync.Mutex
	writes []string
}

// NewWriteProxy returns a proxy for the identity of an operator that stops the operator's at-th write, counted from 1: before
// the API server sees it, or after the API server has done it and before the operator learns of it. Writes of events and
// leases do not count. Close it when the operator is dead.
func NewWriteProxy(ctx context.Context, p *plane.Plane, user string, at int, after bool) (*WriteProxy, error) {
	path, config, listener, err := between(ctx, p, user)
	if err != nil {
		return nil, err
	}
	w := &WriteProxy{
		Kubeconfig: filepath.Join(filepath.Dir(path), user+"-by-write-proxy"),
		Reached:    make(chan struct{}), free: make(chan struct{}), at: at, after: after,
	}
	for _, cluster := range config.Clusters {
		target, err := url.Parse(cluster.Server)
		if err != nil {
			return nil, fmt.Errorf("read the kubeconfig for the proxy: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(cluster.CertificateAuthorityData)
		w.proxy = httputil.NewSingleHostReverseProxy(target)
		w.proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
		w.proxy.FlushInterval = -1 // watches
		w.proxy.ModifyResponse = w.answered
		w.proxy.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) }
		cluster.Server, cluster.CertificateAuthorityData = "http://"+listener.Addr().String(), nil
	}
	for _, user := range config.AuthInfos {
		w.token = user.Token
	}
	if err := clientcmd.WriteToFile(*config, w.Kubeconfig); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of the proxy: %w", err)
	}
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: waitDelay}
	go func() { _ = w.server.Serve(listener) }() // until Close
	return w, nil
}

// stopped marks the request whose answer is held back.
type stopped struct{}

// ServeHTTP implements http.Handler.
func (w *WriteProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if w.isWrite(r) && w.count(r) == w.at {
		if !w.after {
			w.stop()
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), stopped{}, true))
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	w.proxy.ServeHTTP(rw, r)
}

// errStopped ends an answer that is not to be given.
var errStopped = errors.New("the operator is to die before it learns of this")

func (w *WriteProxy) answered(r *http.Response) error {
	if r.Request.Context().Value(stopped{}) == nil {
		return nil
	}
	w.stop()
	return errStopped
}

// stop tells the test, and waits until the operator is dead.
func (w *WriteProxy) stop() {
	close(w.Reached)
	<-w.free
}

func (w *WriteProxy) isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") && !strings.Contains(r.URL.Path, "/leases")
}

func (w *WriteProxy) count(r *http.Request) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, r.Method+" "+r.URL.Path)
	return len(w.writes)
}

// Writes returns the writes so far, as method and path.
func (w *WriteProxy) Writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.writes...)
}

// Close ends the proxy.
func (w *WriteProxy) Close() error {
	close(w.free)
	return w.server.Close()
}
