package answer

import (
	"log/slog"
	"net/http"
	"time"

	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Config is everything that answers depend on.
type Config struct {
	// Store returns the caches; nil while they are not filled.
	Store func() *state.Store

	// Settings apply to every decision, as in the controllers.
	Settings vip.Settings

	// Namespace restricts the hooks to the Clusters of one namespace; empty means all.
	Namespace string

	// Now is the clock.
	Now func() time.Time

	Metrics *telemetry.Metrics
	Logger  *slog.Logger
}

// extension answers hooks.
type extension struct {
	Config

	// room is the memory that requests and answers share; see maxBodies.
	room *room
}

// handler is a handler that Discovery announces to Cluster API.
type handler struct {
	name string
	hook string
	// failurePolicy says what Cluster API does without an answer.
	failurePolicy hooks.FailurePolicy
	serve         http.Handler
}

// timeoutSeconds is how long Cluster API should wait for an answer. Answers take milliseconds; one that takes longer
// is lost.
const timeoutSeconds = 5

// Handler serves Discovery and the hooks at the paths that Cluster API calls. It is safe for concurrent use.
func Handler(config Config) http.Handler {
	e := &extension{config, newRoom(maxBodies)}
	mux := http.NewServeMux()
	handlers := e.handlers()
	for _, h := range handlers {
		mux.Handle(path(h.hook, h.name), h.serve)
	}
	mux.Handle(path(hookDiscovery, ""), serve(e, hookDiscovery, func(*hooks.DiscoveryRequest) *hooks.DiscoveryResponse {
		return discovery(handlers)
	}))
	return mux
}

// handlers returns the handlers that Discovery announces.
//
// Cluster API calls BeforeClusterCreate for every Cluster, whatever its class, so an operator that is down must not
// block their creation: without an answer the topology goes ahead. It calls the other two for classes that name them.
// Templates without the VIP would replace the machines of Clusters that have it, so without an answer their topology
// waits.
func (e *extension) handlers() []handler {
	return []handler{
		{
			names.HandlerBeforeClusterCreate, hookBeforeClusterCreate, hooks.FailurePolicyIgnore,
			serve(e, hookBeforeClusterCreate, e.beforeClusterCreate),
		},
		{
			names.HandlerGeneratePatches, hookGeneratePatches, hooks.FailurePolicyFail,
			serve(e, hookGeneratePatches, e.generatePatches),
		},
		{
			names.HandlerValidateTopology, hookValidateTopology, hooks.FailurePolicyFail,
			serve(e, hookValidateTopology, e.validateTopology),
		},
	}
}

func discovery(handlers []handler) *hooks.DiscoveryResponse {
	response := &hooks.DiscoveryResponse{CommonResponse: success("")}
	for _, h := range handlers {
		timeout := int32(timeoutSeconds)
		response.Handlers = append(response.Handlers, hooks.ExtensionHandler{
			Name:           h.name,
			RequestHook:    hooks.GroupVersionHook{APIVersion: hooks.GroupVersion.String(), Hook: h.hook},
			TimeoutSeconds: &timeout,
			FailurePolicy:  &h.failurePolicy,
		})
	}
	return response
}

func success(message string) hooks.CommonResponse {
	return hooks.CommonResponse{Status: hooks.ResponseStatusSuccess, Message: message}
}

func failure(err error) hooks.CommonResponse {
	return hooks.CommonResponse{Status: hooks.ResponseStatusFailure, Message: err.Error()}
}
