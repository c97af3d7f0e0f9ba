package harness

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync/atomic"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// VersionProxy stands between an operator and the API server and hides a version of Cluster API's groups: what the
// operator makes is then what it makes where Cluster API is too old for that version.
type VersionProxy struct {
	*httpProxy
	reveals atomic.Bool
	hidden  string
}

// NewVersionProxy returns a proxy for the identity of an operator that hides a version until Reveal. Close it when the
// operator is dead.
func NewVersionProxy(ctx context.Context, p *plane.Plane, user, hidden string) (*VersionProxy, error) {
	v := &VersionProxy{hidden: hidden}
	var err error
	v.httpProxy, err = newHTTPProxy(ctx, p, user, "-by-version-proxy", v)
	return v, err
}

// Reveal hides the version no more.
func (v *VersionProxy) Reveal() { v.reveals.Store(true) }

// Close ends the proxy.
func (v *VersionProxy) Close() error { return v.server.Close() }

// ServeHTTP implements http.Handler.
func (v *VersionProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	group, ours := strings.CutPrefix(path.Dir(r.URL.Path), "/apis/")
	if ours && strings.HasSuffix(group, clusterGroup) && path.Base(r.URL.Path) == v.hidden && !v.reveals.Load() {
		http.NotFound(rw, r)
		return
	}
	v.pass(rw, r)
}
