package live

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// Named names an object.
type Named struct{ Kind, Namespace, Name string }

// Matching returns the Clusters that a label selector matches, or with pools the pools: those of a namespace and the
// global ones or, if namespace is empty, all that are read. Most labels are not kept when objects
// are read, so this asks the API server.
func (w *World) Matching(ctx context.Context, pools bool, namespace, selector string) (map[Named]bool, error) {
	resources := []capi.Resource{w.API.Clusters()}
	if pools {
		resources = w.API.AllPools()
	}
	found := map[Named]bool{}
	for _, resource := range resources {
		in := w.namespaceOf(resource)
		if resource.Namespaced {
			in = cmp.Or(namespace, in)
		}
		objects := w.reader.metadata.Resource(resource.GroupVersion().WithResource(resource.Plural)).Namespace(in)
		list, err := objects.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource.Plural, err)
		}
		for i := range list.Items {
			found[Named{resource.Kind, list.Items[i].Namespace, list.Items[i].Name}] = true
		}
	}
	return found, nil
}
