package capi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// object is the body of a server-side apply: a map, because it must hold only what is applied.
type object = map[string]any

// apply returns the body of a server-side apply to an object. The UID keeps it from hitting another object of that
// name, or creating the object anew.
func apply(api metav1.TypeMeta, meta *metav1.ObjectMeta, metadata, rest object) ([]byte, error) {
	metadata["uid"] = meta.UID
	return applyNew(api, meta, metadata, rest)
}

// applyNew is apply for an object that may not exist yet.
func applyNew(api metav1.TypeMeta, meta *metav1.ObjectMeta, metadata, rest object) ([]byte, error) {
	metadata["name"], metadata["namespace"] = meta.Name, meta.Namespace
	body := object{"apiVersion": api.APIVersion, "kind": api.Kind, "metadata": metadata}
	for key, value := range rest {
		body[key] = value
	}
	return json.Marshal(body)
}

// ApplyFinalizer returns the server-side apply that adds our finalizer to those of others. It cannot conflict, so it
// does not race with Cluster API adding its own.
func (c *Cluster) ApplyFinalizer(api API) ([]byte, error) {
	return apply(typeMeta(api.Clusters()), &c.ObjectMeta, object{"finalizers": []string{names.ReleaseFinalizer}}, nil)
}

// ApplyConditions returns the server-side apply of our conditions to the Cluster's status. It need not remove those
// that are missing here: see PatchConditionsAway.
func (c *Cluster) ApplyConditions(api API, conditions []vip.Condition) ([]byte, error) {
	applied := make([]metav1.Condition, 0, len(conditions))
	for _, condition := range conditions {
		status := metav1.ConditionFalse
		if condition.True {
			status = metav1.ConditionTrue
		}
		applied = append(applied, metav1.Condition{
			Type: condition.Type, Status: status, Reason: condition.Reason, Message: condition.Message,
			LastTransitionTime: metav1.NewTime(condition.Since),
		})
	}
	status := object{"conditions": applied}
	if api.Cluster.Version == "v1beta1" {
		status = object{"v1beta2": status}
	}
	return apply(typeMeta(api.Clusters()), &c.ObjectMeta, object{}, object{"status": status})
}

// PatchConditionsAway returns the JSON patch that removes our conditions of types not in stay from the Cluster's
// status, or nil if there are none. A server-side apply that leaves them out removes them only while managedFields
// say that we alone applied them, and Cluster API cleans managedFields up when it drops a version of its API
// (controllers/crdmigrator). The API server refuses the patch if a condition has moved or changed.
func (c *Cluster) PatchConditionsAway(stay []vip.Condition) ([]byte, error) {
	patch := []any{mustBe("/metadata/uid", c.UID)}
	list, conditions := c.conditionsPath(), *c.conditions()
	for i, condition := range slices.Backward(conditions) { // from the end, so that earlier ones keep their index
		if !own(condition) ||
			slices.ContainsFunc(stay, func(s vip.Condition) bool { return s.Type == condition.Type }) {
			continue
		}
		path := fmt.Sprintf("%s/%d", list, c.Status.place(i))
		patch = append(patch, mustBe(path+"/type", condition.Type), mustBe(path+"/reason", condition.Reason),
			operation{Op: opRemove, Path: path})
	}
	if len(patch) == 1 {
		return nil, nil
	}
	return json.Marshal(patch)
}

// operation is an operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// opAdd is the operation that adds a value, or replaces the one that is there.
const opAdd = "add"

const opRemove = "remove"

// test is an operation that encodes its value even if it is empty. With Op "test" it fails unless the value at path
// is the one that the decision saw; nil stands for no value.
type test struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func mustBe(path string, value any) test { return test{"test", path, value} }

const annotationsPath = "/metadata/annotations"

func annotationPath(key string) string {
	return annotationsPath + "/" + pointerTo(key)
}

// pointerTo escapes a key for a JSON pointer (RFC 6901); no key of a label or annotation has a tilde.
func pointerTo(key string) string { return strings.ReplaceAll(key, "/", "~1") }

// Results is what one patch writes to a Cluster: endpoint, annotations, and our finalizer if it is missing.
type Results struct {
	Finalizer   bool
	Endpoint    *vip.SetEndpoint
	Hold        *vip.HoldControlPlane
	LetGo       *vip.ReleaseControlPlane
	Port        *vip.KeepPort
	Annotations []vip.SetAnnotation
	Records     []vip.RecordClaim
}

