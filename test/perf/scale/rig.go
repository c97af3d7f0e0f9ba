package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// startTimeout bounds the start of the operator and its first look at every Cluster.
	startTimeout = 2 * time.Minute
	// stepTimeout bounds each step that concerns a few Clusters.
	stepTimeout = 2 * time.Minute
)

// These are the resources that matter here.
var (
	clusters = schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "clusters"}
	classes  = schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "clusterclasses"}
	claims   = schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: "v1beta2", Resource: "ipaddressclaims",
	}
	addresses = schema.GroupVersionResource{Group: "ipam.cluster.x-k8s.io", Version: "v1beta2", Resource: "ipaddresses"}
	pools     = schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: "v1alpha2", Resource: "globalinclusterippools",
	}
)

// rig is a plane with many Clusters, and what is needed to measure on it.
type rig struct {
	options *options
	// binary is the currently measured operator.
	binary string
	plane  *plane.Plane
	client dynamic.Interface
	// raw sends objects that are already encoded.
	raw    rest.Interface
	random *rand.Rand
	model  *model
	// filled is how many copies of the model exist.
	filled int
	// served is how many Clusters the operator manages besides the copies.
	served int
}

// newRig starts a plane on which Cluster API and the IPAM provider handle only the model's namespace. So they leave
// the copies elsewhere alone, and still serve Clusters in that one namespace.
func newRig(ctx context.Context, options *options) (_ *rig, err error) {
	g := &rig{options: options, random: rand.New(rand.NewPCG(options.seed, 0))}
	log := io.Discard
	if options.verbose {
		log = os.Stderr
	}
	g.say("starting the plane")
	only := []string{"--namespace=" + modelTenant}
	g.plane, err = plane.Start(ctx, plane.Options{
		Log: log, Dir: options.dir, KeepDir: options.dir != "",
		Args: map[plane.Component][]string{plane.CAPI: only, plane.IPAM: only},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	config := g.plane.Config()
	config.UserAgent, config.QPS = "scale", -1
	if g.client, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	if g.raw, err = rest.UnversionedRESTClientFor(config); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	if err := g.confineWebhooks(ctx); err != nil {
		return nil, err
	}
	if err := harness.Grant(ctx, g.plane); err != nil {
		return nil, err
	}
	if options.binary == "" {
		options.binary, err = harness.BuildOperator(ctx, false)
	}
	g.binary = options.binary
	return g, err
}

func (g *rig) close() error { return errors.Join(g.plane.Stop(), harness.CleanBuilds()) }

// say reports progress; the results go elsewhere.
func (g *rig) say(format string, args ...any) {
	_, _ = fmt.Fprintf(g.options.progress, "%s  "+format+"\n",
		append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// confineWebhooks limits the webhooks of Cluster API and the IPAM provider to the model's namespace, since these two
// see no other. Pools have no namespace: the webhooks are still called for them.
func (g *rig) confineWebhooks(ctx context.Context) error {
	selector := map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": modelTenant}}
	for _, resource := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
		target := g.client.Resource(schema.GroupVersionResource{
			Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource,
		})
		list, err := target.List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list %s: %w", resource, err)
		}
		for i := range list.Items {
			webhooks, _, err := unstructured.NestedSlice(list.Items[i].Object, "webhooks")
			if err != nil {
				return fmt.Errorf("read %s: %w", resource, err)
			}
			for _, webhook := range webhooks {
				if webhook, ok := webhook.(map[string]any); ok {
					webhook["namespaceSelector"] = selector
				}
			}
			body, err := json.Marshal(map[string]any{"webhooks": webhooks})
			if err != nil {
				return fmt.Errorf("encode %s: %w", resource, err)
			}
			name := list.Items[i].GetName()
			if _, err := target.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
				return fmt.Errorf("confine the webhooks %s: %w", list.Items[i].GetName(), err)
			}
		}
	}
	return nil
}

// create creates the objects of manifests.
func (g *rig) create(ctx context.Context, objects ...harness.Object) error {
	plurals := map[string]string{
		"Cluster": clusters.Resource, "ClusterClass": classes.Resource, "GlobalInClusterIPPool": pools.Resource,
		"FakeInfraClusterTemplate": "fakeinfraclustertemplates",
		"FakeControlPlaneTemplate": "fakecontrolplanetemplates",
	}
	for _, object := range objects {
		for _, manifest := range object.Manifests(clusters.Version) {
			resource := manifest.GroupVersionKind().GroupVersion().WithResource(plurals[manifest.GetKind()])
			var target dynamic.ResourceInterface = g.client.Resource(resource)
			if manifest.GetNamespace() != "" {
				target = g.client.Resource(resource).Namespace(manifest.GetNamespace())
			}
			if _, err := target.Create(ctx, manifest, metav1.CreateOptions{}); err != nil {
				return fmt.Errorf("create %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
			}
		}
	}
	return nil
}

// start starts the operator, waits until it serves, and returns how long that took.
func (g *rig) start(ctx context.Context, reconcilePeriod time.Duration) (*harness.Operator, time.Duration, error) {
	begin := time.Now()
	operator, err := harness.StartOperator(ctx, g.plane, harness.OperatorOptions{
		Binary: g.binary,
		Args:   []string{"--profiler-address=127.0.0.1:0", "--reconcile-period=" + reconcilePeriod.String()},
	})
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := operator.WaitServing(ctx); err != nil {
		return nil, 0, errors.Join(err, operator.Kill())
	}
	return operator, time.Since(begin), nil
}

// looks returns how often the operator has looked at a Cluster since it started, without those that it deferred.
func looks(ctx context.Context, operator *harness.Operator) (int, error) {
	metrics, err := operator.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	handled := metrics.Value("lasso_controller_total_handler_execution", nil)
	return int(handled - metrics.Value("capi_vip_deferred_total", nil)), nil
}

// awaitLooks waits until the operator has looked at a Cluster so many times.
func awaitLooks(ctx context.Context, operator *harness.Operator, times int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return plane.Eventually(ctx, func(ctx context.Context) error {
		seen, err := looks(ctx, operator)
		if err == nil && seen < times {
			err = fmt.Errorf("the operator has looked %d times at a Cluster, not yet %d times", seen, times)
		}
		return err
	})
}
