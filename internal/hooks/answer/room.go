package answer

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxBodies bounds what all requests together may hold beyond smallBody each, in bytes. Anyone who reaches the
	// server may send them, and read into objects they take several times their size.
	maxBodies = 32 << 20

	// smallBody is how many bytes each request has for itself, so that a usual one waits for nobody. The server takes
	// so few connections that all of these together are bounded too.
	smallBody = 64 << 10

	// hurry is how long a client may be waited for while others need its room. Cluster API's take milliseconds.
	hurry = 250 * time.Millisecond

	// glance is how often those who wait for room look who is late by now.
	glance = 20 * time.Millisecond
)

// room is what requests share. When it is full, those whose clients are waited for the longest leave for those that
// come: waiting alone would let slow clients keep it, and two that each wait for the other's share would wait for ever.
type room struct {
	lock sync.Mutex
	free int64
	// awaited are the bodies whose clients are waited for, the one that began first leading.
	awaited []*body
	// leaving is what those give back soon that were told to leave.
	leaving int64
	// freed is closed when bytes are given back.
	freed chan struct{}
}

func newRoom(size int64) *room { return &room{free: size, freed: make(chan struct{})} }

// await notes that a body depends on its client from now on, and how to end that.
func (r *room) await(b *body, hangUp func()) {
	r.lock.Lock()
	defer r.lock.Unlock()
	b.since, b.hangUp = time.Now(), hangUp
	r.awaited = append(r.awaited, b)
}

// arrived notes that a body depends on its client no longer, and reports whether it was told to leave before.
func (r *room) arrived(b *body) (late bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.awaited = slices.DeleteFunc(r.awaited, func(other *body) bool { return other == b })
	return b.late
}

// admit waits until a body may have so many bytes, and reports whether it may.
func (r *room) admit(ctx context.Context, b *body, size int64) bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	more := size - smallBody - b.taken
	if more <= 0 || b.late {
		return !b.late
	}
	for r.free < more {
		r.makeRoom(b, more)
		freed := r.freed
		r.lock.Unlock()
		again := time.NewTimer(glance)
		select {
		case <-freed:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		r.lock.Lock()
		if b.late || ctx.Err() != nil {
			return false
		}
	}
	b.take(more)
	return true
}

// makeRoom tells as many as it takes to leave for one of them, of those that are late and have something to give. The
// one itself waits for room and not for its client, so it stays.
func (r *room) makeRoom(one *body, size int64) {
	for _, b := range r.awaited {
		if r.free+r.leaving >= size {
			return
		}
		if b != one && !b.late && b.taken > 0 && time.Since(b.since) > hurry {
			b.late = true
			r.leaving += b.taken
			b.hangUp()
		}
	}
}

// replace gives a body the room for so many bytes instead of what it has. They are there already, so it does not ask.
func (r *room) replace(b *body, size int64) {
	r.lock.Lock()
	defer r.lock.Unlock()
	more := max(0, size-smallBody) - b.taken
	b.take(more)
	if more < 0 {
		r.wake()
	}
}

// release takes all that a body has.
func (r *room) release(b *body) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if b.late {
		r.leaving -= b.taken
	}
	b.take(-b.taken)
	r.wake()
}

func (b *body) take(more int64) {
	b.taken += more
	b.room.free -= more
}

func (r *room) wake() {
	close(r.freed)
	r.freed = make(chan struct{})
}
