package harness

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/gorizond/capi-vip-allocator/test/plane"
)

// LagProxy holds back what one kind's watch has to tell, and nothing else: that is what a lagging watch cache of one of several API
// servers looks like from outside. Nothing is lost and nothing is closed.
type LagProxy struct {
	*httpProxy
	suffix string

	mu   sync.Mutex
	gate chan struct{} // nil: open
}

// NewLagProxy returns a proxy for the watches whose path ends so.
func NewLagProxy(ctx context.Context, p *plane.Plane, user, suffix string) (*LagProxy, error) {
	l := &LagProxy{suffix: suffix}
	var err error
	l.httpProxy, err = newHTTPProxy(ctx, p, user, "-by-lag-proxy", l)
	return l, err
}

// Hold begins to hold back, Release tells all that was held back.
func (l *LagProxy) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate == nil {
		l.gate = make(chan struct{})
	}
}

func (l *LagProxy) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate != nil {
		close(l.gate)
		l.gate = nil
	}
}

func (l *LagProxy) Close() error { l.Release(); return l.server.Close() }

func (l *LagProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("watch") && strings.HasSuffix(r.URL.Path, l.suffix) {
		rw = &lagging{rw, l, r.Context()}
	}
	l.pass(rw, r)
}

type lagging struct {
	http.ResponseWriter
	proxy *LagProxy
	ctx   context.Context
}

func (l *lagging) Write(p []byte) (int, error) {
	l.proxy.mu.Lock()
	gate := l.proxy.gate
	l.proxy.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-l.ctx.Done():
		}
	}
	return l.ResponseWriter.Write(p)
}

func (l *lagging) Unwrap() http.ResponseWriter { return l.ResponseWriter }
