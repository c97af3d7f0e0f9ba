package harness

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Cluster is a Cluster of either version.
type Cluster struct{ *unstructured.Unstructured }

// Endpoint is spec.controlPlaneEndpoint.
type Endpoint struct {
	Host string
	Port int64
}

// Endpoint returns spec.controlPlaneEndpoint; both fields are zero while it is not set.
func (c *Cluster) Endpoint() Endpoint {
	host, _, _ := unstructured.NestedString(c.Object, "spec", "controlPlaneEndpoint", "host")
	port, _, _ := unstructured.NestedInt64(c.Object, "spec", "controlPlaneEndpoint", "port")
	return Endpoint{Host: host, Port: port}
}

// VIP returns the annotation with the VIP of a role.
func (c *Cluster) VIP(role string) string { return c.GetAnnotations()[names.Annotation(role)] }

// HasFinalizer reports whether the Cluster has the allocator's finalizer.
func (c *Cluster) HasFinalizer() bool {
	return slices.Contains(c.GetFinalizers(), names.ReleaseFinalizer)
}

// InUse reports whether the Cluster has Cluster API's finalizer.
func (c *Cluster) InUse() bool { return slices.Contains(c.GetFinalizers(), names.ClusterFinalizer) }

// Conditions returns the metav1 conditions, wherever the version keeps them: status.conditions with v1beta2,
// status.v1beta2.conditions with v1beta1.
func (c *Cluster) Conditions() []metav1.Condition {
	path := []string{"status", "conditions"}
	if c.GroupVersionKind().Version == oldVersion {
		path = []string{"status", "v1beta2", "conditions"}
	}
	items, _, _ := unstructured.NestedSlice(c.Object, path...)
	conditions := make([]metav1.Condition, 0, len(items))
	for _, item := range items {
		fields, _ := item.(map[string]any)
		var condition metav1.Condition
		if runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &condition) == nil {
			conditions = append(conditions, condition)
		}
	}
	return conditions
}

// Condition returns the allocator's condition for a role, or nil.
func (c *Cluster) Condition(role string) *metav1.Condition {
	conditions := c.Conditions()
	for i := range conditions {
		if conditions[i].Type == names.ConditionType(role) {
			return &conditions[i]
		}
	}
	return nil
}

// Carried returns the addresses that the Cluster carries as endpoint or in an annotation, each once.
func (c *Cluster) Carried() []string {
	var carried []string
	add := func(address string) {
		if address != "" && !slices.Contains(carried, address) {
			carried = append(carried, address)
		}
	}
	add(c.Endpoint().Host)
	for key, value := range c.GetAnnotations() {
		if _, ok := names.RoleOfAnnotation(key); ok {
			for address := range strings.SplitSeq(value, ",") {
				add(address)
			}
		}
	}
	return carried
}

// Released reports whether Cluster API has finished with the Cluster, which then no longer uses its addresses.
func (c *Cluster) Released() bool { return c.GetDeletionTimestamp() != nil && !c.InUse() }

// Claim is an IPAddressClaim.
type Claim struct{ *unstructured.Unstructured }

// Address returns the name of the IPAddress that the claim is bound to, or "".
func (c *Claim) Address() string {
	name, _, _ := unstructured.NestedString(c.Object, "status", "addressRef", "name")
	return name
}

// Pool returns the name of the pool that the claim refers to.
func (c *Claim) Pool() string {
	name, _, _ := unstructured.NestedString(c.Object, "spec", "poolRef", "name")
	return name
}

// Owner returns the UID of the Cluster that owns the claim, or "".
func (c *Claim) Owner() types.UID {
	for _, owner := range c.GetOwnerReferences() {
		if owner.Kind == "Cluster" {
			return owner.UID
		}
	}
	return ""
}

// Role returns the role of the claim, by its label.
func (c *Claim) Role() string { return c.GetLabels()[names.Role] }

// ClusterName returns spec.clusterName.
func (c *Claim) ClusterName() string {
	name, _, _ := unstructured.NestedString(c.Object, "spec", "clusterName")
	return name
}

// Address is an IPAddress.
type Address struct{ *unstructured.Unstructured }

// Value returns the IP address.
func (a *Address) Value() string {
	value, _, _ := unstructured.NestedString(a.Object, "spec", "address")
	return value
}

// Claim returns the name of the claim that the address was made for.
func (a *Address) Claim() string {
	name, _, _ := unstructured.NestedString(a.Object, "spec", "claimRef", "name")
	return name
}

// Pool returns the name of the pool that the address is from.
func (a *Address) Pool() string {
	name, _, _ := unstructured.NestedString(a.Object, "spec", "poolRef", "name")
	return name
}

// Capacity is what a pool reports about itself.
type Capacity struct{ Total, Used, Free, OutOfRange int }
