package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestFailureOf(t *testing.T) {
	resource := schema.GroupResource{Group: "cluster.x-k8s.io", Resource: "clusters"}
	for name, test := range map[string]struct {
		err  error
		want telemetry.Failure
	}{
		"if RBAC denies, should be forbidden": {
			apierrors.NewForbidden(resource, "c", errors.New("no")), telemetry.FailureForbidden,
		},
		"if the token is not known, should be forbidden": {
			apierrors.NewUnauthorized("no"), telemetry.FailureForbidden,
		},
		"if a webhook or schema refuses, should be invalid": {
			apierrors.NewInvalid(schema.GroupKind{Kind: "Cluster"}, "c", nil), telemetry.FailureInvalid,
		},
		"if the API server is overloaded, should be unavailable": {
			apierrors.NewTooManyRequests("later", 1), telemetry.FailureUnavailable,
		},
		"if nobody listens, should be unavailable": {
			&net.OpError{Op: "dial", Err: errors.New("refused")}, telemetry.FailureUnavailable,
		},
		"if time ran out, should be unavailable": {
			context.DeadlineExceeded, telemetry.FailureUnavailable,
		},
		"if the object would be too large for etcd, should be invalid": {
			apierrors.NewInternalError(errors.New("etcdserver: request is too large")), telemetry.FailureInvalid,
		},
		"if the error is wrapped, should see through": {
			fmt.Errorf("write: %w", apierrors.NewServiceUnavailable("down")), telemetry.FailureUnavailable,
		},
		"if nothing is known of the error, should be counted still": {errors.New("?"), telemetry.FailureOther},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, failureOf(test.err)) })
	}
}

func TestRefused(t *testing.T) {
	kind := schema.GroupKind{Kind: "Cluster"}
	full := apierrors.NewInvalid(kind, "c", field.ErrorList{
		field.TooLong(field.NewPath("metadata", "annotations"), "", 1),
	})
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"if nothing is wrong, should say nothing":             {nil, ""},
		"if the API server is in trouble, should say nothing": {apierrors.NewServiceUnavailable("down"), ""},
		"if the write came too late, should say nothing": {
			fmt.Errorf("%w: %w", apply.ErrOutdated, apierrors.NewInvalid(kind, "c", nil)), "",
		},
		"if a policy refuses, should say which": {
			apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "c",
				errors.New("ValidatingAdmissionPolicy 'fridays' denied request: no")), "'fridays' denied request",
		},
		"if there are too many annotations, should say what to do": {
			fmt.Errorf("set: %w", full), "remove annotations",
		},
		"if the Cluster would be too large to be stored, should say so": {
			apierrors.NewInternalError(errors.New("etcdserver: request is too large")), "large variables",
		},
		"if it is too large for the API server's client, should say so": {
			apierrors.NewInternalError(errors.New("trying to send message larger than max (2 vs. 1)")),
			"large variables",
		},
		"if another field is too long, should not speak of annotations": {
			apierrors.NewInvalid(kind, "c", field.ErrorList{field.TooLong(field.NewPath("spec"), "", 1)}), "spec",
		},
	} {
		t.Run(name, func(t *testing.T) {
			warnings := refused(test.err)
			if test.want == "" {
				assert.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			assert.Equal(t, names.EventWriteRefused, warnings[0].Reason)
			assert.Contains(t, warnings[0].Message, test.want)
			assert.Equal(t, test.want == "remove annotations",
				strings.Contains(warnings[0].Message, "remove annotations"))
		})
	}
}

// Claims that go without us, as when their Cluster is removed by force, are never waited for.
func TestReporterForgetsWhatIsGone(t *testing.T) {
	r := newReporter(newMemory(), Config{})
	cluster := types.NamespacedName{Namespace: "ns", Name: "c"}
	r.ask(cluster, "vip-cp-c")
	r.ask(cluster, "vip-ingress-c")
	_, known := r.answered(cluster, "vip-cp-c")
	assert.True(t, known)
	r.warn(cluster, &vip.Cluster{}, nil)
	r.forget(cluster)
	assert.Empty(t, r.records)
}
