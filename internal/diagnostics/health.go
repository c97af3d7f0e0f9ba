package diagnostics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Check returns what is wrong, or nil. Every probe calls it, possibly concurrently, and it must not block.
type Check func() error

// Health collects the checks behind /healthz and /readyz. Without checks both pass: a standby has nothing to check
// yet and is ready, so that a rollout does not wait for it to become the leader. Checks can be added at any time.
type Health struct {
	logger *slog.Logger

	mu    sync.Mutex
	live  []*namedCheck
	ready []*namedCheck
}

type namedCheck struct {
	name  string
	check Check
	// failing is the last result, kept so that only changes are logged.
	failing bool
}

// NewHealth returns a Health without checks. It logs when a check begins to fail, with the reason, and when it passes
// again.
func NewHealth(logger *slog.Logger) *Health {
	return &Health{logger: logger}
}

// AddLiveCheck adds a check to /healthz: its failure makes the kubelet restart the pod.
func (h *Health) AddLiveCheck(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = append(h.live, &namedCheck{name: name, check: check})
}

// AddReadyCheck adds a check to /readyz: its failure takes the pod out of its Services.
func (h *Health) AddReadyCheck(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = append(h.ready, &namedCheck{name: name, check: check})
}

// Handler answers /healthz (also as /livez, its newer name in Kubernetes) and /readyz with status 200 or 503 and a
// line for each check, as Kubernetes components do. Failure reasons are only logged, since anyone can call the
// probes.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	live := h.handle("healthz", func() []*namedCheck { return h.live })
	mux.Handle("GET /healthz", live)
	mux.Handle("GET /livez", live)
	mux.Handle("GET /readyz", h.handle("readyz", func() []*namedCheck { return h.ready }))
	return mux
}

func (h *Health) handle(probe string, list func() []*namedCheck) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		report, healthy := h.run(probe, list)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		if !healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if _, err := fmt.Fprint(w, report); err != nil {
			h.logger.Debug("a probe did not wait for its answer", slog.Any(names.ErrorKey, err))
		}
	})
}

// run calls the checks and writes the report.
func (h *Health) run(probe string, list func() []*namedCheck) (report string, healthy bool) {
	h.mu.Lock()
	checks := append([]*namedCheck{}, list()...)
	h.mu.Unlock()

	var text strings.Builder
	healthy = true
	for _, c := range checks {
		if err := h.runOne(probe, c); err != nil {
			healthy = false
			fmt.Fprintf(&text, "[-]%s failed: see the log for the reason\n", c.name)
		} else {
			fmt.Fprintf(&text, "[+]%s ok\n", c.name)
		}
	}
	if healthy {
		fmt.Fprintf(&text, "%s check passed\n", probe)
	} else {
		fmt.Fprintf(&text, "%s check failed\n", probe)
	}
	return text.String(), healthy
}

// runOne calls a check without holding the lock, and logs when its result has changed.
func (h *Health) runOne(probe string, c *namedCheck) error {
	err := c.check()
	h.mu.Lock()
	changed := c.failing != (err != nil)
	c.failing = err != nil
	h.mu.Unlock()
	switch {
	case changed && err != nil:
		h.logger.Warn("a check fails", slog.String("probe", probe), slog.String("check", c.name),
			slog.Any(names.ErrorKey, err))
	case changed:
		h.logger.Info("a check passes again", slog.String("probe", probe), slog.String("check", c.name))
	}
	return err
}

// ListenHealth binds the probe server to address; "" and "0" switch it off. If the address cannot be bound, the error
// names the flag.
func ListenHealth(ctx context.Context, address string, health *Health, logger *slog.Logger) (*Server, error) {
	return Listen(ctx, Spec{
		Name: "health", Flag: "health-addr", Address: address, Handler: health.Handler(), Logger: logger,
		OneRequest: true, // as the kubelet connects: idle connections of others cannot lock its probes out
	})
}
