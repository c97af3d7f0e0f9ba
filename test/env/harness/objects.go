package harness

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Object is something that can be created on a plane.
type Object interface {
	// Manifests returns the objects in creation order, at the given version of Cluster API's kinds.
	Manifests(version string) []*unstructured.Unstructured
}

// oldVersion is the version of Clusters, claims and addresses on the oldest stack.
const oldVersion = "v1beta1"

// Fields that many objects have.
const (
	fieldSpec = "spec"
	fieldName = "name"
	fieldKind = "kind"
)

// The fake infrastructure and control plane kinds.
const (
	fakeInfra        = "infrastructure.cluster.x-k8s.io"
	fakeControlPlane = "controlplane.cluster.x-k8s.io"
	fakeVersion      = "v1alpha1"
)

// NewPool is an InClusterIPPool, or a GlobalInClusterIPPool if it has no Namespace.
type NewPool struct {
	Namespace, Name string
	// Class and Role become the allocator's labels; an empty one is left out. Several roles or classes, separated by
	// commas, go into the annotation.
	Class, Role string
	// Addresses as the provider accepts them: addresses, ranges, CIDRs.
	Addresses []string
	// Excluded are addresses that the provider does not allocate.
	Excluded []string
	// Prefix defaults to 24.
	Prefix              int64
	Labels, Annotations map[string]string
	// Spec is merged into the spec.
	Spec map[string]any
}

// Manifests implements Object.
func (p NewPool) Manifests(string) []*unstructured.Unstructured {
	labels, annotations := map[string]string{}, map[string]string{}
	for key, value := range map[string]string{names.ClusterClass: p.Class, names.Role: p.Role} {
		switch {
		case strings.ContainsAny(value, ",/*"):
			labels[key], annotations[key] = names.SeeAnnotation, value
		case value != "":
			labels[key] = value
		}
	}
	maps.Copy(labels, p.Labels)
	maps.Copy(annotations, p.Annotations)
	prefix := p.Prefix
	if prefix == 0 {
		prefix = 24
	}
	spec := map[string]any{"addresses": list(p.Addresses), "prefix": prefix}
	if len(p.Excluded) > 0 {
		spec["excludedAddresses"] = list(p.Excluded)
	}
	maps.Copy(spec, p.Spec)
	kind := "GlobalInClusterIPPool"
	if p.Namespace != "" {
		kind = "InClusterIPPool"
	}
	pool := newObject(ipamGroup+"/"+poolVersion, kind, p.Namespace, p.Name, map[string]any{fieldSpec: spec})
	pool.SetLabels(labels)
	pool.SetAnnotations(annotations)
	return []*unstructured.Unstructured{pool}
}

// NewClass is a ClusterClass of the fake kinds, with its templates.
type NewClass struct {
	Namespace, Name string
	// Variables and Patches go into the spec as they are.
	Variables, Patches []any
	// Machines makes the control planes of the class build a first machine, as fast as possible.
	Machines bool
}

// FromAnnotation returns a patch that writes the VIP from the Cluster's annotation into its infrastructure and its
// control plane, as soon as the annotation exists.
func FromAnnotation(role string) map[string]any {
	key := names.Annotation(role)
	const annotations = ".builtin.cluster.metadata.annotations"
	patch := VIPPatch("{{ index " + annotations + " \"" + key + "\" }}")
	patch["enabledIf"] = "{{ if .builtin.cluster.metadata }}{{ if " + annotations + " }}{{ if index " + annotations +
		" \"" + key + "\" }}true{{ end }}{{ end }}{{ end }}"
	return patch
}

// FromVariable returns a patch that writes the VIP from a variable into infrastructure and control plane, if it has a
// value.
func FromVariable(path string) map[string]any {
	patch := VIPPatch("{{ ." + path + " }}")
	patch["enabledIf"] = "{{ if ." + path + " }}true{{ end }}"
	return patch
}

