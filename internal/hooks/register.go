package hooks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryclient "k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/certificate"
	"github.com/gorizond/capi-vip-allocator/internal/discovery"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

const (
	extensionGroup = "runtime.cluster.x-k8s.io"
	extensionKind  = "ExtensionConfig"
	// leaveTimeout is how long taking the ExtensionConfig away may take; the Lease leaves five seconds for the end.
	leaveTimeout = 3 * time.Second
	servicePort  = 443
)

// extensionVersions are the versions of ExtensionConfig, best first; what is written is the same in both.
var extensionVersions = []string{"v1beta2", "v1alpha1"}

var (
	clusterRoles = schema.GroupVersionResource{
		Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles",
	}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

	errNoOwner = errors.New("the ClusterRole that is to own it does not exist: " +
		"install the operator with runtimeExtension.enabled or name one with --" + options.RuntimeExtensionOwnerFlag +
		", so that the ExtensionConfig goes with the installation; " +
		"one that is left behind keeps Cluster API from starting")
	errNotServed = errors.New("no ExtensionConfigs are served: this Cluster API has none, or is not installed")
)

// place is where Cluster API reaches the hooks.
type place struct {
	// url is empty for the Service in namespace.
	url, namespace string
}

// hosts are the names that the certificate must be for.
func (p place) hosts() ([]string, error) {
	if p.url == "" {
		host := names.ExtensionObjects + "." + p.namespace + ".svc"
		return []string{host, host + ".cluster.local"}, nil
	}
	parsed, err := url.Parse(p.url)
	if err != nil {
		return nil, err
	}
	return []string{parsed.Hostname()}, nil
}

// clientConfig is spec.clientConfig of the ExtensionConfig. Without a bundle it says nothing about one.
func (p place) clientConfig(bundle []byte) map[string]any {
	config := map[string]any{}
	if p.url != "" {
		config["url"] = p.url
	} else {
		config["service"] = map[string]any{
			"name": names.ExtensionObjects, "namespace": p.namespace, "port": int64(servicePort),
		}
	}
	if len(bundle) > 0 {
		config["caBundle"] = base64.StdEncoding.EncodeToString(bundle)
	}
	return config
}

// clients talk about everything around the ExtensionConfig.
type clients struct {
	core      corev1client.CoreV1Interface
	dynamic   dynamic.Interface
	discovery discoveryclient.DiscoveryInterface
	// ownerName is that of the ClusterRole of owner.
	ownerName string
}

const (
	clientQPS   = 5
	clientBurst = 10
)

// newClients makes them with a rate limit of their own: they ask for little and must not wait behind a storm.
func newClients(config *rest.Config, ownerName string) (*clients, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst, config.RateLimiter = clientQPS, clientBurst, nil
	rest.AddUserAgent(config, "runtime-extension")
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of the runtime extension's Secret: %w", err)
	}
	others, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of the ExtensionConfig: %w", err)
	}
	finder, err := discoveryclient.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the discovery client: %w", err)
	}
	return &clients{core: core, dynamic: others, discovery: finder, ownerName: ownerName}, nil
}

// owner refers to the ClusterRole with which all that the runtime extension has made goes: an uninstall removes it, and
// the garbage collector what it owns, when the operator itself has lost its pods and its permissions already.
func (c *clients) owner(ctx context.Context) (*metav1.OwnerReference, error) {
	role, err := c.dynamic.Resource(clusterRoles).Get(ctx, c.ownerName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("ClusterRole %s: %w", c.ownerName, errNoOwner)
	}
	if err != nil {
		return nil, fmt.Errorf("read the ClusterRole %s: %w", c.ownerName, err)
	}
	return &metav1.OwnerReference{
		APIVersion: clusterRoles.GroupVersion().String(), Kind: "ClusterRole", Name: role.GetName(), UID: role.GetUID(),
	}, nil
}

// registrar keeps the ExtensionConfig as it must be, as long as this replica leads.
type registrar struct {
	*clients

	place       place
	certificate *certificate.Keeper
	// filled is closed when the caches of the hooks are filled for the first time. Until then the hooks are not offered
	// to Cluster API, which would not start beside an ExtensionConfig that nobody answers for.
	filled chan struct{}
	finder *discovery.Finder
	logger *slog.Logger

	// served is the version that was last found; only run and what it calls use it.
	served schema.GroupVersion
}

// run registers the extension with Cluster API, keeps it registered until ctx ends, and takes it away then if the
// operator is on its way out.
func (r *registrar) run(ctx context.Context, period time.Duration) {
	said, filled := "", r.filled
	for ctx.Err() == nil {
		text := ""
		if err := r.register(ctx); err != nil && ctx.Err() == nil {
			text = capi.Printable(err).Error()
		}
		if text != said && text != "" {
			r.logger.Warn("the runtime extension is not registered with Cluster API, trying again",
				slog.String(names.ErrorKey, text))
		}
		said = text
		timer := time.NewTimer(period)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.certificate.Changed():
		case <-filled:
			filled = nil // once is enough
		}
		timer.Stop()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := r.leave(ctx); err != nil {
		r.logger.Warn("the ExtensionConfig could not be taken away", slog.Any(names.ErrorKey, err))
	}
}

