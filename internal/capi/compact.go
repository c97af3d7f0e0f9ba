package capi

import (
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decoding gives every object its own strings, and slices and maps with room to grow. In a cache nothing grows, and
// thousands of objects have most strings in common; without that waste, ten thousand Clusters take half as much
// memory.

// shared returns the one copy of a string that all objects share.
func shared(text string) string {
	if text == "" {
		return ""
	}
	return unique.Make(text).Value()
}

func compactKind(kind *metav1.TypeMeta) {
	kind.APIVersion, kind.Kind = shared(kind.APIVersion), shared(kind.Kind)
}

func compactMeta(meta *metav1.ObjectMeta) {
	meta.Namespace = shared(meta.Namespace)
	meta.Labels = compactMap(meta.Labels)
	meta.Annotations = compactMap(meta.Annotations)
	meta.Finalizers = compactSlice(meta.Finalizers)
	for i, finalizer := range meta.Finalizers {
		meta.Finalizers[i] = shared(finalizer)
	}
	meta.OwnerReferences = compactSlice(meta.OwnerReferences)
	for i := range meta.OwnerReferences {
		owner := &meta.OwnerReferences[i]
		owner.APIVersion, owner.Kind = shared(owner.APIVersion), shared(owner.Kind)
	}
}

// compactMap returns the map without spare room; nil stays nil. Only its keys are shared.
func compactMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	compact := make(map[string]string, len(m))
	for key, value := range m {
		compact[shared(key)] = value
	}
	return compact
}

// compactSlice returns the slice without spare capacity; nil stays nil.
func compactSlice[T any](s []T) []T {
	if len(s) == cap(s) {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

func compactConditions(conditions *[]metav1.Condition) {
	*conditions = compactSlice(*conditions)
	for i := range *conditions {
		condition := &(*conditions)[i]
		condition.Type, condition.Reason = shared(condition.Type), shared(condition.Reason)
		condition.Status = metav1.ConditionStatus(shared(string(condition.Status)))
	}
}

// share replaces the strings of a reference with shared ones.
func (r *PoolReference) share() {
	r.APIGroup, r.Kind, r.Name = shared(r.APIGroup), shared(r.Kind), shared(r.Name)
}
