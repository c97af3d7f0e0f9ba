package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// httpProxy stands between an operator and the API server and sees the operator's requests. They arrive over plain
// HTTP at its handler, which calls pass to forward them.
type httpProxy struct {
	// Kubeconfig leads through the proxy.
	Kubeconfig string

	target *url.URL
	// token is the operator's, because clients do not send theirs over plain HTTP.
	token  string
	proxy  *httputil.ReverseProxy
	server *http.Server
}

// newHTTPProxy starts to serve the requests of an operator's identity with a handler. Suffix distinguishes its
// kubeconfig from those of other proxies for the same identity.
func newHTTPProxy(ctx context.Context, p *plane.Plane, user, suffix string, handler http.Handler) (*httpProxy, error) {
	path, config, listener, err := between(ctx, p, user)
	if err != nil {
		return nil, err
	}
	h := &httpProxy{
		Kubeconfig: filepath.Join(filepath.Dir(path), user+suffix),
		server:     &http.Server{Handler: handler, ReadHeaderTimeout: waitDelay},
	}
	for _, cluster := range config.Clusters {
		if h.target, err = url.Parse(cluster.Server); err != nil {
			return nil, fmt.Errorf("read the kubeconfig for the proxy: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(cluster.CertificateAuthorityData)
		h.proxy = httputil.NewSingleHostReverseProxy(h.target)
		h.proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
		h.proxy.FlushInterval = -1                    // for watches
		h.proxy.ErrorLog = log.New(io.Discard, "", 0) // failures are intended
		h.proxy.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) {
			rw.WriteHeader(http.StatusBadGateway)
		}
		cluster.Server, cluster.CertificateAuthorityData = "http://"+listener.Addr().String(), nil
	}
	for _, user := range config.AuthInfos {
		h.token = user.Token
	}
	if err := clientcmd.WriteToFile(*config, h.Kubeconfig); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of the proxy: %w", err)
	}
	go func() { _ = h.server.Serve(listener) }() // until Close
	return h, nil
}

// pass forwards a request to the API server, and returns its answer.
func (h *httpProxy) pass(rw http.ResponseWriter, r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+h.token)
	h.proxy.ServeHTTP(rw, r)
}

// isWrite reports whether a request writes anything except for events and leases.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/events") &&
		!strings.Contains(r.URL.Path, "/leases")
}
