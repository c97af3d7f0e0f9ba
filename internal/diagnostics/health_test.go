package diagnostics

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/logging"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

func probe(h *Health, path string) (int, string) {
	recorder := httptest.NewRecorder()
	h.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return recorder.Code, recorder.Body.String()
}

func TestHealth(t *testing.T) {
	fine := func() error { return nil }
	broken := func() error { return errors.New("the cache at https://10.0.0.1 is not synced") }
	tests := map[string]struct {
		setup  func(*Health)
		path   string
		status int
		body   string
	}{
		"if there are no checks, as on a standby, should be ready": {
			func(*Health) {}, "/readyz", http.StatusOK, "readyz check passed\n",
		},
		"if all checks pass, should list them": {
			func(h *Health) { h.AddReadyCheck("informers", fine); h.AddReadyCheck("discovery", fine) },
			"/readyz", http.StatusOK, "[+]informers ok\n[+]discovery ok\nreadyz check passed\n",
		},
		"if a check fails, should name it and keep the reason": {
			func(h *Health) { h.AddReadyCheck("informers", broken); h.AddReadyCheck("discovery", fine) },
			"/readyz", http.StatusServiceUnavailable,
			"[-]informers failed: see the log for the reason\n[+]discovery ok\nreadyz check failed\n",
		},
		"if it is not ready, should be alive all the same": {
			func(h *Health) { h.AddReadyCheck("informers", broken) }, "/healthz", http.StatusOK,
			"healthz check passed\n",
		},
		"if a live check fails, should not be alive": {
			func(h *Health) { h.AddLiveCheck("loop", broken) }, "/livez", http.StatusServiceUnavailable,
			"[-]loop failed: see the log for the reason\nhealthz check failed\n",
		},
		"if the path is another, should not be found": {
			func(*Health) {}, "/", http.StatusNotFound, "404 page not found\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := NewHealth(slog.New(slog.DiscardHandler))
			test.setup(h)
			status, body := probe(h, test.path)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.body, body)
		})
	}
}

func TestHealthLogsChangesOnly(t *testing.T) {
	var log bytes.Buffer
	h := NewHealth(logging.New(&log, slog.LevelInfo, options.LogJSON))
	err := errors.New("not synced")
	h.AddReadyCheck("informers", func() error { return err })
	probe(h, "/readyz")
	probe(h, "/readyz")
	err = nil
	probe(h, "/readyz")
	probe(h, "/readyz")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	assert.Len(t, lines, 2)
	assert.Contains(t, lines[0], `"error":"not synced"`)
	assert.Contains(t, lines[1], "passes again")
}
