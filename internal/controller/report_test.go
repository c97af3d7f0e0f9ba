package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestFailureOf(t *testing.T) {
	resource := schema.GroupResource{Group: "cluster.x-k8s.io", Resource: "clusters"}
	for name, test := range map[string]struct {
		err  error
		want telemetry.Failure
	}{
		"if RBAC denies, should be forbidden":                       {apierrors.NewForbidden(resource, "c", errors.New("no")), telemetry.FailureForbidden},
		"if the token is not known, should be forbidden":            {apierrors.NewUnauthorized("no"), telemetry.FailureForbidden},
		"if a webhook or schema refuses, should be invalid":         {apierrors.NewInvalid(schema.GroupKind{Kind: "Cluster"}, "c", nil), telemetry.FailureInvalid},
		"if the API server is overloaded, should be unavailable":    {apierrors.NewTooManyRequests("later", 1), telemetry.FailureUnavailable},
		"if nobody listens, should be unavailable":                  {&net.OpError{Op: "dial", Err: errors.New("refused")}, telemetry.FailureUnavailable},
		"if time ran out, should be unavailable":                    {context.DeadlineExceeded, telemetry.FailureUnavailable},
		"if the error is wrapped, should see through":               {fmt.Errorf("write: %w", apierrors.NewServiceUnavailable("down")), telemetry.FailureUnavailable},
		"if nothing is known of the error, should be counted still": {errors.New("?"), telemetry.FailureOther},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, failureOf(test.err)) })
	}
}

// Claims that go without us, as when their Cluster is removed by force, are never waited for.
func TestReporterForgetsWhatIsGone(t *testing.T) {
	r := newReporter(Config{})
	cluster := types.NamespacedName{Namespace: "ns", Name: "c"}
	r.ask(cluster, "vip-cp-c")
	r.ask(cluster, "vip-ingress-c")
	_, known := r.forget(cluster, "vip-cp-c")
	assert.True(t, known)
	r.warn(cluster, &vip.Cluster{}, nil)
	r.gone(cluster)
	assert.Empty(t, r.asked)
	assert.Empty(t, r.warned)
}
