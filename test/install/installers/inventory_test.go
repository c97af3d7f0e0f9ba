package installers

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

func hostPlatform() string { return "linux/" + runtime.GOARCH }

// inventory lists all objects of a namespace, and all cluster-scoped objects that carry the project's name or label,
// except for those that Kubernetes itself creates in every namespace.
func inventory(ctx context.Context, config *rest.Config, namespace string) ([]string, error) {
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := finder.ServerPreferredResources()
	if err != nil {
		return nil, fmt.Errorf("list the kinds: %w", err)
	}
	var found []string
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for i := range list.APIResources {
			resource := &list.APIResources[i]
			if !slices.Contains(resource.Verbs, "list") || resource.Name == "events" {
				continue
			}
			target := client.Resource(version.WithResource(resource.Name))
			objects, err := listIn(ctx, target, resource.Namespaced, namespace)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", resource.Name, err)
			}
			for i := range objects {
				if isOurs(&objects[i], resource.Namespaced) {
					found = append(found, resource.Kind+"/"+objects[i].Name)
				}
			}
		}
	}
	return found, nil
}

func listIn(
	ctx context.Context, target metadata.Getter, namespaced bool, namespace string,
) ([]metav1.PartialObjectMetadata, error) {
	var from metadata.ResourceInterface = target
	if namespaced {
		from = target.Namespace(namespace)
	}
	list, err := from.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func isOurs(object *metav1.PartialObjectMetadata, namespaced bool) bool {
	if namespaced {
		return object.Name != "kube-root-ca.crt" && object.Name != "default"
	}
	return strings.Contains(object.Name, "capi-vip-allocator") ||
		object.Labels["cluster.x-k8s.io/provider"] == "addon-capi-vip-allocator"
}
