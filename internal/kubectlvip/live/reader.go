package live

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryclient "k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/version"
)

const (
	// requestTimeout bounds each request unless the user says otherwise: an API server that drops packets must not
	// leave a person without an answer.
	requestTimeout = 30 * time.Second
	// A person's requests come in bursts; the server's own priority and fairness does the rest.
	qps, burst = 100, 200
)

// Reader reads one cluster.
type Reader struct {
	config   *rest.Config
	http     *http.Client
	core     kubernetes.Interface
	metadata metadata.Interface
	now      func() time.Time
	// operatorIn is the namespace in which to look for the operator; empty means all.
	operatorIn string
}

// NewReader returns a reader of the cluster that config points to.
func NewReader(config *rest.Config) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.Timeout = cmp.Or(config.Timeout, requestTimeout)
	return newReader(config)
}

// LookForOperatorIn restricts the search for the operator to one namespace, for those who may not read others.
func (r *Reader) LookForOperatorIn(namespace string) { r.operatorIn = namespace }

func newReader(config *rest.Config) (*Reader, error) {
	config.QPS, config.Burst = qps, burst
	config.UserAgent = "kubectl-vip/" + version.Read().Version
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	core, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	objects, err := metadata.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &Reader{config: config, http: client, core: core, metadata: objects, now: time.Now}, nil
}

// World is what was read, and the store that holds it.
type World struct {
	API   capi.API
	Store *state.Store
	// Operators are the operator's installations at the time of reading, at least one.
	Operators []view.Operator
	// latest are the installations while the world is watched.
	latest *atomic.Pointer[[]view.Operator]

	reader   *Reader
	platform view.Platform
	limits   []string
	// scope is the namespace that lists are restricted to; empty means all.
	scope string
	// unreadable are the kinds that could not be read.
	unreadable []capi.Resource
	// pulse knows whether the API server answers while the world is watched.
	pulse *pulse
}

// Read reads the cluster once, in all namespaces, because conflicts reach across them. If that is forbidden, it reads
// only the given namespace, and the world says so. If kinds are missing from the API, the world has no objects, and
// its facts name the missing kinds.
func (r *Reader) Read(ctx context.Context, namespace string) (*World, error) {
	w, err := r.Discover(ctx)
	if err != nil || len(w.platform.Missing) > 0 {
		return w, err
	}
	for _, w.scope = range slices.Compact([]string{"", namespace}) {
		if w.Store, err = w.list(ctx); !apierrors.IsForbidden(err) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if w.scope != "" {
		w.limits = append(w.limits,
			"only namespace "+w.scope+" could be read, so conflicts with Clusters and addresses of others are not seen")
	}
	return w, nil
}

// Discover finds out what the cluster serves and how the operator is set up; the world has no objects.
func (r *Reader) Discover(ctx context.Context) (*World, error) {
	client, err := discoveryclient.NewDiscoveryClientForConfigAndClient(r.config, r.http)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	w := &World{reader: r, pulse: &pulse{}, latest: &atomic.Pointer[[]view.Operator]{}}
	// The first request says whether there is a cluster at all.
	server, err := client.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", r.config.Host, err)
	}
	var kinds []schema.GroupVersionKind
	w.Operators, kinds = r.findOperators(ctx)
	if w.API, w.platform.Missing, err = (&discovery.Finder{Discovery: client, PoolKinds: kinds}).Find(); err != nil {
		return nil, err
	}
	w.platform.Kubernetes = server.GitVersion
	w.platform.Plugin = version.Read().Version
	if len(w.platform.Missing) == 0 {
		w.platform.APIs = w.API.String()
	}
	w.limits = unserved(kinds, w.API)
	if slices.ContainsFunc(w.Operators, func(o view.Operator) bool { return o.Deployment != "" && !o.SettingsKnown }) {
		w.limits = append(w.limits,
			"not all options of the operator could be read; defaults are assumed for the others")
	}
	return w, nil
}

// unserved returns a line for each pool kind of the operator's configuration that the cluster does not serve.
func unserved(kinds []schema.GroupVersionKind, api capi.API) []string {
	var limits []string
	for _, kind := range kinds {
		if !slices.ContainsFunc(api.OtherPools, func(r capi.Resource) bool { return r.GroupVersionKind == kind }) {
			limits = append(limits, "the operator is configured for pools of kind "+
				options.FormatKinds([]schema.GroupVersionKind{kind})+", which are not served")
		}
	}
	return limits
}

// operators returns the operator's installations as last read.
func (w *World) operators() []view.Operator {
	if w.latest != nil {
		if latest := w.latest.Load(); latest != nil {
			return *latest
		}
	}
	return w.Operators
}

// Missing returns the kinds that are not served; without them nothing can be said about Clusters.
func (w *World) Missing() []string { return w.platform.Missing }

// Namespaces returns the names of all namespaces.
func (r *Reader) Namespaces(ctx context.Context) ([]string, error) {
	return namesOf(ctx, r.metadata.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}))
}

// served returns the versions of the kinds that the cluster serves, except for pools of other providers.
func (r *Reader) served() (capi.API, error) {
	client, err := discoveryclient.NewDiscoveryClientForConfigAndClient(r.config, r.http)
	if err != nil {
		return capi.API{}, fmt.Errorf("make a client: %w", err)
	}
	api, _, err := (&discovery.Finder{Discovery: client}).Find()
	return api, err
}

// ClusterNames returns the names of the Clusters of a namespace, whatever version is served.
func (r *Reader) ClusterNames(ctx context.Context, namespace string) ([]string, error) {
	api, err := r.served()
	if err != nil {
		return nil, err
	}
	return namesOf(ctx, r.metadata.Resource(api.Cluster.WithResource(api.Clusters().Plural)).Namespace(namespace))
}

// PoolNames returns the names of the provider's pools: the global ones and those in the namespace.
func (r *Reader) PoolNames(ctx context.Context, namespace string) ([]string, error) {
	api, err := r.served()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, kind := range []capi.Resource{api.GlobalPools(), api.NamespacedPools()} {
		objects := r.metadata.Resource(kind.GroupVersion().WithResource(kind.Plural))
		var list []string
		if kind.Namespaced {
			list, err = namesOf(ctx, objects.Namespace(namespace))
		} else {
			list, err = namesOf(ctx, objects)
		}
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	return found, nil
}

func namesOf(ctx context.Context, objects metadata.ResourceInterface) ([]string, error) {
	list, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list names: %w", err)
	}
	found := make([]string, len(list.Items))
	for i := range list.Items {
		found[i] = list.Items[i].Name
	}
	return found, nil
}
