// Package probe finds out whether someone answers on an address, a bounded number of them at once and beside all other
// work. It opens TCP connections and sends nothing.
package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Result is what came of a probe.
type Result string

// The results.
const (
	// Free says that nobody answered.
	Free Result = "free"
	// InUse says that someone accepted a connection, or refused it.
	InUse Result = "in_use"
	// Unknown says that no connection could be tried, so that it cannot be told.
	Unknown Result = "unknown"
)

// Limit is how many addresses are probed at once.
const Limit = 32

// Prober probes addresses. What has to wait is taken by namespaces in turn, so that a namespace with many Clusters does
// not keep others waiting.
type Prober struct {
	ctx     context.Context //nolint:containedctx // the work outlives the calls that ask for it
	timeout time.Duration
	limit   int

	mu      sync.Mutex
	running int
	// waiting are the probes of each namespace that has any, and turns the namespaces in their order.
	waiting map[string][]func()
	turns   []string
}

// New returns a prober that waits for an answer for as long as timeout and works until ctx ends.
func New(ctx context.Context, timeout time.Duration, limit int) *Prober {
	return &Prober{ctx: ctx, timeout: timeout, limit: limit, waiting: map[string][]func(){}}
}

// Ask has an address probed, and returns at once. Done is told the result, and why if it is Unknown; it is not called
// when the prober's context has ended.
func (p *Prober) Ask(namespace string, addr netip.Addr, ports []uint16, done func(result Result, why string)) {
	work := func() {
		result, why := Try(p.ctx, p.timeout, addr, ports)
		if p.ctx.Err() == nil {
			done(result, why)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting[namespace]) == 0 {
		p.turns = append(p.turns, namespace)
	}
	p.waiting[namespace] = append(p.waiting[namespace], work)
	if p.running < p.limit {
		p.running++
		go p.run()
	}
}

// run probes what waits until nothing does.
func (p *Prober) run() {
	for {
		work := p.next()
		if work == nil {
			return
		}
		work()
	}
}

// next takes the next probe; nil if none waits, and then the caller has ended.
func (p *Prober) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.turns) == 0 {
		p.running--
		return nil
	}
	namespace := p.turns[0]
	p.turns = p.turns[1:]
	queue := p.waiting[namespace]
	if len(queue) > 1 {
		p.waiting[namespace] = queue[1:]
		p.turns = append(p.turns, namespace)
	} else {
		delete(p.waiting, namespace)
	}
	return queue[0]
}

// Try connects to all ports of an address at once and tells what came of it, and why if it is Unknown. A connection
// that is refused is an answer as well: someone has the address.
func Try(ctx context.Context, timeout time.Duration, addr netip.Addr, ports []uint16) (Result, string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		result Result
		why    string
	}
	answers := make(chan answer, len(ports))
	for _, port := range ports {
		go func() {
			dialer := net.Dialer{Timeout: timeout}
			conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
			if err == nil {
				_ = conn.Close() // it has told what it was opened for
			}
			result, why := judge(err)
			answers <- answer{result, why}
		}()
	}
	best := answer{result: Free}
	for range ports {
		switch got := <-answers; got.result {
		case InUse:
			return InUse, ""
		case Unknown:
			best = got
		case Free:
		}
	}
	return best.result, best.why
}

// judge tells what the outcome of one connection says.
func judge(err error) (Result, string) {
	var errno syscall.Errno
	var network net.Error
	switch {
	case err == nil, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return InUse, ""
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN),
		errors.Is(err, os.ErrDeadlineExceeded):
		return Free, "" // nobody told the hardware address, or where the way goes on
	case errors.As(err, &network) && network.Timeout():
		return Free, ""
	case errors.As(err, &errno):
		return Unknown, errno.Error()
	}
	return Unknown, "no connection could be tried"
}
