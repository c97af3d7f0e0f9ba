package capi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

func TestIsOutdated(t *testing.T) {
	clusters := schema.GroupResource{Group: capi.ClusterGroup, Resource: "clusters"}
	// As the API server answers a JSON patch that does not apply.
	patch := apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "",
		"testing value /metadata/generation failed: test failed", 0, false)
	// As admission webhooks of Cluster API refuse a Cluster, and as others may.
	denied := &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: "admission webhook denied the request",
	}}
	tests := map[string]struct {
		err  error
		want bool
	}{
		"if there is no error, should not":                    {nil, false},
		"if it does not come from the API server, should not": {io.ErrUnexpectedEOF, false},
		"if the object changed, should": {
			apierrors.NewConflict(clusters, "prod", errors.New("changed")), true,
		},
		"if the object exists already, should":     {apierrors.NewAlreadyExists(clusters, "prod"), true},
		"if the object is gone, should":            {apierrors.NewNotFound(clusters, "prod"), true},
		"if a test of a JSON patch failed, should": {patch, true},
		"if that is wrapped, should":               {fmt.Errorf("write: %w", patch), true},
		"if a conflict is wrapped, should": {
			fmt.Errorf("write: %w", apierrors.NewConflict(clusters, "prod", io.EOF)), true,
		},
		"if the object is invalid, should not": {
			apierrors.NewInvalid(schema.GroupKind{Group: capi.ClusterGroup, Kind: "Cluster"}, "prod",
				field.ErrorList{field.Required(field.NewPath("spec"), "x")}), false,
		},
		"if it is invalid with no field named, should not": {
			apierrors.NewInvalid(schema.GroupKind{Group: capi.ClusterGroup, Kind: "Cluster"}, "prod", nil), false,
		},
		"if a webhook refuses it, should not": {denied, false},
		"if it is forbidden, should not": {
			apierrors.NewForbidden(clusters, "prod", errors.New("no")), false,
		},
		"if there are too many requests, should not":  {apierrors.NewTooManyRequests("later", 1), false},
		"if the API server is in trouble, should not": {apierrors.NewInternalError(errors.New("etcd")), false},
		"if the request is bad, should not":           {apierrors.NewBadRequest("the patch is no JSON"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, capi.IsOutdated(tt.err))
		})
	}
}
