package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// writeRecords applies the DNS records of a Cluster, as an object that it owns.
func (w *Writer) writeRecords(ctx context.Context, cluster *capi.Cluster, action vip.SetRecords) error {
	name, body, err := cluster.ApplyRecords(w.api, action)
	if err != nil {
		return err
	}
	applied := &capi.DNSEndpoint{}
	options := applyOptions(types.ApplyPatchType)
	if err := w.dns.Patch(ctx, cluster.Namespace, name, types.ApplyPatchType, body, applied, options); err != nil {
		return err
	}
	w.store.WroteRecords(applied, w.now())
	return nil
}

// deleteRecords deletes the object with the DNS records of a Cluster, as it was seen.
func (w *Writer) deleteRecords(ctx context.Context, cluster *capi.Cluster) error {
	seen, ok := w.store.Records(cluster, w.now())
	if !ok {
		return nil
	}
	asSeen := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &seen.UID}}
	err := w.dns.Delete(ctx, seen.Namespace, seen.Name, asSeen)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // someone else was faster
		return nil
	}
	return err
}
