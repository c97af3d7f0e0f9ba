package harness

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// WriteProxy stands between an operator and the API server and recognises the operator's writes. It stops one of
// them, so that a test can kill the operator in the middle of it.
type WriteProxy struct {
	*httpProxy
	// Reached is closed when that write arrives.
	Reached chan struct{}

	at    int
	after bool
	free  chan struct{}

	mu     sync.Mutex
	writes []string
}

// NewWriteProxy returns a proxy for an operator's identity that stops the operator's at-th write, counted from 1:
// before the API server sees it, or after the API server has carried it out and before the operator learns of it.
// Writes of events and leases do not count. Close it after the operator has ended.
func NewWriteProxy(ctx context.Context, p *plane.Plane, user string, at int, after bool) (*WriteProxy, error) {
	w := &WriteProxy{Reached: make(chan struct{}), free: make(chan struct{}), at: at, after: after}
	var err error
	if w.httpProxy, err = newHTTPProxy(ctx, p, user, "-by-write-proxy", w); err != nil {
		return nil, err
	}
	w.proxy.ModifyResponse = w.answered
	return w, nil
}

// stopped marks the request whose answer is held back.
type stopped struct{}

// ServeHTTP implements http.Handler.
func (w *WriteProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if isWrite(r) && w.count(r) == w.at {
		if !w.after {
			w.stop()
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), stopped{}, true))
	}
	w.pass(rw, r)
}

// errStopped ends an answer that must not be sent.
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
