package plane

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// clusterNameLabel is what Cluster API puts on every object of a Cluster.
const clusterNameLabel = "cluster.x-k8s.io/cluster-name"

// HoldDeletion makes the deletion of a Cluster wait until ReleaseDeletion: its infrastructure keeps a finalizer, and
// Cluster API keeps its own on the Cluster. It waits until the Cluster owns its infrastructure, because a Cluster
// deleted earlier would not wait for it.
func (p *Plane) HoldDeletion(ctx context.Context, namespace, cluster string) error {
	return p.setHold(ctx, namespace, cluster, true)
}

// ReleaseDeletion lets the deletion of a Cluster go on.
func (p *Plane) ReleaseDeletion(ctx context.Context, namespace, cluster string) error {
	return p.setHold(ctx, namespace, cluster, false)
}

// setHold writes annotation and finalizer together, so it also works while the provider is stopped.
func (p *Plane) setHold(ctx context.Context, namespace, cluster string, held bool) error {
	client, err := dynamic.NewForConfig(p.admin)
	if err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	target := client.Resource(InfraClusterResource()).Namespace(namespace)
	err = Eventually(ctx, func(ctx context.Context) error {
		list, err := target.List(ctx, metav1.ListOptions{LabelSelector: clusterNameLabel + "=" + cluster})
		if err != nil {
			return Final(err)
		}
		if len(list.Items) == 0 {
			return fmt.Errorf("no FakeInfraCluster of Cluster %s/%s yet", namespace, cluster)
		}
		for i := range list.Items {
			owned := slices.ContainsFunc(list.Items[i].GetOwnerReferences(), func(o metav1.OwnerReference) bool {
				return o.Kind == "Cluster"
			})
			if held && !owned {
				return fmt.Errorf("FakeInfraCluster of Cluster %s/%s is not owned by it yet", namespace, cluster)
			}
			if err := merge(ctx, target, list.Items[i].GetName(), fullHoldPatch(&list.Items[i], held)); err != nil {
				if apierrors.IsConflict(err) {
					return err
				}
				return Final(err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("hold or release the deletion of Cluster %s/%s: %w", namespace, cluster, err)
	}
	return nil
}

func fullHoldPatch(object *unstructured.Unstructured, held bool) map[string]any {
	patch := finalizerPatch(object, held)
	var value any
	if held {
		value = "true"
	}
	metadata, _ := patch["metadata"].(map[string]any)
	metadata["annotations"] = map[string]any{HoldAnnotation: value}
	return patch
}
