package answer

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cluster-api/api/runtime/catalog"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
)

// The names of the hooks in Cluster API's catalog.
const (
	hookDiscovery           = "Discovery"
	hookBeforeClusterCreate = "BeforeClusterCreate"
	hookGeneratePatches     = "GeneratePatches"
	hookValidateTopology    = "ValidateTopology"
)

// path returns the pattern at which Cluster API calls a handler; Discovery has no name.
func path(hook, name string) string {
	return "POST " + catalog.GVHToPath(catalog.GroupVersionHook{
		Group: hooks.GroupVersion.Group, Version: hooks.GroupVersion.Version, Hook: hook,
	}, name)
}

// response is a hook's answer.
type response interface {
	runtime.Object
	hooks.ResponseObject
}

// serve turns a function from request to response into an HTTP handler.
func serve[Request any, Response response](e *extension, hook string, answer func(*Request) Response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := e.Now()
		result := telemetry.HookRefused
		defer func() {
			if p := recover(); p != nil {
				result = telemetry.HookPanicked
				e.Logger.Error("a runtime hook panicked", slog.String("hook", hook), slog.Any("panic", p),
					slog.String("stack", string(debug.Stack())))
				http.Error(w, "internal error, see the log of the operator", http.StatusInternalServerError)
			}
			e.Metrics.HookAnswered(hook, result, e.Now().Sub(begin))
		}()
		request := new(Request)
		body := &body{room: e.room}
		defer e.room.release(body)
		status, err := body.read(w, r)
		if err == nil {
			status, err = decode(body.content, request)
		}
		if err != nil {
			e.Logger.Debug("a request to a runtime hook is refused", slog.String("hook", hook),
				slog.Int("status", status), slog.Any(names.ErrorKey, err))
			http.Error(w, err.Error(), status)
			return
		}
		response := answer(request)
		response.GetObjectKind().SetGroupVersionKind(hooks.GroupVersion.WithKind(hook + "Response"))
		result = telemetry.HookSucceeded
		if response.GetStatus() != hooks.ResponseStatusSuccess {
			result = telemetry.HookFailed
			e.Logger.Warn("a runtime hook answers with a failure", slog.String("hook", hook),
				slog.String("message", response.GetMessage()))
		}
		content, err := json.Marshal(response)
		if err != nil {
			result = telemetry.HookPanicked
			e.Logger.Error("the answer of a runtime hook cannot be written", slog.String("hook", hook),
				slog.Any(names.ErrorKey, err))
			http.Error(w, "internal error, see the log of the operator", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := body.answer(w, content); err != nil {
			e.Logger.Debug("a caller of a runtime hook did not wait for its answer", slog.String("hook", hook),
				slog.Any(names.ErrorKey, err))
		}
	})
}
