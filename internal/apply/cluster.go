package apply

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// writeResults writes finalizer, endpoint and annotations in one patch, and variables, which come alone, together
// with the finalizer. It applies a finalizer alone server-side: that cannot conflict, whatever others do to the list.
func (w *Writer) writeResults(ctx context.Context, cluster *capi.Cluster, results []vip.Action) (*capi.Cluster, error) {
	if variables, ok := results[len(results)-1].(vip.SetVariables); ok {
		return w.writeVariables(ctx, cluster, variables)
	}
	if _, alone := results[0].(vip.AddFinalizer); alone && len(results) == 1 {
		body, err := cluster.ApplyFinalizer(w.api)
		if err != nil {
			return nil, err
		}
		return w.patchCluster(ctx, cluster, types.ApplyPatchType, body)
	}
	var r capi.Results
	for _, action := range results {
		switch a := action.(type) {
		case vip.AddFinalizer:
			r.Finalizer = true
		case vip.HoldControlPlane:
			r.Hold = &a
		case vip.ReleaseControlPlane:
			r.LetGo = &a
		case vip.KeepPort:
			r.Port = &a
		case vip.SetEndpoint:
			r.Endpoint = &a
		case vip.SetAnnotation:
			r.Annotations = append(r.Annotations, a)
		case vip.RecordClaim:
			r.Records = append(r.Records, a)
		}
	}
	body, err := cluster.PatchResults(r)
	if err != nil {
		return nil, err
	}
	return w.patchCluster(ctx, cluster, types.JSONPatchType, body)
}

// writeVariables applies the variables of a role under a manager of their own, together with our finalizer. What
// follows from them, conditions included, is left to the next decision.
func (w *Writer) writeVariables(
	ctx context.Context, cluster *capi.Cluster, variables vip.SetVariables,
) (*capi.Cluster, error) {
	body, err := cluster.ApplyVariables(w.api, variables.Values)
	if err != nil {
		return nil, err
	}
	options := applyOptions(types.ApplyPatchType)
	options.FieldManager = names.VariableManager(variables.Role)
	return w.patchClusterWith(ctx, cluster, types.ApplyPatchType, body, options)
}

// writeConditions removes the conditions that are not to stay, and applies the others if any of them is new or
// changed.
func (w *Writer) writeConditions(ctx context.Context, cluster *capi.Cluster, conditions []vip.Condition) error {
	body, err := cluster.PatchConditionsAway(conditions)
	if err != nil {
		return err
	}
	if body != nil {
		patched, err := w.patchCluster(ctx, cluster, types.JSONPatchType, body, "status")
		if err != nil || carries(patched, conditions) {
			return err
		}
	}
	if body, err = cluster.ApplyConditions(w.api, conditions); err != nil {
		return err
	}
	_, err = w.patchCluster(ctx, cluster, types.ApplyPatchType, body, "status")
	return err
}

// carries reports whether a Cluster carries all of these conditions.
func carries(cluster *capi.Cluster, conditions []vip.Condition) bool {
	carried := cluster.OwnConditions()
	return !slices.ContainsFunc(conditions, func(want vip.Condition) bool {
		return !slices.ContainsFunc(carried, func(got vip.Condition) bool {
			since := got.Since
			got.Since = want.Since
			return got == want && !want.Since.After(since)
		})
	})
}

func (w *Writer) patchCluster(
	ctx context.Context, cluster *capi.Cluster, kind types.PatchType, body []byte, subresources ...string,
) (*capi.Cluster, error) {
	return w.patchClusterWith(ctx, cluster, kind, body, applyOptions(kind), subresources...)
}

// patchClusterWith returns the Cluster as it is after the patch.
func (w *Writer) patchClusterWith(
	ctx context.Context, cluster *capi.Cluster, kind types.PatchType, body []byte, options metav1.PatchOptions,
	subresources ...string,
) (*capi.Cluster, error) {
	patched := &capi.Cluster{}
	err := w.clusters.Patch(ctx, cluster.Namespace, cluster.Name, kind, body, patched, options, subresources...)
	if err != nil {
		return nil, err
	}
	if _, err := capi.Trim(patched); err != nil {
		return nil, err
	}
	w.store.WroteCluster(patched, w.now())
	return patched, nil
}

// applyOptions are the options of a patch. A server-side apply forces ownership of its fields: they are ours alone.
func applyOptions(kind types.PatchType) metav1.PatchOptions {
	options := metav1.PatchOptions{FieldManager: names.FieldManager}
	if kind == types.ApplyPatchType {
		options.Force = ptr.To(true)
	}
	return options
}
