package live

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// selector finds the operator's Deployment, however it was installed: Cluster API's installers need the label too. The
// in-cluster pages have their own Deployment.
const selector = "cluster.x-k8s.io/provider=addon-capi-vip-allocator,app.kubernetes.io/component!=ui"

// container is the operator's container in its pod, under the name that Cluster API's installers look for.
const container = "manager"

// findOperators returns how each installation of the operator is set up and whether it runs, as far as permissions
// allow; without any, it returns one that nothing is known of. The kinds are the pool kinds of other providers that
// the installations are configured for.
func (r *Reader) findOperators(ctx context.Context) (found []view.Operator, kinds []schema.GroupVersionKind) {
	var denied string
	deployments, err := r.core.AppsV1().Deployments(r.operatorIn).List(ctx, metav1.ListOptions{LabelSelector: selector})
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

// findOperator is findOperators for one Deployment, or for none (nil). Denied says what could not be read before.
func (r *Reader) findOperator(
	ctx context.Context, d *appsv1.Deployment, denied string,
) (view.Operator, []schema.GroupVersionKind) {
	set := options.New()
	found := view.Operator{}
	var deployment *view.Deployment
	if d != nil {
		found.Namespace, found.Deployment, found.ServiceAccount = d.Namespace, d.Name,
			cmp.Or(d.Spec.Template.Spec.ServiceAccountName, "default")
		found.Version = versionOf(d)
		set, found.SettingsKnown = r.optionsOf(ctx, d)
		found.WatchesNamespace = set.Namespace
		deployment = &view.Deployment{
			Namespace: d.Namespace, Name: d.Name, Wanted: 1, Ready: d.Status.ReadyReplicas,
			Elects: set.LeaderElection.Enabled,
		}
		if d.Spec.Replicas != nil {
			deployment.Wanted = *d.Spec.Replicas
		}
	}
	found.Settings = set.Settings()
	var lease *view.Lease
	if set.LeaderElection.Enabled {
		var says string
		in := cmp.Or(set.LeaderElection.Namespace, found.Namespace, r.operatorIn)
		lease, says = r.findLease(ctx, in, set.LeaderElection.ID)
		denied = cmp.Or(denied, says)
	}
	found.State, found.Says = view.Judge(deployment, lease, denied, r.now())
	return found, set.PoolKinds
}

// findLease returns the operator's Lease or nil, or why it could not look. An empty namespace means all.
func (r *Reader) findLease(ctx context.Context, namespace, name string) (lease *view.Lease, says string) {
	leases, err := r.core.CoordinationV1().Leases(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String(),
	})
	if err != nil {
		return nil, "Leases cannot be read (" + shortly(err) + ")"
	}
	if len(leases.Items) == 0 {
		return nil, ""
	}
	// Several Leases belong to several installations; the one renewed last belongs to the one that runs.
	latest := slices.MaxFunc(leases.Items, func(a, b coordinationv1.Lease) int {
		return renewed(&a).Compare(renewed(&b))
	})
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

// versionOf returns the tag of the operator's image, else the version in its labels.
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
