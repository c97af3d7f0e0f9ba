package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestKeep covers the chart's policies that keep the VIPs of a Cluster whatever others write to it. They apply to the
// whole API server.
func TestKeep(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e))
	s.create(
		harness.NewClass{Namespace: s.name, Name: s.name + "-a", Patches: []any{
			ofControlPlanes(harness.FromAnnotation(controlPlane)),
		}},
		harness.NewClass{
			Namespace: s.name, Name: s.name + "-v", Patches: []any{ofControlPlanes(harness.FromVariable("vip"))},
			Variables: []any{declared("vip", "string"), declared("size", "integer")},
		},
	)
	s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = s.name + "-a" })
	s.pool(controlPlane, 20, 29, func(p *harness.NewPool) {
		p.Class, p.Annotations = s.name+"-v", map[string]string{names.HostVariable: "vip"}
	})
	s.cluster("annotated", func(c *harness.NewCluster) { c.Class = s.name + "-a" })
	s.cluster("variable", func(c *harness.NewCluster) { c.Class, c.Variables = s.name+"-v", map[string]any{"size": 0} })
	s.sees("annotated", condition(controlPlane, names.ReasonIPAddressAssigned), annotation(controlPlane, s.ip(10)))
	s.sees("variable", condition(controlPlane, names.ReasonIPAddressAssigned), variable("vip", s.ip(20)))
	losses := s.losses()
	round := 0
	takeAway := func() {
		round++
		s.annotate("annotated", names.Annotation(controlPlane), nil)
		s.edit("variable", variables("size", round)) // as kubectl apply does with a manifest that lists its own
	}

	stop(t, s.operator) // or it may be faster than the topology controller
	takeAway()
	s.eventually("both control planes are rendered without the VIP", func() error {
		if losses.Load() < 2 {
			return harness.ErrNotYet
		}
		return nil
	})
	s.operator = runOperator(t, e)
	t.Cleanup(s.end)
	s.sees("annotated", annotation(controlPlane, s.ip(10)))
	s.sees("variable", variable("vip", s.ip(20)))

	t.Run("if the policy keeps them", func(t *testing.T) {
		s := s.in(t)
		s.needsMutatingPolicies()
		s.keep(t, "Keep", "mutatingadmissionpolicy")
		s.eventually("the policy is heeded", func() error {
			return s.tryAs(plane.Admin(), "annotated", none(), s.hasVIP(true))
		})
		s.rendered("annotated", "variable")
		losses.Store(0)
		t.Run("should not let templates lose the VIP, whoever takes it away, ten times", func(t *testing.T) {
			s := s.in(t)
			for range 10 {
				takeAway()
			}
			s.sees("variable", variable("size", int64(round)), variable("vip", s.ip(20)))
			s.sees("annotated", annotation(controlPlane, s.ip(10)))
			s.rendered("annotated", "variable")
			require.Zero(t, losses.Load())
		})
		t.Run("should put the VIP back where a manifest has another value or a placeholder", func(t *testing.T) {
			s := s.in(t)
			other := map[string]any{"metadata": map[string]any{
				"annotations": map[string]any{names.Annotation(controlPlane): s.ip(99), "mine": "x"},
			}}
			require.NoError(t,
				s.tryAs(plane.Admin(), "annotated", other, s.hasVIP(true), func(c *harness.Cluster) error {
					if c.GetAnnotations()["mine"] != "x" {
						return errors.New("the annotation of the user's is gone")
					}
					return nil
				}))
			for _, placeholder := range []string{"", "0.0.0.0"} {
				require.NoError(t, s.tryAs(plane.Admin(), "variable", variables("vip", placeholder, "size", 7),
					variable("vip", s.ip(20)), variable("size", int64(7))))
			}
		})
		t.Run("should let the operator write what it likes", func(t *testing.T) {
			s := s.in(t)
			require.NoError(t, s.tryAs(plane.Identity{User: s.operator.User, Groups: plane.Admin().Groups}, "annotated",
				none(), s.hasVIP(false)))
			s.cluster("new", func(c *harness.NewCluster) { c.Class = s.name + "-v" })
			s.sees("new", condition(controlPlane, names.ReasonIPAddressAssigned), variable("vip", s.ip(21)))
		})
		t.Run("should let go what the operator does not stand for", func(t *testing.T) {
			s := s.in(t)
			s.cluster("copy", func(c *harness.NewCluster) {
				c.Class, c.Host, c.Port = s.name+"-a", s.ip(10), 6443
				c.Annotations = map[string]string{names.Annotation(controlPlane): s.ip(10), harness.Unguarded: ""}
			})
			s.sees("copy", condition(controlPlane, names.ReasonAddressConflict))
			require.NoError(t, s.tryAs(plane.Admin(), "copy", none(), s.hasVIP(false)))
			s.delete("copy")
			s.gone("copy")
		})
		t.Run("should let Clusters be deleted", func(t *testing.T) {
			s := s.in(t)
			s.delete("new")
			s.gone("new")
		})
	})
	t.Run("if the policy refuses", func(t *testing.T) {
		s := s.in(t)
		s.keep(t, "Refuse", "validatingadmissionpolicy")
		refused := func(name string, patch map[string]any) error {
			err := s.tryAs(plane.Admin(), name, patch)
			if !apierrors.IsInvalid(err) {
				return fmt.Errorf("the answer is %w", errors.Join(harness.ErrNotYet, err))
			}
			return nil
		}
		s.eventually("the policy is heeded", func() error { return refused("annotated", none()) })
		require.ErrorContains(t, s.tryAs(plane.Admin(), "annotated", none()), names.Annotation(controlPlane))
		require.ErrorContains(t, s.tryAs(plane.Admin(), "variable", variables("size", 1)), "variables vip,")
		require.NoError(t, refused("variable", variables("vip", "", "size", 1)))
		require.NoError(t, s.tryAs(plane.Admin(), "variable", variables("vip", s.ip(20), "size", 1)))
		s.delete("annotated")
		s.gone("annotated")
	})
}