// VIPPatch returns a patch that writes the result of a template into infrastructure and control plane.
func VIPPatch(template string) map[string]any {
	definition := func(group, kind, match string) map[string]any {
		return map[string]any{
			"selector": map[string]any{
				"apiVersion": group + "/" + fakeVersion, fieldKind: kind, "matchResources": map[string]any{match: true},
			},
			"jsonPatches": []any{map[string]any{
				"op": "add", "path": "/spec/template/spec/virtualIP", "valueFrom": map[string]any{"template": template},
			}},
		}
	}
	return map[string]any{fieldName: "vip from " + template, "definitions": []any{
		definition(fakeInfra, "FakeInfraClusterTemplate", "infrastructureCluster"),
		definition(fakeControlPlane, "FakeControlPlaneTemplate", "controlPlane"),
	}}
}

// WithEndpoint makes a patch write the endpoint into the infrastructure too, as the vSphere classes do.
func WithEndpoint(patch map[string]any, template string) map[string]any {
	patch["definitions"] = append(patch["definitions"].([]any), map[string]any{
		"selector": map[string]any{
			"apiVersion": fakeInfra + "/" + fakeVersion, fieldKind: "FakeInfraClusterTemplate",
			"matchResources": map[string]any{"infrastructureCluster": true},
		},
		"jsonPatches": []any{map[string]any{
			"op": "add", "path": "/spec/template/spec/controlPlaneEndpoint",
			"valueFrom": map[string]any{"template": "host: \"" + template + "\"\nport: 6443\n"},
		}},
	})
	return patch
}

// setNested sets a value deep in an object that the harness itself has made, so it cannot fail.
func setNested(object *unstructured.Unstructured, value map[string]any, path ...string) {
	if err := unstructured.SetNestedMap(object.Object, value, path...); err != nil {
		panic(err)
	}
}

// Manifests implements Object.
func (c NewClass) Manifests(version string) []*unstructured.Unstructured {
	template := func(group, kind string) (*unstructured.Unstructured, map[string]any) {
		api := group + "/" + fakeVersion
		object := newObject(api, kind, c.Namespace, c.Name, map[string]any{
			fieldSpec: map[string]any{"template": map[string]any{fieldSpec: map[string]any{}}},
		})
		return object, map[string]any{"apiVersion": api, fieldKind: kind, fieldName: c.Name}
	}
	infra, infraRef := template(fakeInfra, "FakeInfraClusterTemplate")
	controlPlane, controlPlaneRef := template(fakeControlPlane, "FakeControlPlaneTemplate")
	if c.Machines {
		setNested(controlPlane, map[string]any{plane.BuildsMachine: "true"}, fieldSpec, "template",
			fieldSpec, "parameters")
	}
	key := "templateRef"
	if version == oldVersion {
		key = "ref"
	}
	spec := map[string]any{
		"infrastructure": map[string]any{key: infraRef},
		"controlPlane":   map[string]any{key: controlPlaneRef},
	}
	if len(c.Variables) > 0 {
		spec["variables"] = c.Variables
	}
	if len(c.Patches) > 0 {
		spec["patches"] = c.Patches
	}
	class := newObject(clusterGroup+"/"+version, "ClusterClass", c.Namespace, c.Name, map[string]any{fieldSpec: spec})
	return []*unstructured.Unstructured{infra, controlPlane, class}
}

// NewCluster is a Cluster.
type NewCluster struct {
	Namespace, Name string
	// Class is the name of the ClusterClass. A Cluster without one has no topology, but names an infrastructure.
	Class string
	// ClassNamespace is the namespace of the class, if it is not the Cluster's.
	ClassNamespace string
	// Host and Port, where set, become the endpoint.
	Host string
	Port int64
	// APIServerPort becomes spec.clusterNetwork.apiServerPort if it is set.
	APIServerPort int64
	// Variables become the variables of the topology.
	Variables map[string]any
	// Paused becomes spec.paused.
	Paused              bool
	Labels, Annotations map[string]string
}

