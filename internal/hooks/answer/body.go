package answer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

const (
	// maxBody bounds a request, in bytes. The largest carry all templates of a Cluster's topology: some ten kilobytes
	// for each MachineDeployment.
	maxBody = 10 << 20

	// bodyTime is how long a client may take to send a body or to read an answer. Cluster API sends its bodies at
	// once and waits for five seconds in all.
	bodyTime = 2 * time.Second

	// maxComplaint bounds an error about a bad request, in bytes, since the error may quote the request.
	maxComplaint = 512
)

var (
	errTooLarge = fmt.Errorf("the request is larger than %d bytes", maxBody)
	errSlow     = fmt.Errorf("the request did not arrive within %s", bodyTime)
	errBusy     = errors.New("too many large requests at once, try again later")
)

// body is the part of a request read so far, and the room that it or its answer takes. Bytes count as they arrive;
// the announced length takes nothing from others.
type body struct {
	room    *room
	content []byte

	// The room's lock guards the rest. taken is how many bytes of the room the body has, since when it began to wait
	// for its client; hangUp ends that wait, and late says that it was called.
	taken  int64
	since  time.Time
	hangUp func()
	late   bool
}

// read reads the body of a request within bodyTime. The status is the HTTP status for the error.
func (b *body) read(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge, errTooLarge
	}
	ctx, cancel := context.WithTimeout(r.Context(), bodyTime)
	defer cancel()
	connection := http.NewResponseController(w)
	// The recorders of tests have no deadlines, unlike a server's connections.
	_ = connection.SetReadDeadline(time.Now().Add(bodyTime))
	b.room.await(b, func() {
		cancel()
		_ = connection.SetReadDeadline(time.Now())
	})
	status, err := b.readAll(ctx, http.MaxBytesReader(w, r.Body, maxBody))
	if b.room.arrived(b) {
		return http.StatusServiceUnavailable, errBusy
	}
	return status, err
}

func (b *body) readAll(ctx context.Context, from io.Reader) (int, error) {
	chunk := make([]byte, 32<<10)
	for {
		n, err := from.Read(chunk)
		if !b.room.admit(ctx, b, int64(len(b.content)+n)) {
			return http.StatusServiceUnavailable, errBusy
		}
		b.content = append(b.content, chunk[:n]...)
		var tooLarge *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case errors.As(err, &tooLarge):
			return http.StatusRequestEntityTooLarge, errTooLarge
		case errors.Is(err, os.ErrDeadlineExceeded):
			return http.StatusRequestTimeout, errSlow
		case err != nil:
			return http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
		}
	}
}

// answer sends the answer, which takes the request's place in the room. A client that does not read it counts as
// waited for, like one that does not send.
func (b *body) answer(w http.ResponseWriter, content []byte) error {
	b.content = nil
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Now().Add(bodyTime))
	b.room.replace(b, int64(len(content)))
	b.room.await(b, func() { _ = connection.SetWriteDeadline(time.Now()) })
	defer b.room.arrived(b)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	if _, err := w.Write(content); err != nil {
		return err
	}
	// Send what the server still buffers here, while it counts.
	if err := connection.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// decode parses a request. The status is the HTTP status for the error.
func decode(content []byte, request any) (int, error) {
	if err := json.Unmarshal(content, request); err != nil {
		return http.StatusBadRequest,
			errors.New(vip.Cut(fmt.Sprintf("the request is not what this hook takes: %v", err), maxComplaint))
	}
	return 0, nil
}
