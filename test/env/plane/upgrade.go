package plane

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Upgrade brings Cluster API and the IPAM provider to the versions of another stack in clusterctl's order: the
// programs end, their webhooks and roles are deleted, CRDs are replaced, and the new programs start. All other
// objects stay. Do not call it concurrently with other methods.
func (p *Plane) Upgrade(ctx context.Context, stack Stack) error {
	options := p.options
	options.Stack = stack
	programs, err := ensureBinaries(ctx, options)
	if err != nil {
		return err
	}
	neighbours := []Component{CAPI, IPAM}
	for _, name := range neighbours {
		if err := p.StopComponent(ctx, name); err != nil {
			return err
		}
	}
	p.options, p.binaries = options, programs
	p.addNeighbours()
	if err := p.removeDeployed(ctx); err != nil {
		return err
	}
	if err := p.installCAPI(ctx); err != nil {
		return err
	}
	if err := p.installIPAM(ctx); err != nil {
		return err
	}
	for _, name := range neighbours {
		if err := p.bring(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// removeDeployed deletes what the providers installed, except for their CRDs, whose objects stay.
func (p *Plane) removeDeployed(ctx context.Context) error {
	client, err := dynamic.NewForConfig(p.admin)
	if err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	admission := schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
	roles := schema.GroupVersion{Group: "rbac.authorization.k8s.io", Version: "v1"}
	for _, resource := range []schema.GroupVersionResource{
		admission.WithResource("validatingwebhookconfigurations"),
		admission.WithResource("mutatingwebhookconfigurations"),
		roles.WithResource("clusterrolebindings"), roles.WithResource("clusterroles"),
	} {
		deployed := metav1.ListOptions{LabelSelector: "cluster.x-k8s.io/provider in (cluster-api, ipam-in-cluster)"}
		if err := client.Resource(resource).DeleteCollection(ctx, metav1.DeleteOptions{}, deployed); err != nil {
			return fmt.Errorf("delete the %s of the providers: %w", resource.Resource, err)
		}
	}
	return nil
}