// PatchResults returns the one JSON patch that writes results. It applies only to the Cluster that the decision saw:
// same UID and generation, so that it overwrites no change of the spec, and not paused since. Unlike a
// resourceVersion, this lets others change status and metadata meanwhile.
//
// If it adds the finalizer, the list of finalizers must be unchanged too.
func (c *Cluster) PatchResults(results Results) ([]byte, error) {
	patch := []any{mustBe("/metadata/uid", c.UID), mustBe("/metadata/generation", c.Generation)}
	if c.Annotations == nil {
		patch = append(patch, mustBe(annotationsPath, nil))
	} else {
		patch = append(patch, mustBe(annotationPath(names.Paused), nil))
	}
	if results.Finalizer {
		patch = append(patch, c.addFinalizer()...)
	}
	record, recorded := c.recordWith(results)
	if c.Annotations == nil &&
		(len(results.Annotations) > 0 || recorded || results.Hold != nil || results.Port != nil) {
		patch = append(patch, operation{opAdd, annotationsPath, object{}})
	}
	if recorded {
		patch = append(patch, operation{opAdd, annotationPath(names.Claims), record})
	}
	for _, annotation := range results.Annotations {
		patch = append(patch, operation{opAdd, annotationPath(names.Annotation(annotation.Role)), annotation.Value})
	}
	if results.Hold != nil {
		patch = append(patch, operation{opAdd, annotationPath(names.TopologyGate), formatGate(results.Hold.Gate)},
			c.Spec.Topology.ControlPlane.hold(results.Hold.Gate))
		if endpoint := c.Spec.ControlPlaneEndpoint; endpoint.Host == "" && endpoint.Port != 0 {
			patch = append(patch, operation{Op: opRemove, Path: endpointPath})
		}
	}
	if results.Port != nil {
		patch = append(patch, operation{opAdd, annotationPath(names.TopologyGate), formatGate(results.Port.Gate)})
	}
	if results.Endpoint != nil {
		patch = append(patch, operation{opAdd, endpointPath, Endpoint(results.Endpoint.Endpoint)})
	}
	if results.LetGo != nil {
		patch = append(patch, c.Spec.Topology.ControlPlane.letGo())
	}
	// The gate has served its purpose once the endpoint is there and nothing is held.
	_, remembers := c.Annotations[names.TopologyGate]
	held := c.Spec.Topology.ControlPlane.pause() == vip.PauseOwn
	if remembers && (results.LetGo != nil || results.Endpoint != nil && !held) {
		patch = append(patch, operation{Op: opRemove, Path: annotationPath(names.TopologyGate)})
	}
	return json.Marshal(patch)
}

const endpointPath = "/spec/controlPlaneEndpoint"

// ApplyVariables returns the server-side apply of the variables of a role, with our finalizer. It carries the
// resourceVersion that the decision saw, so that it does not overwrite a value that someone has just written.
func (c *Cluster) ApplyVariables(api API, values []vip.Value) ([]byte, error) {
	var variables []object
	for _, value := range values {
		name, rest, nested := strings.Cut(value.Path, ".")
		i := slices.IndexFunc(variables, func(v object) bool { return v["name"] == name })
		if i < 0 {
			i = len(variables)
			variables = append(variables, object{"name": name})
		}
		if !nested {
			variables[i]["value"] = value.Value
			continue
		}
		into, ok := variables[i]["value"].(object)
		if !ok {
			into = object{}
			variables[i]["value"] = into
		}
		if err := unstructured.SetNestedField(into, value.Value, strings.Split(rest, ".")...); err != nil {
			return nil, fmt.Errorf("variable %s: %w", value.Path, err)
		}
	}
	return apply(typeMeta(api.Clusters()), &c.ObjectMeta,
		object{"resourceVersion": c.ResourceVersion, "finalizers": []string{names.ReleaseFinalizer}},
		object{"spec": object{"topology": object{"variables": variables}}})
}

func (c *Cluster) addFinalizer() []any {
	const path = "/metadata/finalizers"
	if len(c.Finalizers) == 0 {
		return []any{mustBe(path, nil), operation{opAdd, path, []string{names.ReleaseFinalizer}}}
	}
	return []any{mustBe(path, c.Finalizers), operation{opAdd, path + "/-", names.ReleaseFinalizer}}
}

