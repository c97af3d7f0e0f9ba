package plane

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/retry"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/manifest"
)

const (
	// applyManager is the field manager of all applied objects.
	applyManager = "plane"
	// mappingTimeout is how long a kind may take to appear in discovery after its CRD.
	mappingTimeout = 15 * time.Second
)

// ApplyYAML applies all objects of the given YAML streams in order by server-side apply, and returns them as the
// server holds them. Namespaced objects without a namespace go to default. After a CRD it waits until its kind is
// served.
func ApplyYAML(ctx context.Context, config *rest.Config, streams ...string) ([]*unstructured.Unstructured, error) {
	applier, err := newApplier(config)
	if err != nil {
		return nil, err
	}
	var applied []*unstructured.Unstructured
	for i, stream := range streams {
		objects, err := manifest.Parse([]byte(stream))
		if err != nil {
			return applied, fmt.Errorf("YAML stream %d: %w", i+1, err)
		}
		for _, object := range objects {
			result, err := applier.apply(ctx, object)
			if err != nil {
				return applied, err
			}
			applied = append(applied, result)
		}
	}
	return applied, nil
}

type applier struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(config *rest.Config) (*applier, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create a client: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create a discovery client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoveryClient))
	return &applier{client: client, mapper: mapper}, nil
}

func (a *applier) apply(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	target, err := a.target(ctx, object)
	if err != nil {
		return nil, err
	}
	options := metav1.ApplyOptions{FieldManager: applyManager, Force: true}
	result, err := target.Apply(ctx, object.GetName(), object, options)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", describe(object), err)
	}
	if object.GetKind() == "CustomResourceDefinition" {
		return result, waitEstablished(ctx, target, object.GetName())
	}
	return result, nil
}

// target finds the resource of an object; a kind whose CRD is new may take a moment to appear.
func (a *applier) target(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := object.GroupVersionKind()
	var mapping *meta.RESTMapping
	ctx, cancel := context.WithTimeout(ctx, mappingTimeout)
	defer cancel()
	err := Eventually(ctx, func(context.Context) error {
		var err error
		mapping, err = a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		switch {
		case meta.IsNoMatchError(err):
			a.mapper.Reset()
			return err
		case err != nil:
			return Final(err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s (is its CRD installed, at this version?): %w",
			describe(object), err)
	}
	resource := a.client.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resource, nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return resource.Namespace(namespace), nil
}

// waitEstablished waits until the API server serves the kind of a CRD.
func waitEstablished(ctx context.Context, crds dynamic.ResourceInterface, name string) error {
	err := Eventually(ctx, func(ctx context.Context) error {
		crd, err := crds.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return Final(err)
		}
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, item := range conditions {
			condition, _ := item.(map[string]any)
			if condition["type"] == "Established" && condition["status"] == "True" {
				return nil
			}
		}
		return errors.New("not established yet")
	})
	if err != nil {
		return fmt.Errorf("wait for CRD %s: %w", name, err)
	}
	return nil
}

func describe(object *unstructured.Unstructured) string {
	name := object.GetName()
	if object.GetNamespace() != "" {
		name = object.GetNamespace() + "/" + name
	}
	return object.GroupVersionKind().GroupKind().String() + " " + name
}

func crdResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	}
}

// createCRD is faster than apply for a new CRD, which matters at every start.
func createCRD(ctx context.Context, client dynamic.Interface, crd *unstructured.Unstructured) error {
	crds := client.Resource(crdResource())
	_, err := crds.Create(ctx, crd, metav1.CreateOptions{FieldManager: applyManager})
	if apierrors.IsAlreadyExists(err) {
		return replaceCRD(ctx, crds, crd)
	}
	if err != nil {
		return fmt.Errorf("install CRD %s: %w", crd.GetName(), err)
	}
	if err := waitEstablished(ctx, crds, crd.GetName()); err != nil {
		return err
	}
	return waitServed(ctx, client.Resource(storedResource(crd)))
}

// replaceCRD replaces an existing CRD, so that it has exactly the versions of the new one. Stored objects may need a
// conversion program that does not run yet, so replaceCRD does not wait until they can be listed.
func replaceCRD(ctx context.Context, crds dynamic.ResourceInterface, crd *unstructured.Unstructured) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current, err := crds.Get(ctx, crd.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		replacement := crd.DeepCopy()
		replacement.SetResourceVersion(current.GetResourceVersion())
		_, err = crds.Update(ctx, replacement, metav1.UpdateOptions{FieldManager: applyManager})
		return err
	})
	if err != nil {
		return fmt.Errorf("replace CRD %s: %w", crd.GetName(), err)
	}
	return waitEstablished(ctx, crds, crd.GetName())
}

// waitServed waits in short steps until the kind of a new CRD can be listed from the watch cache: an informer that
// starts too early waits for a second or more before it retries.
func waitServed(ctx context.Context, resource dynamic.ResourceInterface) error {
	return Eventually(ctx, func(ctx context.Context) error {
		_, err := resource.List(ctx, metav1.ListOptions{Limit: 1, ResourceVersion: "0"})
		return err
	})
}

// storedResource returns the resource of a CRD at its storage version.
func storedResource(crd *unstructured.Unstructured) schema.GroupVersionResource {
	var resource schema.GroupVersionResource
	resource.Group, _, _ = unstructured.NestedString(crd.Object, "spec", "group")
	resource.Resource, _, _ = unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, item := range versions {
		if version, _ := item.(map[string]any); version["storage"] == true {
			resource.Version, _ = version["name"].(string)
		}
	}
	return resource
}
