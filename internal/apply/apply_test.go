package apply

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// A patch refused as a whole is split by role, each part with the finalizer, in the order of the plan.
func TestByRole(t *testing.T) {
	finalizer, endpoint := vip.AddFinalizer{}, vip.SetEndpoint{Endpoint: vip.Endpoint{Host: "10.0.0.10", Port: 6443}}
	cp := vip.SetAnnotation{Role: names.RoleControlPlane, Value: "10.0.0.10"}
	ingress := vip.SetAnnotation{Role: names.RoleIngress, Value: "10.0.0.20"}
	assert.Equal(t, [][]vip.Action{{finalizer, cp, endpoint}, {finalizer, ingress}},
		byRole([]vip.Action{finalizer, cp, endpoint, ingress}))
	assert.Equal(t, [][]vip.Action{{ingress}}, byRole([]vip.Action{ingress}))
	assert.Empty(t, byRole([]vip.Action{finalizer}))
}
