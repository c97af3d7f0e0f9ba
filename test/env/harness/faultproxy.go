package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Faults are the faults that a FaultProxy injects into requests, each with a probability from 0 to 1. Watches are
// only refused or delayed.
type Faults struct {
	// Refuse closes the connection before the API server has seen the request.
	Refuse float64
	// Drop closes the connection after the API server has carried the request out.
	Drop float64
	// Double sends a write a second time, before or after its answer.
	Double float64
	// Delay holds a request back, for up to Longest.
	Delay   float64
	Longest time.Duration
}

// The names under which a FaultProxy counts its faults.
const (
	FaultRefused = "refused"
	FaultDropped = "dropped"
	FaultDoubled = "doubled"
	FaultDelayed = "delayed"
)

// FaultProxy stands between an operator and the API server and breaks what no network guarantees: that a request
// arrives, that it arrives once and soon, that its answer arrives, that a watch lives or ends.
type FaultProxy struct {
	*httpProxy

	mu      sync.Mutex
	random  *rand.Rand
	faults  Faults
	cut     bool
	counts  map[string]int
	streams map[*stream]struct{}
	// late is closed to release what the watches of lateKind hold back; nil while they hold back nothing.
	late     chan struct{}
	lateKind string
}

// NewFaultProxy returns a proxy for an operator's identity that passes everything on until told otherwise. The seed
// fixes its random choices. Close it after the operator has ended.
func NewFaultProxy(ctx context.Context, p *plane.Plane, user string, seed uint64) (*FaultProxy, error) {
	f := &FaultProxy{random: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}, streams: map[*stream]struct{}{}}
	var err error
	f.httpProxy, err = newHTTPProxy(ctx, p, user, "-by-fault-proxy", f)
	return f, err
}

// Inject sets the faults from now on; the zero value ends them.
func (f *FaultProxy) Inject(faults Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Cut ends all connections and lets no new ones through, or lets them through again.
func (f *FaultProxy) Cut(cut bool) {
	f.mu.Lock()
	f.cut = cut
	f.mu.Unlock()
	if cut {
		f.CutWatches()
	}
}

// CutWatches ends all open watches and returns how many there were.
func (f *FaultProxy) CutWatches() int { return f.each(func(s *stream) { s.end() }) }

// StallWatches lets nothing more through on the open watches, without ending them: the operator sees silence. It
// returns how many there were.
func (f *FaultProxy) StallWatches() int { return f.each(func(s *stream) { s.stall() }) }

// Lag holds back the events of the watches of one kind, named by its plural, until CatchUp. Everything else passes.
// From outside this looks like the lagging watch cache of one of several API servers: nothing is lost and nothing is
// closed.
func (f *FaultProxy) Lag(kind string) {
	f.CatchUp()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late, f.lateKind = make(chan struct{}), kind
}

// CatchUp releases everything that the watches hold back.
func (f *FaultProxy) CatchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late != nil {
		close(f.late)
		f.late = nil
	}
}

// heldBack returns the channel that a watch of a path must wait for, or nil.
func (f *FaultProxy) heldBack(path string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late == nil || !strings.HasSuffix(path, "/"+f.lateKind) {
		return nil
	}
	return f.late
}

// Counts returns how often each fault happened.
func (f *FaultProxy) Counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Close ends the proxy and all connections through it.
func (f *FaultProxy) Close() error {
	f.CatchUp()
	f.CutWatches()
	return f.server.Close()
}

// fate is what happens to one request.
type fate struct {
	refused, dropped, doubledBefore, doubledAfter bool
	delay                                         time.Duration
}

// ServeHTTP implements http.Handler.
func (f *FaultProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("watch") {
		f.watch(rw, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fate := f.decide(isWrite(r))
	if !pause(r.Context(), fate.delay) || fate.refused {
		panic(http.ErrAbortHandler)
	}
	if fate.doubledBefore || fate.dropped {
		f.carryOut(r, body)
	}
	if fate.dropped {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.pass(rw, r)
	if fate.doubledAfter {
		f.carryOut(r, body)
	}
}

func (f *FaultProxy) decide(write bool) fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		return fate{refused: true}
	}
	var result fate
	happens := func(probability float64, name string) bool {
		if f.random.Float64() >= probability {
			return false
		}
		f.counts[name]++
		return true
	}
	if f.faults.Longest > 0 && happens(f.faults.Delay, FaultDelayed) {
		result.delay = time.Duration(f.random.Int64N(int64(f.faults.Longest)))
	}
	switch {
	case happens(f.faults.Refuse, FaultRefused):
		result.refused = true
	case happens(f.faults.Drop, FaultDropped):
		result.dropped = true
	case write && happens(f.faults.Double, FaultDoubled):
		result.doubledBefore = f.random.IntN(2) == 0
		result.doubledAfter = !result.doubledBefore
	}
	return result
}

// pause waits. It returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// carryOut has the API server carry out a request, whether or not the operator still waits for it, and discards the
// answer.
func (f *FaultProxy) carryOut(r *http.Request, body []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), waitDelay)
	defer cancel()
	target := *r.URL
	target.Scheme, target.Host = f.target.Scheme, f.target.Host
	request, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(body))
	if err != nil {
		return
	}
	request.Header = r.Header.Clone()
	request.Header.Set("Authorization", "Bearer "+f.token)
	response, err := f.proxy.Transport.RoundTrip(request)
	if err != nil {
		return // a request that got lost
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// watch passes on a watch so that it can be ended or stalled.
func (f *FaultProxy) watch(rw http.ResponseWriter, r *http.Request) {
	fate := f.decide(false)
	if !pause(r.Context(), fate.delay) || fate.refused || fate.dropped {
		panic(http.ErrAbortHandler)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &stream{ResponseWriter: rw, end: cancel, ended: ctx.Done(), stalled: make(chan struct{})}
	s.late = func() <-chan struct{} { return f.heldBack(r.URL.Path) }
	f.mu.Lock()
	f.streams[s] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.streams, s)
	}()
	f.pass(s, r.WithContext(ctx))
}

func (f *FaultProxy) each(do func(*stream)) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.streams {
		do(s)
	}
	return len(f.streams)
}

// stream is the answer to a watch.
type stream struct {
	http.ResponseWriter
	end     context.CancelFunc
	ended   <-chan struct{}
	once    sync.Once
	stalled chan struct{}
	// late returns the channel to wait for, or nil.
	late func() <-chan struct{}
}

func (s *stream) stall() { s.once.Do(func() { close(s.stalled) }) }

// Write implements io.Writer. On a stalled stream it blocks until the stream ends; on a late one it waits first.
func (s *stream) Write(p []byte) (int, error) {
	if late := s.late(); late != nil {
		select {
		case <-late:
		case <-s.ended:
		}
	}
	select {
	case <-s.stalled:
		<-s.ended
		return 0, fmt.Errorf("a stalled watch: %w", io.ErrClosedPipe)
	default:
		return s.ResponseWriter.Write(p)
	}
}

// Unwrap lets http.ResponseController flush.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