// ofControlPlanes keeps only the part of a patch for control planes. A fake infrastructure object without its only
// field would be refused, which would stop the topology controller.
func ofControlPlanes(patch map[string]any) map[string]any {
	definitions := patch["definitions"].([]any)
	patch["definitions"] = definitions[len(definitions)-1:]
	return patch
}

// keep creates the policy in one of its modes, until the test ends.
func (s *scope) keep(t *testing.T, mode, kind string) {
	t.Helper()
	require.NoError(t, harness.Keep(t.Context(), s.Plane, mode, s.operator.User, "vip"))
	t.Cleanup(func() {
		for _, plural := range []string{kind + "bindings", kind[:len(kind)-1] + "ies"} {
			resource := schema.GroupVersionResource{
				Group: "admissionregistration.k8s.io", Version: "v1", Resource: plural,
			}
			require.NoError(t, harness.Delete(context.Background(), s.Dynamic.Resource(resource), harness.KeepName))
		}
	})
}

// tryAs runs checks on what a Cluster would become if a user patched it.
func (s *scope) tryAs(user plane.Identity, name string, patch map[string]any, checks ...check) error {
	config := s.Plane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user.User, Groups: user.Groups}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	clusters := schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: s.Version, Resource: "clusters"}
	answer, err := client.Resource(clusters).Namespace(s.name).Patch(s.t.Context(), name, types.MergePatchType, body,
		metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	failures := make([]error, len(checks))
	for i, check := range checks {
		failures[i] = check(&harness.Cluster{Unstructured: answer})
	}
	return errors.Join(failures...)
}

// hasVIP checks whether a Cluster has the control plane annotation of annotated.
func (s *scope) hasVIP(want bool) check {
	if !want {
		return annotation(controlPlane, "")
	}
	return annotation(controlPlane, s.ip(10))
}

// none is a patch that removes the annotation of the control plane.
func none() map[string]any {
	return map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{names.Annotation(controlPlane): nil}},
	}
}

// variables is a patch that replaces the list of variables.
func variables(namesAndValues ...any) map[string]any {
	var list []any
	for i := 0; i < len(namesAndValues); i += 2 {
		list = append(list, map[string]any{"name": namesAndValues[i], "value": namesAndValues[i+1]})
	}
	return map[string]any{"spec": map[string]any{"topology": map[string]any{"variables": list}}}
}

// rendered waits until the topology controller has handled Clusters in their current state.
func (s *scope) rendered(clusters ...string) {
	s.t.Helper()
	for _, name := range clusters {
		s.edit(name, map[string]any{"spec": map[string]any{"topology": map[string]any{"controlPlane": map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"round": s.get(name).GetResourceVersion()}},
		}}}})
		want, _, _ := unstructured.NestedString(s.get(name).Object, "spec", "topology", "controlPlane", "metadata",
			"annotations", "round")
		s.eventually("the control plane of "+name+" is rendered", func() error {
			list, err := s.Dynamic.Resource(plane.ControlPlaneResource()).Namespace(s.name).List(s.t.Context(),
				metav1.ListOptions{LabelSelector: names.ClusterName + "=" + name})
			if err != nil {
				return err
			}
			if len(list.Items) != 1 || list.Items[0].GetAnnotations()["round"] != want {
				return harness.ErrNotYet
			}
			return nil
		})
	}
}

// losses counts from now on how often a control plane loses its VIP.
func (s *scope) losses() *atomic.Int32 {
	s.t.Helper()
	var count atomic.Int32
	has := fakeControlPlanes().has
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.Dynamic, 0, s.name, nil)
	_, err := factory.ForResource(
		plane.ControlPlaneResource(),
	).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			if has(before.(*unstructured.Unstructured)) && !has(after.(*unstructured.Unstructured)) {
				count.Add(1)
			}
		},
	})
	require.NoError(s.t, err)
	factory.Start(s.t.Context().Done())
	for resource, synced := range factory.WaitForCacheSync(s.t.Context().Done()) {
		require.True(s.t, synced, resource.Resource)
	}
	return &count
}
