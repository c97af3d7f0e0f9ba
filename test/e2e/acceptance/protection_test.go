package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const collector = "system:serviceaccount:kube-system:generic-garbage-collector"

// TestEarlyRelease shows what happens to the claims of a Cluster that is deleted in the foreground, as Argo CD does:
// the garbage collector deletes what it owns at once, while Cluster API is still removing machines.
func TestEarlyRelease(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if nothing protects the claims, "+
		"should give the address back while machines may still use it", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 19)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.used(pool, 1) // the pool reports late: the 0 awaited below must not be the count from before
		s.hold("one")
		s.deleteInForeground("one")
		s.used(pool, 0)
		require.True(t, s.get("one").InUse())
		require.Equal(t, s.ip(10), s.get("one").Endpoint().Host)
		// Still, the allocator does not write it to another Cluster.
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonAddressConflict), endpoint("", 0))
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "one"))
		s.gone("one")
		s.sees("two", endpoint(s.ip(10), 6443))
	})
}

// TestProtection covers the admission policy of the chart. It applies to the whole API server.
func TestProtection(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e))
	t.Cleanup(func() { require.NoError(t, e.removePolicy(context.Background(), harness.ProtectionName)) })
	t.Cleanup(s.end) // everything that it deletes may go
	cp, in := s.bothPools()
	s.cluster("guinea-pig")
	s.served("guinea-pig")
	s.protect("guinea-pig")

	t.Run("if a Cluster is deleted in the foreground, "+
		"should keep its addresses until Cluster API has finished", func(t *testing.T) {
		s := s.in(t)
		s.cluster("one")
		before := s.served("one")
		s.hold("one")
		mark := s.mark()
		s.deleteInForeground("one")
		for _, claim := range []string{"vip-cp-one", "vip-ingress-one"} {
			s.refused(claim, func(entry planeEntry) bool { return entry.User == collector }, mark)
			require.Nil(t, s.Claim(s.name, claim).GetDeletionTimestamp(), claim)
		}
		s.cluster("two")
		require.NotEqual(t, before.Endpoint().Host, s.served("two").Endpoint().Host)
		require.Equal(t, before.Endpoint(), s.get("one").Endpoint())
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "one"))
		s.gone("one")
		require.Nil(t, s.Claim(s.name, "vip-cp-one"))
		s.used(cp, 2)
		s.used(in, 2)
	})
	t.Run("if a Cluster is deleted as usual, should release its addresses", func(t *testing.T) {
		s := s.in(t)
		s.delete("two")
		s.gone("two")
		s.used(cp, 1)
	})
	t.Run("if someone deletes a claim, should refuse it and say how it can be done", func(t *testing.T) {
		s := s.in(t)
		err := s.Claims(s.name).Delete(t.Context(), "vip-ingress-guinea-pig", metav1.DeleteOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		command := "kubectl annotate ipaddressclaims.ipam.cluster.x-k8s.io --namespace " + s.name +
			" vip-ingress-guinea-pig vip.capi.gorizond.io/allow-deletion="
		require.ErrorContains(t, err, command)
		err = s.Claims(s.name).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, "--namespace "+s.name+" vip-")
	})
	t.Run("if the claim is annotated, should let it go", func(t *testing.T) {
		s := s.in(t)
		claim := s.Claim(s.name, "vip-ingress-guinea-pig").GetUID()
		s.annotateClaim("vip-ingress-guinea-pig", names.AllowDeletion)
		require.NoError(t, s.Claims(s.name).Delete(t.Context(), "vip-ingress-guinea-pig", metav1.DeleteOptions{}))
		s.eventually("another claim takes its place", func() error {
			if again := s.Claim(s.name, "vip-ingress-guinea-pig"); again == nil || again.GetUID() == claim {
				return harness.ErrNotYet
			}
			return nil
		})
		s.bound("vip-ingress-guinea-pig")
		s.served("guinea-pig")
	})
	t.Run("if the garbage collector goes by either of its names, "+
		"should tell by how it deletes whether the Cluster is gone", func(t *testing.T) {
		s := s.in(t)
		uid := s.Claim(s.name, "vip-cp-guinea-pig").GetUID()
		background, foreground := metav1.DeletePropagationBackground, metav1.DeletePropagationForeground
		known := &metav1.Preconditions{UID: &uid}
		for _, user := range []string{collector, "system:kube-controller-manager"} {
			require.NoError(t,
				s.tryDeleteAs(user, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: known}), user)
			for _, options := range []metav1.DeleteOptions{
				{},
				{PropagationPolicy: &background},
				{Preconditions: known},
				{PropagationPolicy: &foreground, Preconditions: known},
			} {
				require.True(t, apierrors.IsForbidden(s.tryDeleteAs(user, options)), "%s with %v", user, options)
			}
		}
		require.True(t, apierrors.IsForbidden(s.tryDeleteAs("system:serviceaccount:kube-system:someone",
			metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: known})))
		require.NoError(t, s.tryDeleteAs(s.operator.User, metav1.DeleteOptions{}))
	})
	t.Run("if a claim is no Cluster's, should not care", func(t *testing.T) {
		s := s.in(t)
		// The pool does not exist: the provider ignores these claims, and they take no address of another pool.
		nowhere := s.name + "-nowhere"
		s.create(harness.NewClaim{Namespace: s.name, Name: "foreign", Pool: nowhere},
			harness.NewClaim{
				Namespace: s.name, Name: "restored", Pool: nowhere, Labels: map[string]string{names.Role: controlPlane},
			})
		for _, claim := range []string{"foreign", "restored"} {
			require.NoError(t, s.Claims(s.name).Delete(t.Context(), claim, metav1.DeleteOptions{}))
		}
	})
	t.Run("if clusterctl deletes the source of a move, should let its claims go", func(t *testing.T) {
		s := s.in(t)
		s.cluster("moved")
		s.served("moved")
		s.edit("moved", map[string]any{"spec": map[string]any{"paused": true}, "metadata": map[string]any{
			"annotations": map[string]any{names.DeleteForMove: ""},
		}})
		none := map[string]any{"metadata": map[string]any{"finalizers": nil}}
		for _, claim := range []string{"vip-cp-moved", "vip-ingress-moved"} { // as clusterctl does with each object
			s.annotateClaim(claim, names.DeleteForMove)
			require.NoError(t, s.Claims(s.name).Delete(t.Context(), claim, metav1.DeleteOptions{}))
			require.NoError(t, harness.Merge(t.Context(), s.Claims(s.name), claim, none))
			require.NoError(t, harness.Merge(t.Context(), s.Addresses(s.name), claim, none))
			require.NoError(t, harness.Delete(t.Context(), s.Addresses(s.name), claim))
		}
		s.delete("moved")
		s.edit("moved", none)
		s.gone("moved")
	})
	t.Run("if the finalizers of a Cluster are taken off by force, "+
		"should let the garbage collector have its claims", func(t *testing.T) {
		s := s.in(t)
		s.cluster("forced")
		s.served("forced")
		s.edit("forced", map[string]any{"spec": map[string]any{"paused": true}}) // so that nobody puts them back
		s.delete("forced")
		s.edit("forced", map[string]any{"metadata": map[string]any{"finalizers": nil}})
		s.gone("forced")
		s.eventually("its claims are collected", func() error {
			if s.Claim(s.name, "vip-cp-forced") != nil || s.Claim(s.name, "vip-ingress-forced") != nil {
				return harness.ErrNotYet
			}
			return nil
		})
		s.used(cp, 1)
	})
	t.Run("if the namespace is deleted, should keep the addresses until Cluster API has finished, "+
		"and then let it go", func(t *testing.T) {
		s := s.in(t)
		s.hold("guinea-pig")
		mark := s.mark()
		s.deleteNamespace()
		for _, claim := range []string{"vip-cp-guinea-pig", "vip-ingress-guinea-pig"} {
			s.refused(claim,
				func(entry planeEntry) bool { return strings.HasSuffix(entry.User, ":namespace-controller") }, mark)
			require.Nil(t, s.Claim(s.name, claim).GetDeletionTimestamp(), claim)
		}
		s.sees("guinea-pig", condition(controlPlane, names.ReasonReleasing))
		require.NoError(t, s.Plane.ReleaseDeletion(t.Context(), s.name, "guinea-pig"))
		s.gone("guinea-pig")
		s.used(cp, 0)
		s.used(in, 0)
		s.eventually("the namespace is gone", func() error {
			_, err := s.Core.CoreV1().Namespaces().Get(t.Context(), s.name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return errors.Join(harness.ErrNotYet, err)
		})
	})
}

