package live

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// beat is how often the API server is pinged while a world is watched.
	beat = 5 * time.Second
	// silence is how long an answer may take.
	silence = 5 * time.Second
)

// pulse knows since when an API server has not answered. Watches do not tell: a cache that cannot be filled keeps what
// it has.
type pulse struct{ lost atomic.Pointer[time.Time] }

// since returns when the API server last answered; zero if it answers, or was never asked.
func (p *pulse) since() time.Time {
	if p == nil {
		return time.Time{}
	}
	if lost := p.lost.Load(); lost != nil {
		return *lost
	}
	return time.Time{}
}

// run asks at every tick until ctx ends, and calls changed when answers stop or resume.
func (p *pulse) run(ctx context.Context, ticks <-chan time.Time, ask func(context.Context) error, changed func()) {
	heard := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		limited, cancel := context.WithTimeout(ctx, silence)
		err := ask(limited)
		cancel()
		before := p.lost.Load()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			heard = time.Now()
			p.lost.Store(nil)
		case before == nil:
			since := heard
			p.lost.Store(&since)
		}
		if (before == nil) != (err == nil) {
			changed()
		}
	}
}

// ask makes a small request that every authenticated user may make.
func (r *Reader) ask(ctx context.Context) error {
	return r.core.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
}
