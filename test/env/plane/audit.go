package plane

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
)

const (
	markerUserAgent = "plane-audit-marker"
	markerTimeout   = 30 * time.Second
	// auditPoll is shorter than other polls: the entry is written before the answer is sent.
	auditPoll = 2 * time.Millisecond
)

// Audit reads the audit log of a plane. It reads each line once, however often it is asked.
//
// The API server writes an entry before it finishes its answer. So the log has every request whose answer some client
// has read to its end; a request still in flight at a mark may fall on either side.
type Audit struct {
	path   string
	host   string
	client *http.Client

	mu      sync.Mutex
	file    *os.File
	reader  *bufio.Reader
	partial []byte
	parser  parser
	entries Entries
	markers map[string]bool
}

// Mark is a point in the audit log.
type Mark int

func newAudit(path string, admin *rest.Config) (*Audit, error) {
	config := rest.CopyConfig(admin)
	config.UserAgent = markerUserAgent
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("create the client of the audit log: %w", err)
	}
	return &Audit{path: path, host: admin.Host, client: client, parser: newParser(), markers: map[string]bool{}}, nil
}

// Mark returns the point in the audit log after all requests that have finished by now.
func (a *Audit) Mark(ctx context.Context) (Mark, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.barrier(ctx); err != nil {
		return 0, err
	}
	return Mark(len(a.entries)), nil
}

// Since returns all requests from the mark until now. The zero mark is the beginning of the log.
// The entries are shared: do not change them.
func (a *Audit) Since(ctx context.Context, mark Mark) (Entries, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.barrier(ctx); err != nil {
		return nil, err
	}
	if mark < 0 || int(mark) > len(a.entries) {
		return nil, fmt.Errorf("mark %d is not of this audit log, which has %d entries", mark, len(a.entries))
	}
	// The capacity ends with the slice, so that a caller's append copies.
	return a.entries[mark:len(a.entries):len(a.entries)], nil
}

// barrier sends a request that is distinct from all others, and reads the log until it appears.
func (a *Audit) barrier(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, markerTimeout)
	defer cancel()
	marker := "/version?audit-marker=" + string(uuid.NewUUID())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.host+marker, http.NoBody)
	if err != nil {
		return fmt.Errorf("mark the audit log: %w", err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("mark the audit log (the API server must be running): %w", err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()

	a.markers[marker] = false
	defer delete(a.markers, marker)
	ticker := time.NewTicker(auditPoll)
	defer ticker.Stop()
	for {
		if err := a.read(); err != nil {
			return err
		}
		if a.markers[marker] {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the audit log does not show its marker: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// read reads all complete lines that have arrived since the last call.
func (a *Audit) read() error {
	if a.file == nil {
		file, err := os.Open(a.path)
		if err != nil {
			return fmt.Errorf("open the audit log: %w", err)
		}
		a.file, a.reader = file, bufio.NewReaderSize(file, 1<<20)
	}
	for {
		line, err := a.reader.ReadBytes('\n')
		a.partial = append(a.partial, line...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		entry, ok, err := a.parser.parse(a.partial)
		a.partial = a.partial[:0]
		if err != nil {
			return err
		}
		if ok {
			a.add(entry)
		}
	}
}

// add keeps an entry, unless it is one of our markers.
func (a *Audit) add(entry Entry) {
	if strings.HasPrefix(entry.UserAgent, markerUserAgent) {
		if _, ours := a.markers[entry.URI]; ours {
			a.markers[entry.URI] = true
		}
		return
	}
	a.entries = append(a.entries, entry)
}

func (a *Audit) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