// protect creates the policy and waits until the API server enforces it for the claims of a Cluster.
func (s *scope) protect(cluster string) {
	s.t.Helper()
	require.NoError(s.t, harness.Protect(s.t.Context(), s.Plane, s.operator.User))
	s.eventually("the policy is heeded", func() error {
		err := s.Claims(s.name).Delete(s.t.Context(), "vip-cp-"+cluster,
			metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) {
			return fmt.Errorf("the answer to a deletion is %w", errors.Join(harness.ErrNotYet, err))
		}
		return nil
	})
}

// tryDeleteAs tries in a dry run to delete the guinea pig's claim as a user who may delete everything.
func (s *scope) tryDeleteAs(user string, options metav1.DeleteOptions) error {
	s.t.Helper()
	config := s.Plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: plane.Admin().Groups}
	client, err := dynamic.NewForConfig(config)
	require.NoError(s.t, err)
	options.DryRun = []string{metav1.DryRunAll}
	claims := schema.GroupVersionResource{
		Group: "ipam.cluster.x-k8s.io", Version: s.Version, Resource: "ipaddressclaims",
	}
	return client.Resource(claims).Namespace(s.name).Delete(s.t.Context(), "vip-cp-guinea-pig", options)
}

// removePolicy removes a validating admission policy and its binding.
func (e *env) removePolicy(ctx context.Context, name string) error {
	policies := e.Core.AdmissionregistrationV1()
	return errors.Join(
		policies.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{}),
		policies.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{}),
	)
}

