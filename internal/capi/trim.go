package capi

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// PoolTrimmer returns the cache transform for the pools of one kind: it trims them, and makes views of those that come as
// metadata only. A view in a cache knows its kind, which the API server leaves out in lists.
func PoolTrimmer(resource Resource) func(any) (any, error) {
	return func(object any) (any, error) {
		if metadata, ok := object.(*metav1.PartialObjectMetadata); ok {
			object = &Pool{ObjectMeta: metadata.ObjectMeta}
		}
		if pool, ok := object.(*Pool); ok {
			pool.SetGroupVersionKind(resource.GroupVersionKind)
		}
		return Trim(object)
	}
}

// Trim drops from a view what the allocator never reads, before it goes into a cache: with ten thousand Clusters this
// is most of their size. It is a cache transform: it takes any object, trims the views among them in place, and never
// fails; what it trims again stays as it is, since a list that comes as a watch is transformed twice. Nil and empty annotations stay what they are, because patches depend on the difference.
func Trim(object any) (any, error) {
	switch o := object.(type) {
	case *Cluster:
		compactKind(&o.TypeMeta)
		conditions := o.conditions()
		*conditions = slices.DeleteFunc(*conditions, func(c metav1.Condition) bool {
			return !own(c) && c.Type != names.TopologyReconciled
		})
		trimTopology(o)
		o.bound()
		o.OwnerReferences = nil
		trimMeta(&o.ObjectMeta)
		compactConditions(conditions)
		if o.Status.V1Beta2 != nil {
			o.Status.Conditions = nil // those of an older form
		}
	case *ClusterClass:
		trimMeta(&o.ObjectMeta)
		if o.Uses == nil {
			uses := o.uses()
			o.Uses, o.Spec, o.Status = &uses, ClusterClassSpec{}, ClusterClassStatus{}
		}
	case *Claim:
		compactKind(&o.TypeMeta)
		trimMeta(&o.ObjectMeta)
		ready := o.ready()
		o.Status.Conditions, o.Status.V1Beta2, o.Status.Deprecated = nil, nil, nil
		if ready != nil {
			o.Status.Conditions = []metav1.Condition{*ready}
		}
		o.Spec.PoolRef.share()
	case *Address:
		compactKind(&o.TypeMeta)
		trimMeta(&o.ObjectMeta)
		o.OwnerReferences, o.Finalizers, o.Labels, o.Annotations = nil, nil, nil, nil
		o.Spec.PoolRef.share()
	case *DNSEndpoint:
		trimMeta(&o.ObjectMeta)
	case *Pool:
		trimMeta(&o.ObjectMeta)
	}
	return object, nil
}

// kept are the foreign labels and annotations that the allocator reads.
var kept = []string{names.ClusterName, names.WatchFilter, names.Paused, names.DeleteForMove}

func trimMeta(meta *metav1.ObjectMeta) {
	meta.ManagedFields = nil
	foreign := func(key, _ string) bool {
		return !strings.HasPrefix(key, names.Domain+"/") && !slices.Contains(kept, key)
	}
	maps.DeleteFunc(meta.Labels, foreign)
	maps.DeleteFunc(meta.Annotations, foreign)
	compactMeta(meta)
}
