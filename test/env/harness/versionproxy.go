package harness

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync/atomic"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// VersionProxy stands between an operator and the API server and hides a version of Cluster API's groups: the
// operator then creates what it would create with a Cluster API too old for that version.
type VersionProxy struct {
	*httpProxy
	reveals atomic.Bool
	hidden  string
}

// NewVersionProxy returns a proxy for an operator's identity that hides a version until Reveal. Close it after the
// operator has ended.
func NewVersionProxy(ctx context.Context, p *plane.Plane, user, hidden string) (*VersionProxy, error) {
	v := &VersionProxy{hidden: hidden}
	var err error
	v.httpProxy, err = newHTTPProxy(ctx, p, user, "-by-version-proxy", v)
	return v, err
}

// Reveal stops hiding the version.
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
