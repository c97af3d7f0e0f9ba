package acceptance

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestEndOfV1Beta1 follows the path that ends with Cluster API 1.16: what an operator made when there was only
// v1beta1 holds when v1beta2 is there, and when v1beta1 is gone.
func TestEndOfV1Beta1(t *testing.T) {
	e := onPlane(t)
	if e.Plane.Stack() != plane.StackV1Beta2 {
		t.Skipf("is for the stack %s", plane.StackV1Beta2)
	}
	require.NoError(t, stopShared(), "the operator of the ordinary tests")
	require.NoError(t, e.Plane.Serve(t.Context(), "v1beta1", true))
	proxy, err := harness.NewVersionProxy(t.Context(), e.Plane, harness.User, "v1beta2")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	operator := startOperator(t, e.Plane, harness.OperatorOptions{
		Kubeconfig: proxy.Kubeconfig, Args: []string{"--retry-interval=1s", "--reconcile-period=1s"},
	})
	waitServing(t, operator)
	s := newScope(t, e, operator)
	s.pool(controlPlane, 10, 12)
	s.pool(ingress, 20, 29)
	clusters := []string{"one", "two", "three"}
	var claims []string
	for _, name := range clusters {
		s.cluster(name)
		s.served(name)
		claims = append(claims, names.ClaimName(name, controlPlane), names.ClaimName(name, ingress))
	}
	s.cluster("waits")
	claims = append(claims, names.ClaimName("waits", controlPlane), names.ClaimName("waits", ingress))
	s.sees("waits", condition(controlPlane, names.ReasonPoolExhausted), held(true))
	s.settled()
	s.ownedAt("v1beta1", claims...)
	s.managedAt("v1beta1", clusters...)
	before := s.all(clusters)

	mark := s.mark()
	proxy.Reveal()
	s.ownedAt("v1beta2", claims...)
	s.writesNoMore(mark, len(claims))

	require.NoError(t, e.Plane.Serve(t.Context(), "v1beta1", false))
	mark = s.mark()
	require.NoError(t, e.Plane.RestartComponent(t.Context(), plane.CAPI)) // which begins to migrate what is stored
	s.writesNoMore(mark, 0)
	require.Equal(t, before, s.all(clusters), "the VIPs of all Clusters")

	t.Run("if an annotation is removed, should restore it", func(t *testing.T) {
		s := s.in(t)
		s.annotate("one", names.Annotation(ingress), nil)
		require.Equal(t, before["one"], s.vips(s.served("one")))
	})
	t.Run("if conditions are to go that were applied at v1beta1, should remove them", func(t *testing.T) {
		s := s.in(t)
		s.edit("waits", map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "waits.example.com", "port": 6443}},
		})
		s.sees("waits", condition(controlPlane, names.ReasonEndpointProvided),
			condition(ingress, names.ReasonIPAddressAssigned))
	})
	t.Run("if a Cluster is deleted, should give its addresses back", func(t *testing.T) {
		s := s.in(t)
		s.delete("one")
		s.gone("one")
		require.Nil(t, s.Claim(s.name, "vip-cp-one"))
	})
	t.Run("if a Cluster loses its finalizer by force, "+
		"should have the garbage collector find its claims", func(t *testing.T) {
		s := s.in(t)
		s.hold("two")
		s.delete("two")
		s.edit("two", map[string]any{"metadata": map[string]any{"finalizers": []string{}}})
		s.gone("two")
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "two"))
		s.eventually("the claims are collected", func() error {
			for _, role := range []string{controlPlane, ingress} {
				if claim := s.Claim(s.name, names.ClaimName("two", role)); claim != nil {
					return fmt.Errorf("claim %s is left", claim.GetName())
				}
			}
			return nil
		})
	})
	s.end()
}

// patchClaim applies a JSON patch to a claim.
func (s *scope) patchClaim(name string, operations ...any) {
	s.t.Helper()
	body, err := json.Marshal(operations)
	require.NoError(s.t, err)
	_, err = s.Claims(s.name).Patch(s.t.Context(), name, types.JSONPatchType, body,
		metav1.PatchOptions{FieldManager: "a-user"})
	require.NoError(s.t, err)
}

// ownedAt waits until all claims name their owners at a version.
func (s *scope) ownedAt(version string, claims ...string) {
	s.t.Helper()
	s.eventually("owners are named at "+version, func() error {
		for _, name := range claims {
			claim := s.Claim(s.name, name)
			if claim == nil {
				return fmt.Errorf("there is no claim %s", name)
			}
			for _, owner := range claim.GetOwnerReferences() {
				if owner.APIVersion != "cluster.x-k8s.io/"+version {
					return fmt.Errorf("claim %s names its owner at %s", name, owner.APIVersion)
				}
			}
		}
		return nil
	})
}

// managedAt checks that what the operator applied to Clusters is recorded at a version.
func (s *scope) managedAt(version string, clusters ...string) {
	s.t.Helper()
	for _, name := range clusters {
		require.True(s.t,
			slices.ContainsFunc(s.get(name).GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
				return entry.Manager == names.FieldManager && entry.APIVersion == "cluster.x-k8s.io/"+version
			}), "managedFields of Cluster %s", name)
	}
}

// vips returns the VIPs that a Cluster carries.
func (s *scope) vips(cluster *harness.Cluster) []string {
	return []string{cluster.Endpoint().Host, cluster.VIP(controlPlane), cluster.VIP(ingress)}
}

// all returns the VIPs of Clusters by name.
func (s *scope) all(clusters []string) map[string][]string {
	s.t.Helper()
	vips := map[string][]string{}
	for _, name := range clusters {
		vips[name] = s.vips(s.get(name))
	}
	return vips
}
