package providers

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// The third way: the hooks write the VIP. They apply to all Clusters, so they have a plane of their own.
func TestHooks(t *testing.T) {
	on := newStageFor(t, plane.Options{FeatureGates: map[string]bool{"RuntimeSDK": true}})
	require.NoError(t, on.Await(t.Context(), func() error {
		config, err := on.ExtensionConfigs().Get(t.Context(), names.ExtensionName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range (&harness.Cluster{Unstructured: config}).Conditions() {
			if condition.Type == "Discovered" && condition.Status == metav1.ConditionTrue {
				return nil
			}
		}
		return errors.New("Cluster API has not discovered the hooks")
	}))
	for i, f := range []flavor{{example: "vsphere-kubeadm", way: byHooks}, {example: "vsphere-rke2", way: byHooks}} {
		t.Run(f.example, func(t *testing.T) {
			s := newScope(t, on, f, octetHooks+i)
			s.pool(5)
			s.cluster("prod", nil)
			s.sees("prod", reason(names.ReasonIPAddressAssigned))
			s.hasVIP("prod", s.ip(1))
			s.goesInOrder("prod")
		})
	}
}
