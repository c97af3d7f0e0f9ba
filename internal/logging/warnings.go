package logging

import (
	"cmp"
	"log/slog"
	"sync"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// maxWarnings bounds how many different API warnings are remembered; further new ones are dropped.
const maxWarnings = 256

// warningCode is the only warning code that Kubernetes uses (RFC 7234, section 5.5).
const warningCode = 299

// Warnings logs each of the API server's warnings once, as far as it is safe to print. client-go would log it on
// every request.
type Warnings struct {
	logger *slog.Logger

	mu   sync.Mutex
	seen map[string]struct{}
}

// NewWarnings returns a Warnings that logs to logger.
func NewWarnings(logger *slog.Logger) *Warnings {
	return &Warnings{logger: logger, seen: map[string]struct{}{}}
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *Warnings) HandleWarningHeader(code int, _, text string) {
	if code != warningCode || text == "" {
		return
	}
	text = cmp.Or(capi.PrintableWarning(text),
		"an admission webhook warns of a write; its words are left out, since they may quote the object")
	if w.isNew(text) {
		w.logger.Warn("the API server warns", "warning", text)
	}
}

func (w *Warnings) isNew(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, found := w.seen[text]; found || len(w.seen) >= maxWarnings {
		return false
	}
	w.seen[text] = struct{}{}
	return true
}
