// Package probe finds out whether someone answers on an address. It probes a bounded number of addresses at once, in
// the background. It opens TCP connections and sends nothing.
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

// Result is the outcome of a probe.
type Result string

// The results.
const (
	// Free means that nobody answered.
	Free Result = "free"
	// InUse means that someone accepted a connection, or refused it.
	InUse Result = "in_use"
	// Unknown means that no connection could be tried.
	Unknown Result = "unknown"
)

// Limit is how many addresses are probed at once.
const Limit = 32

// Prober probes addresses. Waiting probes take turns by namespace, so that a namespace with many Clusters does not
// delay the others.
type Prober struct {
	ctx     context.Context //nolint:containedctx // the work outlives the calls that ask for it
	timeout time.Duration
	limit   int

	mu      sync.Mutex
	running int
	// waiting has the queued probes by namespace, turns the namespaces in the order of their turns.
	waiting map[string][]func()
	turns   []string
}

// New returns a prober that waits up to timeout for an answer, probes up to limit addresses at once, and works until
// ctx ends.
func New(ctx context.Context, timeout time.Duration, limit int) *Prober {
	return &Prober{ctx: ctx, timeout: timeout, limit: limit, waiting: map[string][]func(){}}
}

// Ask queues a probe of an address and returns immediately. It calls done with the result, and the reason if that is
// Unknown, but not after the prober's context has ended.
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

// run works off the queue until it is empty.
func (p *Prober) run() {
	for {
		work := p.next()
		if work == nil {
			return
		}
		work()
	}
}

// next takes the next probe from the queue. It returns nil if the queue is empty, and the caller must end.
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

// Try connects to all ports of an address at once and returns the result, and the reason if it is Unknown. A refused
// connection is an answer too: someone has the address.
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
				_ = conn.Close() // it has served its purpose
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

// judge returns what the outcome of one connection means.
func judge(err error) (Result, string) {
	var errno syscall.Errno
	var network net.Error
	switch {
	case err == nil, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return InUse, ""
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN),
		errors.Is(err, os.ErrDeadlineExceeded):
		return Free, "" // nobody answered for the hardware address, or there was no route onwards
	case errors.As(err, &network) && network.Timeout():
		return Free, ""
	case errors.As(err, &errno):
		return Unknown, errno.Error()
	}
	return Unknown, "no connection could be tried"
}
