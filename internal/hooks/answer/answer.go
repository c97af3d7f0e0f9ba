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

// Config is what the answers depend on.
type Config struct {
	// Store returns the caches, or nil while they are not filled.
	Store func() *state.Store

	// Settings go into every decision, as they do in the controllers.
	Settings vip.Settings

	// Namespace is the only one whose Clusters are looked at; empty means all.
	Namespace string

	// Now is the clock.
	Now func() time.Time

	Metrics *telemetry.Metrics
	Logger  *slog.Logger
}

// extension answers hooks.
type extension struct {
	Config

	// room is what requests and answers take; see maxBodies.
	room *room
}

// handler is one that Cluster API is told of.
type handler struct {
	name string
	hook string
	// failurePolicy says what Cluster API does when it gets no answer.
	failurePolicy hooks.FailurePolicy
	serve         http.Handler
}

// timeoutSeconds is how long Cluster API shall wait for an answer. They take milliseconds; what takes longer is lost.
const timeoutSeconds = 5

// Handler answers Discovery and the hooks at the paths where Cluster API calls them. It is safe for concurrent use.
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

// handlers are those that Cluster API is told of.
//
// BeforeClusterCreate is called for every Cluster of the management cluster, whatever its class, so an operator that is
// down must not keep them all from being created: without an answer the topology goes ahead. The other two are called
// for classes that name them. Templates without the VIP would replace the machines of Clusters that have it, so without
// an answer their topology waits.
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
