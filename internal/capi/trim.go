package capi

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
)

// PoolTrimmer returns the cache transform for the pools of one kind: it trims them, and turns those that come as
// metadata only into views. It also sets the kind, which the API server leaves out in lists.
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
// is most of their size. As a cache transform it takes any object, trims views in place, and never fails. It is
// idempotent, since a list that comes as a watch is transformed twice. Nil annotations stay nil and empty ones empty,
// because patches depend on the difference.
func Trim(object any) (any, error) {
	switch o := object.(type) {
	case *Cluster:
		compactKind(&o.TypeMeta)
		trimConditions(o)
		trimTopology(o)
		o.bound()
		o.OwnerReferences = nil
		trimMeta(&o.ObjectMeta)
		o.Spec.ControlPlaneRef.Kind = shared(o.Spec.ControlPlaneRef.Kind)
		if o.Status.V1Beta2 != nil {
			o.Status.Conditions = nil // those of the older form
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
		o.ClaimUID = o.claimUID()
		trimMeta(&o.ObjectMeta)
		o.OwnerReferences, o.Finalizers, o.Labels, o.Annotations = nil, nil, nil, nil
		o.Spec.PoolRef.share()
	case *DNSEndpoint:
		trimMeta(&o.ObjectMeta)
	case *Pool:
		o.Labels, o.Annotations = trimKeys(o.Labels, names.PoolLabels), trimKeys(o.Annotations, names.PoolAnnotations)
		o.ManagedFields = nil
		compactMeta(&o.ObjectMeta)
	}
	return object, nil
}

// trimConditions keeps our conditions, the topology controller's, and their indexes in the list, which a patch names.
func trimConditions(c *Cluster) {
	foreign := func(c metav1.Condition) bool { return !own(c) && c.Type != names.TopologyReconciled }
	conditions := c.conditions()
	if c.Status.Places == nil {
		c.Status.Places = []int{}
		for i, condition := range *conditions {
			if !foreign(condition) {
				c.Status.Places = append(c.Status.Places, i)
			}
		}
		c.Status.Places = compactSlice(c.Status.Places)
	}
	*conditions = slices.DeleteFunc(*conditions, foreign)
	compactConditions(conditions)
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

// trimKeys returns the labels or annotations of a pool that matter: the keys that are read, with overlong values cut
// to just over the limit, and as many unknown keys as are reported.
func trimKeys(values map[string]string, known []string) map[string]string {
	unknown := 0
	for _, key := range poolconfig.Ours(values) {
		value := values[key]
		switch {
		case slices.Contains(known, key):
			if len(value) > poolconfig.MaxPoolAnnotation+1 {
				values[key] = strings.Clone(value[:poolconfig.MaxPoolAnnotation+1])
			}
		case unknown > poolconfig.MaxProblems:
			delete(values, key)
		default:
			unknown++
			values[key] = ""
		}
	}
	maps.DeleteFunc(values, func(key, _ string) bool { return !names.IsOurs(key) && !slices.Contains(kept, key) })
	return values
}