func (r *registrar) isFilled() bool {
	select {
	case <-r.filled:
		return true
	default:
		return false
	}
}

// discover finds the version of ExtensionConfigs that is served.
func (r *registrar) discover() error {
	version, err := r.finder.Serving(extensionGroup, extensionVersions, []string{extensionKind})
	if err != nil {
		return err
	}
	if version == "" {
		return errNotServed
	}
	r.served = schema.GroupVersion{Group: extensionGroup, Version: version}
	return nil
}

// configs is the client of ExtensionConfigs, at the version that was found.
func (r *registrar) configs() dynamic.ResourceInterface {
	return r.dynamic.Resource(r.served.WithResource("extensionconfigs"))
}

// register writes the ExtensionConfig if it is not as it must be.
func (r *registrar) register(ctx context.Context) error {
	if !r.certificate.Loaded() {
		return certificate.ErrNone
	}
	if err := r.discover(); err != nil {
		return err
	}
	owner, err := r.owner(ctx)
	if err != nil {
		return err
	}
	current, err := r.configs().Get(ctx, names.ExtensionName, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read the ExtensionConfig %s: %w", names.ExtensionName, err)
	}
	if apierrors.IsNotFound(err) && !r.isFilled() {
		return errNotSynced
	}
	clientConfig := r.place.clientConfig(r.certificate.Bundle())
	if err == nil && isRegistered(current, clientConfig, *owner) {
		return nil
	}
	config := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"clientConfig": clientConfig}}}
	config.SetGroupVersionKind(r.served.WithKind(extensionKind))
	config.SetName(names.ExtensionName)
	config.SetLabels(map[string]string{"app.kubernetes.io/name": options.ProgramName})
	config.SetOwnerReferences([]metav1.OwnerReference{*owner})
	byForce := metav1.ApplyOptions{FieldManager: names.FieldManager, Force: true}
	if _, err := r.configs().Apply(ctx, names.ExtensionName, config, byForce); err != nil {
		return fmt.Errorf("write the ExtensionConfig %s: %w; Cluster API needs its feature gate RuntimeSDK for it",
			names.ExtensionName, err)
	}
	r.logger.Info("the runtime extension is registered with Cluster API",
		slog.String("extensionConfig", names.ExtensionName), slog.String("version", r.served.Version))
	return nil
}

// isRegistered reports whether the ExtensionConfig points to the hooks and goes with the installation.
func isRegistered(current *unstructured.Unstructured, clientConfig map[string]any, owner metav1.OwnerReference) bool {
	found, _, err := unstructured.NestedMap(current.Object, "spec", "clientConfig")
	if err != nil {
		return false
	}
	if _, told := clientConfig["caBundle"]; !told {
		delete(found, "caBundle")
	}
	owners := current.GetOwnerReferences()
	return reflect.DeepEqual(found, clientConfig) && len(owners) == 1 && owners[0].UID == owner.UID
}

// leave takes the ExtensionConfig away if no replica is to come after this one. Cluster API would not start beside an
// ExtensionConfig that nobody answers for.
func (r *registrar) leave(ctx context.Context) error {
	if r.served.Empty() {
		return nil // then there never was one, as far as this replica knows
	}
	goes, err := r.isUninstalled(ctx)
	if err != nil || !goes {
		return err
	}
	err = r.configs().Delete(ctx, names.ExtensionName, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		r.logger.Info("the ExtensionConfig is taken away: the operator is uninstalled or scaled to nothing")
	}
	return err
}

// isUninstalled reports whether the operator's Deployment is gone, going or has no replicas. Without the permission to
// look, which an uninstall takes away too, it counts as gone. Outside of a pod there is no Deployment and no replica to
// come.
func (r *registrar) isUninstalled(ctx context.Context) (bool, error) {
	if r.place.namespace == "" {
		return true, nil
	}
	own := metav1.ListOptions{LabelSelector: names.OwnDeployments}
	list, err := r.dynamic.Resource(deployments).Namespace(r.place.namespace).List(ctx, own)
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the operator's Deployment: %w", err)
	}
	for i := range list.Items {
		deployment := &list.Items[i]
		replicas, found, err := unstructured.NestedInt64(deployment.Object, "spec", "replicas")
		if err == nil && deployment.GetDeletionTimestamp() == nil && (!found || replicas > 0) {
			return false, nil
		}
	}
	return true, nil
}
