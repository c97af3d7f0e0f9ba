package plane

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"
)

// Serve makes the API server serve the kinds of Cluster API core at a version, or stop serving them, as a Cluster API
// release does that drops the version. It returns once that is so. Kinds that are stored at the version keep it, and
// objects keep what names it: ownerReferences and managedFields.
func (p *Plane) Serve(ctx context.Context, version string, served bool) error {
	client, err := dynamic.NewForConfig(p.admin)
	if err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	crds, err := client.Resource(crdResource()).List(ctx, metav1.ListOptions{
		LabelSelector: "cluster.x-k8s.io/provider=cluster-api",
	})
	if err != nil {
		return fmt.Errorf("list the CRDs of Cluster API: %w", err)
	}
	for i := range crds.Items {
		if err := serveKind(ctx, client, &crds.Items[i], version, served); err != nil {
			return err
		}
	}
	return nil
}

func serveKind(
	ctx context.Context, client dynamic.Interface, crd *unstructured.Unstructured, version string, served bool,
) error {
	if !setServed(crd, version, served) {
		return nil
	}
	crds := client.Resource(crdResource())
	// The API server may write too: names and conditions, into a new CRD.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current, err := crds.Get(ctx, crd.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		setServed(current, version, served)
		_, err = crds.Update(ctx, current, metav1.UpdateOptions{FieldManager: applyManager})
		return err
	})
	if err != nil {
		return fmt.Errorf("change whether CRD %s is served at %s: %w", crd.GetName(), version, err)
	}
	resource := storedResource(crd)
	resource.Version = version
	return waitVersion(ctx, client, resource, served)
}

// setServed changes whether a CRD serves a version that is not its storage version, and reports whether it has one.
func setServed(crd *unstructured.Unstructured, version string, served bool) bool {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, item := range versions {
		if entry, ok := item.(map[string]any); ok && entry["name"] == version && entry["storage"] != true {
			entry["served"] = served
			return unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions") == nil
		}
	}
	return false
}

var errStillServed = errors.New("it is still served")

func waitVersion(
	ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, served bool,
) error {
	return Eventually(ctx, func(ctx context.Context) error {
		_, err := client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1, ResourceVersion: "0"})
		switch {
		case served:
			return err
		case apierrors.IsNotFound(err):
			return nil
		case err == nil:
			return fmt.Errorf("%s: %w", resource, errStillServed)
		}
		return err
	})
}
