package installers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// notAudited are permissions that the API server checks within other requests; none appears as a request of its own.
// TestOwnerReferences shows that this one is needed.
const notAudited = "update clusters.cluster.x-k8s.io/finalizers"

// TestPermissions compares what the chart grants with what the audit log says was used.
func TestPermissions(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	mark, err := suite.plane.Audit().Mark(t.Context())
	require.NoError(t, err)
	applied, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t, dist(first, "capi-vip-allocator.yaml")))
	require.NoError(t, err)
	require.NotEmpty(t, applied)
	granted := grants(t, namespace)

	pod := runPod(t, first, namespace)
	useEverything(t, pod)
	endPod(t, pod)
	// API servers before 1.34 cannot send a list as a watch, so a list fills the caches.
	const env = `{"spec":{"template":{"spec":{"containers":[{"name":"manager",` +
		`"env":[{"name":"KUBE_FEATURE_WatchListClient","value":"false"}]}]}}}}`
	_, err = client(t).AppsV1().Deployments(namespace).Patch(t.Context(), "capi-vip-allocator-controller-manager",
		types.StrategicMergePatchType, []byte(env), metav1.PatchOptions{})
	require.NoError(t, err)
	endPod(t, runPod(t, first, namespace))

	user := plane.ServiceAccountIdentity(namespace, "capi-vip-allocator").User
	entries, err := suite.plane.Audit().Since(t.Context(), mark)
	require.NoError(t, err)
	used := map[string]bool{}
	for _, entry := range entries.ByUser(user) {
		require.NotEqual(t, http.StatusForbidden, entry.Code, "%s %s was forbidden", entry.Verb, entry.URI)
		if entry.Resource != "" {
			used[permission(entry.Verb, entry.Group, entry.Resource, entry.Subresource)] = true
		}
	}
	t.Logf("used, of %d granted:\n%s", len(granted), strings.Join(slices.Sorted(maps.Keys(used)), "\n"))
	for permission := range used {
		require.Contains(t, granted, permission, "used, but not granted by the chart")
	}
	for permission := range granted {
		if permission != notAudited {
			require.Contains(t, used, permission, "granted by the chart, but not used")
		}
	}
	cleanUp(t, namespace)
}

// TestOwnerReferences shows that claims cannot be created without the one permission that the audit log does not
// show.
func TestOwnerReferences(t *testing.T) {
	const namespace = "capi-vip-allocator-system"
	_, err := plane.ApplyYAML(t.Context(), suite.plane.Config(), read(t, dist(first, "capi-vip-allocator.yaml")))
	require.NoError(t, err)
	roles := client(t).RbacV1().ClusterRoles()
	role, err := roles.Get(t.Context(), namespace+"-capi-vip-allocator-manager", metav1.GetOptions{})
	require.NoError(t, err)
	without := role.DeepCopy()
	without.Rules = slices.DeleteFunc(without.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.Resources, "clusters/finalizers")
	})
	without, err = roles.Update(t.Context(), without, metav1.UpdateOptions{})
	require.NoError(t, err)

	pod := runPod(t, first, namespace)
	o := newTeam(t, "owner-references", 66)
	require.NoError(t, o.Create(o.ctx, harness.NewCluster{Namespace: o.name, Name: "one", Class: o.name}))
	require.NoError(t, plane.Eventually(o.ctx, func(context.Context) error {
		if !strings.Contains(pod.Log(), "role control-plane needs an address: the API server answers (403 Forbidden)") {
			return fmt.Errorf("no claim was refused: %s", pod.Log())
		}
		return nil
	}))
	without.Rules = role.Rules
	_, err = roles.Update(t.Context(), without, metav1.UpdateOptions{})
	require.NoError(t, err)
	o.hasVIPs("one")
	o.gone("one")
	_, _, err = pod.Stop()
	require.NoError(t, err)
	cleanUp(t, namespace)
}

// useEverything makes the operator do all that it can do.
func useEverything(t *testing.T, pod interface{ Log() string }) {
	t.Helper()
	o := newTeam(t, "permissions", 65)
	// A claim without an owner, as in a restored backup, is adopted.
	require.NoError(t, o.Create(o.ctx, harness.NewClaim{
		Namespace: o.name, Name: names.ClaimName("one", names.RoleControlPlane), Pool: o.name + "-cp",
		ClusterName: "one",
		Labels:      map[string]string{names.ClusterName: "one"},
	}))
	o.served("one")
	// A repeated event becomes one with a count.
	o.heals("one")
	require.NoError(t, plane.Eventually(o.ctx, func(ctx context.Context) error {
		o.heals("one")
		events, err := o.Events(ctx, o.name, "one")
		if err != nil {
			return err
		}
		for i := range events {
			if events[i].Count > 1 {
				return nil
			}
		}
		return fmt.Errorf("no event has a count yet: %s", pod.Log())
	}))
	scrapeAs(t, "permissions-reader")
	o.gone("one")
}

func permission(verb, group, resource, subresource string) string {
	name := resource
	if group != "" {
		name += "." + group
	}
	if subresource != "" {
		name += "/" + subresource
	}
	return verb + " " + name
}

// grants lists the permissions of the operator's account, one per line.
func grants(t *testing.T, namespace string) map[string]bool {
	t.Helper()
	cluster, err := client(t).RbacV1().ClusterRoles().Get(t.Context(), namespace+"-capi-vip-allocator-manager",
		metav1.GetOptions{})
	require.NoError(t, err)
	own, err := client(t).RbacV1().Roles(namespace).Get(t.Context(), "capi-vip-allocator-leader-election",
		metav1.GetOptions{})
	require.NoError(t, err)
	granted := map[string]bool{}
	for _, rule := range slices.Concat(cluster.Rules, own.Rules) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				name, subresource, _ := strings.Cut(resource, "/")
				for _, verb := range rule.Verbs {
					granted[permission(verb, group, name, subresource)] = true
				}
			}
		}
	}
	return granted
}

// cleanUp removes what was applied with the manifests.
func cleanUp(t *testing.T, namespace string) {
	t.Helper()
	for _, suffix := range []string{"-manager", "-metrics-reader"} {
		require.NoError(t, client(t).RbacV1().ClusterRoles().Delete(t.Context(), namespace+"-capi-vip-allocator"+suffix,
			metav1.DeleteOptions{}))
	}
	require.NoError(t, client(t).RbacV1().ClusterRoleBindings().Delete(t.Context(),
		namespace+"-capi-vip-allocator-manager", metav1.DeleteOptions{}))
	removeNamespace(t, namespace)
}
