package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// confirm reads a live Cluster before one of its claims is deleted, and fails if it has changed since the decision: a
// stale cache may not know yet that the claim's address was written, which cannot be taken back. These deletes are
// rare, and the claim itself is deleted only as it was seen.
func (w *Writer) confirm(ctx context.Context, cluster *capi.Cluster) error {
	if cluster.DeletionTimestamp != nil {
		return nil
	}
	var found capi.ClusterList // the operator may list Clusters, but not get one
	only := metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, cluster.Name).String(),
	}
	if err := w.clusters.List(ctx, cluster.Namespace, &found, only); err != nil {
		return err
	}
	if len(found.Items) != 1 || found.Items[0].UID != cluster.UID ||
		found.Items[0].ResourceVersion != cluster.ResourceVersion {
		return ErrOutdated
	}
	return nil
}

func (w *Writer) deleteClaim(ctx context.Context, claim vip.Claim, preconditions metav1.Preconditions) error {
	err := w.claims.Delete(ctx, claim.Namespace, claim.Name, metav1.DeleteOptions{Preconditions: &preconditions})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if seen, ok := w.store.Claim(claim.Namespace, claim.Name, w.now()); ok && seen.UID == claim.UID {
		deleted := seen.DeepCopy()
		deleted.DeletionTimestamp = ptr.To(metav1.NewTime(w.now()))
		w.store.WroteClaim(deleted, false, w.now())
	}
	return nil
}

// renewOwner sets a claim's ownerReference to the Cluster to the version in use, if the claim is still as it was
// seen.
func (w *Writer) renewOwner(ctx context.Context, cluster *capi.Cluster, renewal vip.RenewOwner) error {
	seen, ok := w.store.Claim(renewal.Claim.Namespace, renewal.Claim.Name, w.now())
	if !ok || seen.UID != renewal.Claim.UID {
		return ErrOutdated
	}
	body, err := seen.PatchOwner(w.api, cluster.UID)
	if err != nil || body == nil {
		return err
	}
	return w.patchClaim(ctx, renewal.Claim, types.JSONPatchType, body)
}

func (w *Writer) patchClaim(ctx context.Context, claim vip.Claim, kind types.PatchType, body []byte) error {
	patched := &capi.Claim{}
	if err := w.claims.Patch(ctx, claim.Namespace, claim.Name, kind, body, patched, applyOptions(kind)); err != nil {
		return err
	}
	w.record(patched, false)
	return nil
}

func (w *Writer) record(claim *capi.Claim, created bool) {
	if _, err := capi.Trim(claim); err == nil {
		w.store.WroteClaim(claim, created, w.now())
	}
}
