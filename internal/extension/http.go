package extension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cluster-api/api/runtime/catalog"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The names of the hooks, as Cluster API's catalog has them.
const (
	hookDiscovery           = "Discovery"
	hookBeforeClusterCreate = "BeforeClusterCreate"
	hookGeneratePatches     = "GeneratePatches"
	hookValidateTopology    = "ValidateTopology"
)

// maxBody bounds a request, in bytes. The largest ones carry all templates of a Cluster's topology: some ten kilobytes
// for each MachineDeployment.
const maxBody = 10 << 20

const (
	// maxBodies bounds all requests that are being answered together, in bytes. Anybody who reaches the server may send them,
	// and read into objects they take several times their size.
	maxBodies = 32 << 20

	// maxComplaint is how many bytes an answer says about what is wrong with a request, which may quote it.
	maxComplaint = 512

	// admission is how long a request waits for others to be answered; Cluster API does not wait longer either.
	admission = timeoutSeconds * time.Second
)

var (
	errTooLarge = fmt.Errorf("the request is larger than %d bytes", maxBody)
	errBusy     = errors.New("too many large requests at once, try again later")
)

// path is the pattern under which Cluster API calls a handler; Discovery has no name.
func path(hook, name string) string {
	return "POST " + catalog.GVHToPath(catalog.GroupVersionHook{
		Group: hooks.GroupVersion.Group, Version: hooks.GroupVersion.Version, Hook: hook,
	}, name)
}

// response is what a hook answers.
type response interface {
	runtime.Object
	hooks.ResponseObject
}

// serve turns a function from request to response into a handler of HTTP.
func serve[Request any, Response response](e *extension, hook string, answer func(*Request) Response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := e.Now()
		result := telemetry.HookRefused
		defer func() {
			if p := recover(); p != nil {
				result = telemetry.HookPanicked
				e.Logger.Error("a runtime hook panicked", slog.String("hook", hook), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
				http.Error(w, "internal error, see the log of the operator", http.StatusInternalServerError)
			}
			e.Metrics.HookAnswered(hook, result, e.Now().Sub(begin))
		}()
		request := new(Request)
		release, status, err := e.admit(r)
		if err == nil {
			defer release()
			status, err = decode(w, r, request)
		}
		if err != nil {
			e.Logger.Debug("a request to a runtime hook is refused", slog.String("hook", hook), slog.Int("status", status), slog.Any("error", err))
			http.Error(w, err.Error(), status)
			return
		}
		response := answer(request)
		response.GetObjectKind().SetGroupVersionKind(hooks.GroupVersion.WithKind(hook + "Response"))
		result = telemetry.HookSucceeded
		if response.GetStatus() != hooks.ResponseStatusSuccess {
			result = telemetry.HookFailed
			e.Logger.Warn("a runtime hook answers with a failure", slog.String("hook", hook), slog.String("message", response.GetMessage()))
		}
		body, err := json.Marshal(response)
		if err != nil {
			result = telemetry.HookPanicked
			e.Logger.Error("the answer of a runtime hook cannot be written", slog.String("hook", hook), slog.Any("error", err))
			http.Error(w, "internal error, see the log of the operator", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			e.Logger.Debug("a caller of a runtime hook did not wait for its answer", slog.String("hook", hook), slog.Any("error", err))
		}
	})
}

// admit waits until there is room for a request, by the size that it says it has; one that does not say it may have any. The
// status is that of the error.
func (e *extension) admit(r *http.Request) (release func(), status int, err error) {
	size := r.ContentLength
	switch {
	case size > maxBody:
		return nil, http.StatusRequestEntityTooLarge, errTooLarge
	case size < 0:
		size = maxBody
	}
	ctx, cancel := context.WithTimeout(r.Context(), admission)
	defer cancel()
	if err := e.bodies.Acquire(ctx, size); err != nil {
		return nil, http.StatusServiceUnavailable, errBusy
	}
	return func() { e.bodies.Release(size) }, 0, nil
}

// decode reads a request. The status is that of the error.
func decode(w http.ResponseWriter, r *http.Request, request any) (int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, errTooLarge
	case err != nil:
		return http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
	}
	if err := json.Unmarshal(body, request); err != nil {
		return http.StatusBadRequest, errors.New(vip.Cut(fmt.Sprintf("the request is not what this hook takes: %v", err), maxComplaint))
	}
	return 0, nil
}
