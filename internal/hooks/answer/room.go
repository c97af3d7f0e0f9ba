package answer

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxBodies bounds what all requests together may hold beyond smallBody each, in bytes. Anyone who reaches the
	// server can send requests, and decoded into objects they take several times their size.
	maxBodies = 32 << 20

	// smallBody is how many bytes each request has for itself, so that an ordinary one never waits. The server's
	// limit on connections bounds the sum of these too.
	smallBody = 64 << 10

	// hurry is how long a request may wait for its client while others need its room. Cluster API takes milliseconds.
	hurry = 250 * time.Millisecond

	// glance is how often a request that waits for room checks which others have become late.
	glance = 20 * time.Millisecond
)

// room is the memory that requests share. When it is full, the requests that have waited longest for their clients
// must leave. Otherwise slow clients could keep the room, and two requests could wait forever for each other's share.
type room struct {
	lock sync.Mutex
	free int64
	// awaited are the bodies that wait for their clients, longest first.
	awaited []*body
	// leaving is how many bytes those that were told to leave will soon give back.
	leaving int64
	// freed is closed when bytes are given back.
	freed chan struct{}
}

func newRoom(size int64) *room { return &room{free: size, freed: make(chan struct{})} }

// await notes that a body waits for its client from now on, and how to end that wait.
func (r *room) await(b *body, hangUp func()) {
	r.lock.Lock()
	defer r.lock.Unlock()
	b.since, b.hangUp = time.Now(), hangUp
	r.awaited = append(r.awaited, b)
}

// arrived notes that a body no longer waits for its client, and reports whether it was told to leave.
func (r *room) arrived(b *body) (late bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.awaited = slices.DeleteFunc(r.awaited, func(other *body) bool { return other == b })
	return b.late
}

// admit waits until a body may grow to size bytes, and reports whether it may.
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

// makeRoom tells late bodies that hold bytes to leave, until size bytes are free or will be. The body one, for which
// it makes room, does not wait for its client and stays.
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

// replace changes a body's share to what size bytes need. These are already in memory, so it does not wait.
func (r *room) replace(b *body, size int64) {
	r.lock.Lock()
	defer r.lock.Unlock()
	more := max(0, size-smallBody) - b.taken
	b.take(more)
	if more < 0 {
		r.wake()
	}
}

// release gives back everything a body has taken.
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