// PatchFinalizerAway returns the JSON patch that removes our finalizer, or nil if it is not there.
func (c *Cluster) PatchFinalizerAway() ([]byte, error) {
	i := slices.Index(c.Finalizers, names.ReleaseFinalizer)
	if i < 0 {
		return nil, nil
	}
	path := fmt.Sprintf("/metadata/finalizers/%d", i)
	return json.Marshal([]any{
		mustBe("/metadata/uid", c.UID),
		mustBe(path, names.ReleaseFinalizer),
		operation{Op: opRemove, Path: path},
	})
}

// NewClaim returns the claim for a role of the Cluster. It sets both spec.clusterName and the label, the two ways in
// which a provider finds the Cluster, so that the provider respects a paused one. For pools of the in-cluster
// provider it also sets that provider's finalizer: a claim without it goes back to the end of the queue as soon as it
// gets one (ADR 10).
func (c *Cluster) NewClaim(api API, action vip.CreateClaim) *Claim {
	return &Claim{
		TypeMeta: typeMeta(api.Claims()),
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       c.Namespace,
			Name:            action.Name,
			Labels:          c.claimLabels(action.Role),
			Finalizers:      claimFinalizers(action.Pool),
			OwnerReferences: []metav1.OwnerReference{c.ownerReference(api)},
		},
		Spec: ClaimSpec{
			ClusterName: c.Name,
			PoolRef:     PoolReference{APIGroup: action.Pool.Group, Kind: action.Pool.Kind, Name: action.Pool.Name},
		},
	}
}

// claimFinalizers returns the finalizers that we put on a claim on a pool.
func claimFinalizers(pool vip.PoolRef) []string {
	if pool.Group == IPAMGroup && (pool.Kind == KindPool || pool.Kind == KindGlobalPool) {
		return []string{names.ReleaseAddress}
	}
	return nil
}

// ApplyOwner returns the server-side apply that makes the Cluster the owner of a claim, with the finalizer that
// NewClaim sets.
func (c *Cluster) ApplyOwner(api API, action vip.AdoptClaim) ([]byte, error) {
	meta := metav1.ObjectMeta{Namespace: action.Claim.Namespace, Name: action.Claim.Name, UID: action.Claim.UID}
	metadata := object{
		"labels": c.claimLabels(action.Role), "ownerReferences": []metav1.OwnerReference{c.ownerReference(api)},
	}
	if finalizers := claimFinalizers(action.Claim.Pool); finalizers != nil {
		metadata["finalizers"] = finalizers
	}
	return apply(typeMeta(api.Claims()), &meta, metadata, nil)
}

// PatchOwner returns the JSON patch that sets the claim's ownerReference to the Cluster to the version in use, or nil
// if it has that version, or another object owns the claim. The API server refuses the patch if the ownerReference
// has moved or changed.
func (c *Claim) PatchOwner(api API, cluster types.UID) ([]byte, error) {
	owner := c.owner()
	if owner == nil || owner.UID != cluster || owner.APIVersion == api.Cluster.String() {
		return nil, nil
	}
	path := fmt.Sprintf("/metadata/ownerReferences/%d",
		slices.IndexFunc(c.OwnerReferences, func(o metav1.OwnerReference) bool {
			return o.UID == owner.UID && o.APIVersion == owner.APIVersion
		}))
	return json.Marshal([]any{
		mustBe("/metadata/uid", c.UID), mustBe(path+"/uid", cluster), mustBe(path+"/apiVersion", owner.APIVersion),
		operation{opAdd, path + "/apiVersion", api.Cluster.String()},
	})
}

func (c *Cluster) claimLabels(role string) map[string]string {
	labels := map[string]string{names.Role: role, names.ClusterName: names.LabelValue(c.Name)}
	if filter, ok := c.Labels[names.WatchFilter]; ok {
		labels[names.WatchFilter] = filter
	}
	return labels
}

func (c *Cluster) ownerReference(api API) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: api.Cluster.String(), Kind: KindCluster, Name: c.Name, UID: c.UID,
		Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
	}
}

func typeMeta(resource Resource) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: resource.GroupVersion().String(), Kind: resource.Kind}
}
