// Package capi defines how the allocator reads and writes its neighbours' objects: narrow views of Cluster,
// IPAddressClaim, IPAddress and the pools for every served version, their translation to and from package vip, and
// the patch bodies. A view has only the fields in use, so it must never be written back whole.
//
// +kubebuilder:object:generate=true
package capi

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Cluster is the view of a Cluster. It has the fields of v1beta1 and v1beta2 side by side; the accessors in this
// package pick those that the served version fills.
//
// +kubebuilder:object:root=true
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ClusterSpec   `json:"spec,omitempty"`
	Status ClusterStatus `json:"status,omitempty"`

	// Cut says that Trim dropped data that would be read if the Cluster had less of it.
	Cut bool `json:"-"`
}

// ClusterSpec is the view of a Cluster's spec.
type ClusterSpec struct {
	Paused               *bool    `json:"paused,omitempty"`
	ControlPlaneEndpoint Endpoint `json:"controlPlaneEndpoint,omitempty"`
	Topology             Topology `json:"topology,omitempty"`

	ClusterNetwork ClusterNetwork `json:"clusterNetwork,omitzero"`

	// ControlPlaneRef names the control plane object; its other fields differ between v1beta1 and v1beta2.
	ControlPlaneRef ObjectReference `json:"controlPlaneRef,omitempty"`
}

// ObjectReference names an object in the Cluster's namespace.
type ObjectReference struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
}

// String returns the reference as kind/name, as kubectl takes it, or "" if there is none.
func (r ObjectReference) String() string {
	if r.Name == "" {
		return ""
	}
	return strings.ToLower(r.Kind) + "/" + r.Name
}

// ClusterNetwork is the view of spec.clusterNetwork.
type ClusterNetwork struct {
	APIServerPort int32 `json:"apiServerPort,omitempty"`
}

// Endpoint is spec.controlPlaneEndpoint.
type Endpoint struct {
	Host string `json:"host,omitempty"`
	Port int32  `json:"port,omitempty"`
}

// Topology is the view of spec.topology: v1beta1 names the class in Class and ClassNamespace, v1beta2 in ClassRef.
type Topology struct {
	Class          string   `json:"class,omitempty"`
	ClassNamespace string   `json:"classNamespace,omitempty"`
	ClassRef       ClassRef `json:"classRef,omitempty"`

	ControlPlane ControlPlaneTopology `json:"controlPlane,omitzero"`

	Variables []Variable `json:"variables,omitempty"`
}

// Variable is a value for a variable of the ClusterClass.
type Variable struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value,omitempty"`
}

// ClassRef is spec.topology.classRef of v1beta2.
type ClassRef struct {
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ClusterStatus is the view of a Cluster's status: metav1 conditions are in Conditions with v1beta2, and in
// V1Beta2.Conditions with v1beta1, where Conditions holds conditions of an older form.
type ClusterStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	V1Beta2    *V1Beta2Status     `json:"v1beta2,omitempty"`

	// Places are the indexes that the conditions had before Trim dropped the others; nil before Trim.
	Places []int `json:"-"`
}

// V1Beta2Status is status.v1beta2 of a v1beta1 Cluster.
type V1Beta2Status struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ClusterClass is the view of a ClusterClass. Trim reduces spec and status to Uses.
//
// +kubebuilder:object:root=true
type ClusterClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ClusterClassSpec   `json:"spec,omitempty"`
	Status ClusterClassStatus `json:"status,omitempty"`

	// Uses sums up what the class does with VIPs; nil before Trim.
	Uses *ClassUses `json:"-"`
}

// ClusterClassSpec is the view of a class's spec. Patches are only searched as text.
type ClusterClassSpec struct {
	Variables []ClassVariable   `json:"variables,omitempty"`
	Patches   []json.RawMessage `json:"patches,omitempty"`
}

// ClassVariable is a variable that the class declares.
type ClassVariable struct {
	Name   string         `json:"name"`
	Schema VariableSchema `json:"schema"`
}

// ClusterClassStatus is the view of a class's status, which also has the variables from runtime extensions.
type ClusterClassStatus struct {
	Variables []StatusVariable `json:"variables,omitempty"`
}

// StatusVariable is a variable with the definitions that the class and its extensions give it.
type StatusVariable struct {
	Name        string               `json:"name"`
	Definitions []VariableDefinition `json:"definitions,omitempty"`
}

// VariableDefinition is one definition of a variable.
type VariableDefinition struct {
	Schema VariableSchema `json:"schema"`
}

// VariableSchema holds the schema of a variable.
type VariableSchema struct {
	OpenAPIV3Schema Schema `json:"openAPIV3Schema"`
}

// Schema is the view of a schema: only types.
type Schema struct {
	Type       string            `json:"type,omitempty"`
	Properties map[string]Schema `json:"properties,omitempty"`
}