// Manifests implements Object.
func (c NewCluster) Manifests(version string) []*unstructured.Unstructured {
	spec := map[string]any{}
	if c.Class != "" {
		spec["topology"] = c.topology(version)
	} else {
		ref := map[string]any{fieldKind: "FakeInfraCluster", fieldName: c.Name}
		if version == oldVersion {
			ref["apiVersion"] = fakeInfra + "/" + fakeVersion
		} else {
			ref["apiGroup"] = fakeInfra
		}
		spec["infrastructureRef"] = ref
	}
	endpoint := map[string]any{}
	if c.Host != "" {
		endpoint["host"] = c.Host
	}
	if c.Port != 0 {
		endpoint["port"] = c.Port
	}
	if len(endpoint) > 0 {
		if version == oldVersion { // both are required there, but may be empty
			endpoint = map[string]any{"host": c.Host, "port": c.Port}
		}
		spec["controlPlaneEndpoint"] = endpoint
	}
	if c.APIServerPort != 0 {
		spec["clusterNetwork"] = map[string]any{"apiServerPort": c.APIServerPort}
	}
	if c.Paused {
		spec["paused"] = true
	}
	cluster := newObject(clusterGroup+"/"+version, "Cluster", c.Namespace, c.Name, map[string]any{fieldSpec: spec})
	cluster.SetLabels(c.Labels)
	cluster.SetAnnotations(c.Annotations)
	return []*unstructured.Unstructured{cluster}
}

func (c NewCluster) topology(version string) map[string]any {
	topology := map[string]any{"version": "v1.33.0", "controlPlane": map[string]any{"replicas": int64(1)}}
	var variables []any
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		variables = append(variables, map[string]any{fieldName: name, "value": c.Variables[name]})
	}
	if len(variables) > 0 {
		topology["variables"] = variables
	}
	if version == oldVersion {
		topology["class"] = c.Class
		if c.ClassNamespace != "" {
			topology["classNamespace"] = c.ClassNamespace
		}
		return topology
	}
	ref := map[string]any{fieldName: c.Class}
	if c.ClassNamespace != "" {
		ref["namespace"] = c.ClassNamespace
	}
	topology["classRef"] = ref
	return topology
}

// NewClaim is an IPAddressClaim as someone other than the allocator may create it. It has the provider's finalizer
// from the beginning. Without one the API server deletes it at once, even if the provider adds its finalizer at the
// same moment and then creates an IPAddress, which nobody cleans up (ADR 10).
type NewClaim struct {
	Namespace, Name string
	// Pool is the name of a pool, which is a namespaced one if Namespaced.
	Pool       string
	Namespaced bool
	// Owner is the ownerReference, if any.
	Owner map[string]any
	// ClusterName becomes spec.clusterName.
	ClusterName         string
	Labels, Annotations map[string]string
}

// Manifests implements Object.
func (c NewClaim) Manifests(version string) []*unstructured.Unstructured {
	kind := "GlobalInClusterIPPool"
	if c.Namespaced {
		kind = "InClusterIPPool"
	}
	spec := map[string]any{"poolRef": map[string]any{"apiGroup": ipamGroup, fieldKind: kind, fieldName: c.Pool}}
	if c.ClusterName != "" {
		spec["clusterName"] = c.ClusterName
	}
	claim := newObject(ipamGroup+"/"+version, "IPAddressClaim", c.Namespace, c.Name, map[string]any{fieldSpec: spec})
	claim.SetFinalizers([]string{names.ReleaseAddress})
	claim.SetLabels(c.Labels)
	claim.SetAnnotations(c.Annotations)
	if c.Owner != nil {
		metadata, _ := claim.Object["metadata"].(map[string]any)
		metadata["ownerReferences"] = []any{c.Owner}
	}
	return []*unstructured.Unstructured{claim}
}

// Manifest is an object as it is.
type Manifest struct{ *unstructured.Unstructured }

// Manifests implements Object.
func (m Manifest) Manifests(string) []*unstructured.Unstructured {
	return []*unstructured.Unstructured{m.Unstructured}
}

func newObject(apiVersion, kind, namespace, name string, content map[string]any) *unstructured.Unstructured {
	metadata := map[string]any{fieldName: name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	object := &unstructured.Unstructured{
		Object: map[string]any{"apiVersion": apiVersion, fieldKind: kind, "metadata": metadata},
	}
	maps.Copy(object.Object, content)
	return object
}

func list(values []string) []any {
	items := make([]any, len(values))
	for i, value := range values {
		items[i] = value
	}
	return items
}
