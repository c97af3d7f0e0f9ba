package live

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// selector finds the operator's Deployment, however it was installed: Cluster API's installers need the label too.
const selector = "cluster.x-k8s.io/provider=addon-capi-vip-allocator"

// container is the operator's in its pod; the name is the one that Cluster API's installers look for.
const container = "manager"

// findOperators finds out how the operator is set up and whether it runs, as far as it can be seen and may be read; of each
// of its installations, or of one that nothing is known of. The kinds are the pool kinds of other providers that they are
// configured for.
func (r *Reader) findOperators(ctx context.Context) (found []view.Operator, kinds []schema.GroupVersionKind) {
	var denied string
	deployments, err := r.core.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		deployments = &appsv1.DeploymentList{}
		denied = "Deployments cannot be read (" + shortly(err) + ")"
	}
	for i := range deployments.Items {
		operator, configured := r.findOperator(ctx, &deployments.Items[i], denied)
		for j := range found {
			if found[j].Meets(&operator) {
				found[j].Others = append(found[j].Others, operator.Namespace+"/"+operator.Deployment)
			}
		}
		found = append(found, operator)
		for _, kind := range configured {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	if len(found) == 0 {
		operator, _ := r.findOperator(ctx, nil, denied)
		found = append(found, operator)
	}
	return found, kinds
}

// findOperator is findOperators for one Deployment, or for none. Denied is what could not be read before.
func (r *Reader) findOperator(ctx context.Context, d *appsv1.Deployment, denied string) (view.Operator, []schema.GroupVersionKind) {
	found := view.Operator{Settings: vip.Settings{DefaultPort: vip.DefaultPort}}
	setUp := setup{elects: true, lease: names.LeaseName, port: vip.DefaultPort}
	var deployment *view.Deployment
	if d != nil {
		found.Namespace, found.Deployment, found.ServiceAccount = d.Namespace, d.Name, cmp.Or(d.Spec.Template.Spec.ServiceAccountName, "default")
		found.Version = versionOf(d)
		setUp, found.SettingsKnown = r.optionsOf(ctx, d)
		found.WatchesNamespace = setUp.namespace
		found.Settings = vip.Settings{DefaultPort: setUp.port, WatchFilter: setUp.watchFilter}
		deployment = &view.Deployment{Namespace: d.Namespace, Name: d.Name, Wanted: 1, Ready: d.Status.ReadyReplicas, Elects: setUp.elects}
		if d.Spec.Replicas != nil {
			deployment.Wanted = *d.Spec.Replicas
		}
	}
	var lease *view.Lease
	if setUp.elects {
		var says string
		lease, says = r.findLease(ctx, cmp.Or(setUp.leaseNamespace, found.Namespace), setUp.lease)
		denied = cmp.Or(denied, says)
	}
	found.State, found.Says = view.Judge(deployment, lease, denied, r.now())
	return found, setUp.kinds
}

// findLease returns the operator's Lease, or nil; in all namespaces if that is empty. It says why it could not look.
func (r *Reader) findLease(ctx context.Context, namespace, name string) (lease *view.Lease, says string) {
	leases, err := r.core.CoordinationV1().Leases(namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()})
	if err != nil {
		return nil, "Leases cannot be read (" + shortly(err) + ")"
	}
	if len(leases.Items) == 0 {
		return nil, ""
	}
	// Several are of several installations; the one renewed last is the one that runs.
	latest := slices.MaxFunc(leases.Items, func(a, b coordinationv1.Lease) int { return renewed(&a).Compare(renewed(&b)) })
	lease = &view.Lease{Namespace: latest.Namespace, Name: latest.Name, Renewed: renewed(&latest)}
	if latest.Spec.HolderIdentity != nil {
		lease.Holder = *latest.Spec.HolderIdentity
	}
	if latest.Spec.LeaseDurationSeconds != nil {
		lease.Duration = time.Duration(*latest.Spec.LeaseDurationSeconds) * time.Second
	}
	return lease, ""
}

func renewed(lease *coordinationv1.Lease) time.Time {
	if lease.Spec.RenewTime == nil {
		return time.Time{}
	}
	return lease.Spec.RenewTime.Time
}

