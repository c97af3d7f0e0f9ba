package capi

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// API says which versions of the neighbours' kinds are in use.
type API struct {
	// Cluster is the group and version of Cluster and ClusterClass.
	Cluster schema.GroupVersion

	// IPAM is the group and version of IPAddressClaim and IPAddress.
	IPAM schema.GroupVersion

	// Pools is the group and version of the pools of the in-cluster IPAM provider.
	Pools schema.GroupVersion

	// OtherPools are the pool kinds of other IPAM providers in use. The allocator reads only their metadata: Cluster
	// API's contract says nothing about the rest of a pool.
	OtherPools []Resource

	// DNS is the kind that holds DNS records; nil if none are kept.
	DNS *Resource
}

// The groups of the neighbours, and their kinds.
const (
	ClusterGroup = "cluster.x-k8s.io"
	IPAMGroup    = "ipam.cluster.x-k8s.io"

	KindCluster      = "Cluster"
	KindClusterClass = "ClusterClass"
	KindClaim        = "IPAddressClaim"
	KindAddress      = "IPAddress"
	KindPool         = "InClusterIPPool"
	KindGlobalPool   = "GlobalInClusterIPPool"
)

// Resource names a kind of the API and its resource, and says whether it is namespaced.
type Resource struct {
	schema.GroupVersionKind
	Plural     string
	Namespaced bool
}

// Clusters is the resource of Cluster.
func (a API) Clusters() Resource { return Resource{a.Cluster.WithKind(KindCluster), "clusters", true} }

// ClusterClasses is the resource of ClusterClass.
func (a API) ClusterClasses() Resource {
	return Resource{a.Cluster.WithKind(KindClusterClass), "clusterclasses", true}
}

// Claims is the resource of IPAddressClaim.
func (a API) Claims() Resource { return Resource{a.IPAM.WithKind(KindClaim), "ipaddressclaims", true} }

// Addresses is the resource of IPAddress.
func (a API) Addresses() Resource { return Resource{a.IPAM.WithKind(KindAddress), "ipaddresses", true} }

// NamespacedPools is the resource of InClusterIPPool.
func (a API) NamespacedPools() Resource {
	return Resource{a.Pools.WithKind(KindPool), "inclusterippools", true}
}

// GlobalPools is the resource of GlobalInClusterIPPool.
func (a API) GlobalPools() Resource {
	return Resource{a.Pools.WithKind(KindGlobalPool), "globalinclusterippools", false}
}

// AllPools returns the resources of all kinds of pools.
func (a API) AllPools() []Resource {
	return append([]Resource{a.NamespacedPools(), a.GlobalPools()}, a.OtherPools...)
}

// Views returns the resources whose objects are decoded into views: all but the pools of other providers.
func (a API) Views() []Resource {
	views := []Resource{
		a.Clusters(), a.ClusterClasses(), a.Claims(), a.Addresses(), a.NamespacedPools(), a.GlobalPools(),
	}
	if a.DNS != nil {
		views = append(views, *a.DNS)
	}
	return views
}

// Scheme returns a scheme that maps the kinds and versions in use to the views.
func (a API) Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	register := func(resource Resource, object, list runtime.Object) {
		scheme.AddKnownTypeWithName(resource.GroupVersionKind, object)
		scheme.AddKnownTypeWithName(resource.GroupVersion().WithKind(resource.Kind+"List"), list)
	}
	register(a.Clusters(), &Cluster{}, &ClusterList{})
	register(a.ClusterClasses(), &ClusterClass{}, &ClusterClassList{})
	register(a.Claims(), &Claim{}, &ClaimList{})
	register(a.Addresses(), &Address{}, &AddressList{})
	register(a.NamespacedPools(), &Pool{}, &PoolList{})
	register(a.GlobalPools(), &Pool{}, &PoolList{})
	groups := []schema.GroupVersion{a.Cluster, a.IPAM, a.Pools}
	if a.DNS != nil {
		register(*a.DNS, &DNSEndpoint{}, &DNSEndpointList{})
		groups = append(groups, a.DNS.GroupVersion())
	}
	for _, gv := range groups {
		metav1.AddToGroupVersion(scheme, gv)
	}
	return scheme
}

// String lists the groups and versions in use; equal APIs have equal strings.
func (a API) String() string {
	texts := []string{a.Cluster.String(), a.IPAM.String(), "pools " + a.Pools.Version}
	for _, pools := range a.OtherPools {
		texts = append(texts, pools.Kind+" "+pools.GroupVersion().String())
	}
	if a.DNS != nil {
		texts = append(texts, a.DNS.Kind+" "+a.DNS.GroupVersion().String())
	}
	return strings.Join(texts, ", ")
}