// ClassUses is what a class does with VIPs.
type ClassUses struct {
	// ReadsVIP says that its patches read the allocator's annotations or call its runtime extension.
	ReadsVIP bool

	// Variables are the types of the variables it declares, by dotted path.
	Variables map[string]string
}

// Claim is the view of an IPAddressClaim.
//
// +kubebuilder:object:root=true
type Claim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ClaimSpec   `json:"spec,omitempty"`
	Status ClaimStatus `json:"status,omitzero"`
}

// ClaimSpec is the view of a claim's spec.
type ClaimSpec struct {
	ClusterName string        `json:"clusterName,omitempty"`
	PoolRef     PoolReference `json:"poolRef"`
}

// PoolReference names a pool.
type PoolReference struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

// ClaimStatus is the view of a claim's status. A provider's conditions, if any, are in one of four places: it writes
// either the older or the newer form, and each version of the API keeps both. Those of the newer form are in
// Conditions with v1beta2 and in V1Beta2 with v1beta1; those of the older form in Deprecated with v1beta2 and in
// Conditions with v1beta1. The fields in use are the same in both forms.
type ClaimStatus struct {
	AddressRef NameReference      `json:"addressRef,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	V1Beta2    *V1Beta2Status     `json:"v1beta2,omitempty"`
	Deprecated *DeprecatedStatus  `json:"deprecated,omitempty"`
}

// DeprecatedStatus is status.deprecated of a v1beta2 claim.
type DeprecatedStatus struct {
	V1Beta1 *V1Beta1Status `json:"v1beta1,omitempty"`
}

// V1Beta1Status is status.deprecated.v1beta1 of a v1beta2 claim.
type V1Beta1Status struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// NameReference names an object of the same namespace.
type NameReference struct {
	Name string `json:"name,omitempty"`
}

// Address is the view of an IPAddress.
//
// +kubebuilder:object:root=true
type Address struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AddressSpec `json:"spec,omitempty"`

	// ClaimUID is the UID of the claim that owns the address; empty if none does. Trim keeps only this of the
	// ownerReferences.
	ClaimUID types.UID `json:"-"`
}

// AddressSpec is the view of an IPAddress' spec.
type AddressSpec struct {
	Address  string        `json:"address"`
	ClaimRef NameReference `json:"claimRef"`
	PoolRef  PoolReference `json:"poolRef"`
}

// Pool is the view of an InClusterIPPool and of a GlobalInClusterIPPool.
//
// +kubebuilder:object:root=true
type Pool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PoolSpec   `json:"spec,omitempty"`
	Status PoolStatus `json:"status,omitempty"`
}

// PoolSpec is the view of a pool's spec.
type PoolSpec struct {
	Addresses                      []string `json:"addresses,omitempty"`
	ExcludedAddresses              []string `json:"excludedAddresses,omitempty"`
	Gateway                        string   `json:"gateway,omitempty"`
	Prefix                         int      `json:"prefix,omitempty"`
	AllocateReservedIPAddresses    bool     `json:"allocateReservedIPAddresses,omitempty"`
	AddressReuseGracePeriodSeconds int32    `json:"addressReuseGracePeriodSeconds,omitempty"`
}

// PoolStatus is the view of a pool's status.
type PoolStatus struct {
	IPAddresses *PoolCapacity `json:"ipAddresses,omitempty"`
}

// PoolCapacity is status.ipAddresses of a pool.
type PoolCapacity struct {
	Total      int `json:"total"`
	Free       int `json:"free"`
	Used       int `json:"used"`
	OutOfRange int `json:"outOfRange"`
}

// ClusterList is a list of Clusters.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}

// DNSEndpoint is the view of external-dns' object that holds DNS records.
//
// +kubebuilder:object:root=true
type DNSEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec DNSEndpointSpec `json:"spec,omitempty"`
}

// DNSEndpointSpec is the view of the spec of a DNSEndpoint.
type DNSEndpointSpec struct {
	Endpoints []DNSRecord `json:"endpoints,omitempty"`
}

// DNSRecord is a DNS name with its targets.
type DNSRecord struct {
	DNSName    string   `json:"dnsName"`
	RecordType string   `json:"recordType"`
	Targets    []string `json:"targets"`
}

// DNSEndpointList is a list of DNSEndpoints.
//
// +kubebuilder:object:root=true
type DNSEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DNSEndpoint `json:"items"`
}

// ClusterClassList is a list of ClusterClasses.
//
// +kubebuilder:object:root=true
type ClusterClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterClass `json:"items"`
}

// ClaimList is a list of claims.
//
// +kubebuilder:object:root=true
type ClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Claim `json:"items"`
}

// AddressList is a list of addresses.
//
// +kubebuilder:object:root=true
type AddressList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Address `json:"items"`
}

// PoolList is a list of pools of one kind.
//
// +kubebuilder:object:root=true
type PoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Pool `json:"items"`
}
