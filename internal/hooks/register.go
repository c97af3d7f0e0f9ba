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
	// leaveTimeout is how long removing the ExtensionConfig may take; the Lease leaves five seconds for the shutdown.
	leaveTimeout = 3 * time.Second
	servicePort  = 443
)

// extensionVersions are the versions of ExtensionConfig, best first; the fields that are written are the same in
// both.
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
	// url is empty if Cluster API uses the Service in namespace.
	url, namespace string
}

// hosts returns the names that the certificate must be valid for.
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

// clientConfig returns the ExtensionConfig's spec.clientConfig. Without a bundle it leaves caBundle out.
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

// clients are the API clients that the runtime extension needs.
type clients struct {
	core      corev1client.CoreV1Interface
	dynamic   dynamic.Interface
	discovery discoveryclient.DiscoveryInterface
	// ownerName is the name of the ClusterRole; see owner.
	ownerName string
}

const (
	clientQPS   = 5
	clientBurst = 10
)

// newClients returns clients with their own rate limit: they make few requests, which must not wait behind a storm.
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

// owner returns an owner reference to the ClusterRole for all objects that the runtime extension makes. An uninstall
// deletes the ClusterRole, and the garbage collector then deletes what it owns, even when the operator has already
// lost its pods and its permissions.
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

// registrar maintains the ExtensionConfig while this replica leads.
type registrar struct {
	*clients

	place       place
	certificate *certificate.Keeper
	// filled is closed when the hooks' caches are filled for the first time. Until then the hooks are not offered to
	// Cluster API, which does not start while nobody answers for an ExtensionConfig.
	filled chan struct{}
	finder *discovery.Finder
	logger *slog.Logger

	// served is the last version found; only run and its callees use it.
	served schema.GroupVersion
}

// run registers the extension with Cluster API and keeps it registered until ctx ends. It then removes the
// registration if the operator is being uninstalled.
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

// discover finds the served version of ExtensionConfig.
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

// configs returns the client of ExtensionConfigs, at the version found.
func (r *registrar) configs() dynamic.ResourceInterface {
	return r.dynamic.Resource(r.served.WithResource("extensionconfigs"))
}

// register writes the ExtensionConfig unless it is up to date.
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

// isRegistered reports whether the ExtensionConfig points to the hooks and has the right owner.
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

// leave deletes the ExtensionConfig if no replica will follow this one: Cluster API does not start while nobody
// answers for an ExtensionConfig.
func (r *registrar) leave(ctx context.Context) error {
	if r.served.Empty() {
		return nil // as far as this replica knows, there never was one
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

// isUninstalled reports whether the operator's Deployment is gone, being deleted or scaled to zero. Without
// permission to look, which an uninstall revokes too, it counts as gone. Outside a pod there is no Deployment, and no
// replica will follow.
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