// versionOf returns the tag of the operator's image, else the version that its labels say.
func versionOf(d *appsv1.Deployment) string {
	if c := managerOf(d); c != nil {
		image, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
			return image[i+1:]
		}
	}
	return d.Labels["app.kubernetes.io/version"]
}

func managerOf(d *appsv1.Deployment) *corev1.Container {
	containers := d.Spec.Template.Spec.Containers
	if i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == container }); i >= 0 {
		return &containers[i]
	}
	return nil
}

// setup is the options of the operator that decisions depend on.
type setup struct {
	port                   int32
	watchFilter, namespace string
	elects                 bool
	lease, leaseNamespace  string
	kinds                  []schema.GroupVersionKind
	config                 string
	portGiven, kindsGiven  bool
}

// optionsOf reads the options from the arguments of the operator and from its config file, and reports whether all of
// them could be read. Where the operator would refuse a value, it does not run and nothing depends on it.
func (r *Reader) optionsOf(ctx context.Context, d *appsv1.Deployment) (setup, bool) {
	c := managerOf(d)
	if c == nil {
		return setup{elects: true, lease: names.LeaseName, port: vip.DefaultPort}, false
	}
	o, err := parseArgs(c.Args)
	if err != nil {
		return o, false
	}
	if o.config == "" {
		return o, true
	}
	file, err := r.configFile(ctx, d, c, o.config)
	if err != nil {
		return o, false
	}
	return o, o.merge(file) == nil
}

func parseArgs(args []string) (setup, error) {
	var o setup
	var kinds string
	flags := pflag.NewFlagSet(container, pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Int32Var(&o.port, "default-port", vip.DefaultPort, "")
	flags.StringVar(&o.watchFilter, "watch-filter", "", "")
	flags.StringVar(&o.namespace, "namespace", "", "")
	flags.StringVar(&o.config, "config", "", "")
	flags.StringVar(&kinds, "pool-kinds", "", "")
	flags.BoolVar(&o.elects, "leader-elect", true, "")
	flags.StringVar(&o.lease, "leader-election-id", names.LeaseName, "")
	flags.StringVar(&o.leaseNamespace, "leader-election-namespace", "", "")
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("read the operator's arguments: %w", err)
	}
	if namespace, name, ok := strings.Cut(o.lease, "/"); ok {
		o.lease, o.leaseNamespace = name, cmp.Or(o.leaseNamespace, namespace)
	}
	o.portGiven, o.kindsGiven = flags.Changed("default-port"), flags.Changed("pool-kinds")
	var err error
	o.kinds, err = options.ParseKinds(kinds)
	return o, err
}

// merge takes from the config file what the flags do not say.
func (o *setup) merge(file []byte) error {
	var config struct {
		DefaultPort int32 `json:"defaultPort"`
		PoolKinds   []struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		} `json:"poolKinds"`
	}
	if err := yaml.Unmarshal(file, &config); err != nil {
		return fmt.Errorf("read the operator's config file: %w", err)
	}
	if config.DefaultPort != 0 && !o.portGiven {
		o.port = config.DefaultPort
	}
	if o.kindsGiven {
		return nil
	}
	for _, kind := range config.PoolKinds {
		gv, err := schema.ParseGroupVersion(kind.APIVersion)
		if err != nil {
			return fmt.Errorf("read the operator's config file: %w", err)
		}
		o.kinds = append(o.kinds, gv.WithKind(kind.Kind))
	}
	return nil
}

// configFile reads a file of the operator's container from the ConfigMap that is mounted there.
func (r *Reader) configFile(ctx context.Context, d *appsv1.Deployment, c *corev1.Container, file string) ([]byte, error) {
	for _, mount := range c.VolumeMounts {
		if path.Clean(mount.MountPath) != path.Dir(file) {
			continue
		}
		for _, volume := range d.Spec.Template.Spec.Volumes {
			if volume.Name != mount.Name || volume.ConfigMap == nil {
				continue
			}
			configMap, err := r.core.CoreV1().ConfigMaps(d.Namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
			if err != nil {
				return nil, fmt.Errorf("read the operator's ConfigMap: %w", err)
			}
			return []byte(configMap.Data[path.Base(file)]), nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("configmaps"), file)
}
