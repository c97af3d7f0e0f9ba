package serve

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// apart is the least time between reported changes: a browser needs a moment to redraw the page.
	apart = time.Second
	// heartbeat keeps an idle connection open, and finds out whether someone is there.
	heartbeat = 15 * time.Second
)

// changes notifies everyone who waits for changes.
type changes struct {
	mutex sync.Mutex
	next  chan struct{}
}

func newChanges() *changes { return &changes{next: make(chan struct{})} }

// tell wakes everyone who waits.
func (c *changes) tell() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	close(c.next)
	c.next = make(chan struct{})
}

// wait returns a channel that the next change closes.
func (c *changes) wait() <-chan struct{} {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.next
}

// events sends changes to a browser, as server-sent events, until the browser leaves.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		refuse(w, r, http.StatusServiceUnavailable, "Too many look", "Load the page again to see what has changed.")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	connection := http.NewResponseController(w)
	send := func(text string) bool {
		if connection.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return false
		}
		_, err := io.WriteString(w, text)
		return err == nil && connection.Flush() == nil
	}
	if connection.SetReadDeadline(time.Time{}) != nil { // the deadline of requests would end this one
		return
	}
	changed := s.changes.wait()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for ok := send(": here\n\n"); ok; {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			ok = send(": still here\n\n")
		case <-changed:
			changed = s.changes.wait()
			if ok = send("event: change\ndata: \n\n"); ok {
				ok = rest(r)
			}
		}
	}
}

// rest waits a moment, and reports whether the request is still open.
func rest(r *http.Request) bool {
	pause := time.NewTimer(apart)
	defer pause.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-pause.C:
		return true
	}
}
