package live

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPulse: changed is called once when answers stop, counted from the last answer, and once when they resume.
func TestPulse(t *testing.T) {
	var p pulse
	ticks, asked := make(chan time.Time), make(chan error)
	changes := 0
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		p.run(ctx, ticks, func(context.Context) error { return <-asked }, func() { changes++ })
		close(ended)
	}()
	began := time.Now()
	answers := func(err error) {
		ticks <- time.Time{}
		asked <- err
	}
	gone := errors.New("connection refused")
	answers(nil)
	answers(nil)
	ticks <- time.Time{} // what came before has been noted
	last := time.Now()
	asked <- gone
	answers(gone)
	ticks <- time.Time{}
	assert.False(t, p.since().Before(began))
	assert.False(t, p.since().After(last), "what is shown is as old as the last answer")
	asked <- nil
	ticks <- time.Time{}
	assert.Zero(t, p.since())
	asked <- nil
	cancel()
	<-ended
	assert.Equal(t, 2, changes)
}
