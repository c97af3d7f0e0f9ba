package acceptance

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/charts"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// needsMutatingPolicies skips a test on Kubernetes before 1.36, which does not serve them at v1; the chart refuses to
// render them there.
func (s *scope) needsMutatingPolicies() {
	s.t.Helper()
	resources, err := s.Core.Discovery().ServerResourcesForGroupVersion("admissionregistration.k8s.io/v1")
	require.NoError(s.t, err)
	served := func(r metav1.APIResource) bool { return r.Name == "mutatingadmissionpolicies" }
	if !slices.ContainsFunc(resources.APIResources, served) {
		s.t.Skip("this Kubernetes has no MutatingAdmissionPolicies")
	}
}

// TestPlaceholders covers the chart's policies that fill in what a class requires and the user left out.
func TestPlaceholders(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, sharedOperator(t, e))
	s.needsMutatingPolicies()
	host, port := declared("vip", "string"), declared("vipPort", "integer")
	both := declared("both", "object")
	both["schema"] = map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
		"name": map[string]any{"type": "string"}, "number": map[string]any{"type": "integer"},
	}}}
	host["required"], port["required"], both["required"] = true, true, true
	for _, class := range []string{"-filled", "-other"} {
		s.create(harness.NewClass{Namespace: s.name, Name: s.name + class, Variables: []any{host, port, both}})
	}
	s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
		p.Class, p.Annotations = s.name+"-filled",
			map[string]string{names.HostVariable: "vip", names.PortVariable: "vipPort"}
	})
	s.placeholder("vip", `""`)
	s.placeholder("vipPort", "0")
	s.placeholder("both", `{"name": dyn(""), "number": dyn(0)}`) // as the chart writes it
	of := func(class string) func(*harness.NewCluster) {
		return func(c *harness.NewCluster) { c.Class = s.name + class }
	}
	refused := func(t *testing.T, name, class string) error {
		t.Helper()
		cluster := harness.NewCluster{Namespace: s.name, Name: name}
		of(class)(&cluster)
		return e.Create(t.Context(), cluster)
	}
	s.eventually("the policies are heeded", func() error { return refused(t, "bare", "-filled") })

	s.sees("bare", condition(controlPlane, names.ReasonIPAddressAssigned), variable("vip", s.ip(10)),
		variable("vipPort", int64(6443)),
		variable("both", map[string]any{"name": "", "number": int64(0)}))
	t.Run("if one of the variables is there, should fill in the other and leave it", func(t *testing.T) {
		s := s.in(t)
		s.cluster("half", of("-filled"), func(c *harness.NewCluster) {
			c.Variables = map[string]any{"vipPort": int64(9345)}
		})
		s.sees("half", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(11), 9345),
			variable("vipPort", int64(9345)))
	})
	t.Run("if the class is another, should leave its Clusters alone", func(t *testing.T) {
		err := refused(t, "other", "-other")
		require.ErrorContains(t, err, "vip")
		require.ErrorContains(t, err, "required")
	})
}

// placeholder creates one of the chart's policies for the class that ends in -filled, until the test ends.
func (s *scope) placeholder(variable, value string) {
	s.t.Helper()
	name := s.name + "-" + strings.ToLower(variable)
	spec := strings.NewReplacer("CLASS", strconv.Quote(s.name+"-filled"), "NAMESPACE", strconv.Quote(s.name),
		"VARIABLE", strconv.Quote(variable), "VALUE", value).Replace(charts.Placeholder)
	_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(),
		harness.Policy("MutatingAdmissionPolicy", name, spec, ""))
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		for _, plural := range []string{"mutatingadmissionpolicybindings", "mutatingadmissionpolicies"} {
			resource := schema.GroupVersionResource{
				Group: "admissionregistration.k8s.io", Version: "v1", Resource: plural,
			}
			require.NoError(s.t, harness.Delete(context.Background(), s.Dynamic.Resource(resource), name))
		}
	})
}
