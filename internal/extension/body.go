package extension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

const (
	// maxBody bounds a request, in bytes. The largest ones carry all templates of a Cluster's topology: some ten kilobytes
	// for each MachineDeployment.
	maxBody = 10 << 20

	// maxBodies bounds what all requests together may hold beyond smallBody each, in bytes. Anybody who reaches the server
	// may send them, and read into objects they take several times their size.
	maxBodies = 32 << 20

	// smallBody is how many bytes each request has for itself, so that a usual one waits for nobody. The server takes so
	// few connections that all of these together are bounded too.
	smallBody = 64 << 10

	// bodyTime is how long a body may take to arrive. Cluster API sends its own at once and waits for five seconds in all.
	bodyTime = 2 * time.Second

	// maxComplaint is how many bytes an answer says about what is wrong with a request, which may quote it.
	maxComplaint = 512

	// admission is how long a request waits for others to be answered; Cluster API does not wait longer either.
	admission = timeoutSeconds * time.Second
)

var (
	errTooLarge = fmt.Errorf("the request is larger than %d bytes", maxBody)
	errBusy     = errors.New("too many large requests at once, try again later")
)

// body is what was read of a request, and the room that it takes. Bytes count as they come: what a client says that it
// will send takes nothing from others.
type body struct {
	room    *semaphore.Weighted
	taken   int64
	content []byte
}

// read reads the body of a request within bodyTime. The status is that of the error.
func (b *body) read(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge, errTooLarge
	}
	// A recorder, as in tests, has no deadlines; a server's connections do.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	ctx, cancel := context.WithTimeout(r.Context(), admission)
	defer cancel()
	reader, chunk := http.MaxBytesReader(w, r.Body, maxBody), make([]byte, 32<<10)
	for {
		n, err := reader.Read(chunk)
		if !b.admit(ctx, int64(len(b.content)+n)) {
			return http.StatusServiceUnavailable, errBusy
		}
		b.content = append(b.content, chunk[:n]...)
		var tooLarge *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case errors.As(err, &tooLarge):
			return http.StatusRequestEntityTooLarge, errTooLarge
		case err != nil:
			return http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
		}
	}
}

// admit waits until there is room for so many bytes.
func (b *body) admit(ctx context.Context, size int64) bool {
	more := size - smallBody - b.taken
	if more <= 0 {
		return true
	}
	if b.room.Acquire(ctx, more) != nil {
		return false
	}
	b.taken += more
	return true
}

func (b *body) release() { b.room.Release(b.taken) }

// decode reads a request. The status is that of the error.
func decode(content []byte, request any) (int, error) {
	if err := json.Unmarshal(content, request); err != nil {
		return http.StatusBadRequest, errors.New(vip.Cut(fmt.Sprintf("the request is not what this hook takes: %v", err), maxComplaint))
	}
	return 0, nil
}