// refused waits until the API server has refused the users that by chooses to delete a claim, by its name or with all
// others, and fails if it let one of them.
func (s *scope) refused(claim string, by func(planeEntry) bool, since plane.Mark) {
	s.t.Helper()
	s.eventually("the deletion of claim "+claim+" is refused", func() error {
		entries, err := s.Plane.Audit().Since(s.t.Context(), since)
		if err != nil {
			return err
		}
		deletions := entries.Filter(func(e planeEntry) bool {
			return e.Resource == "ipaddressclaims" && strings.HasPrefix(e.Verb, "delete") && e.Namespace == s.name &&
				(e.Name == claim || e.Name == "") && by(e)
		})
		for _, entry := range deletions {
			if entry.Code != http.StatusForbidden {
				return fmt.Errorf("%s %s was answered with %d", entry.User, entry.URI, entry.Code)
			}
		}
		if len(deletions) == 0 {
			return harness.ErrNotYet
		}
		return nil
	})
}

func (s *scope) deleteInForeground(cluster string) {
	s.t.Helper()
	foreground := metav1.DeletePropagationForeground
	require.NoError(s.t,
		s.Clusters(s.name).Delete(s.t.Context(), cluster, metav1.DeleteOptions{PropagationPolicy: &foreground}))
}

// annotateClaim sets an annotation of a claim.
func (s *scope) annotateClaim(claim, key string) {
	s.t.Helper()
	require.NoError(s.t, harness.Merge(s.t.Context(), s.Claims(s.name), claim, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{key: ""}},
	}))
}
