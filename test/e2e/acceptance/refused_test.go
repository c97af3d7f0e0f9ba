package acceptance

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// TestRefusedClaims has a policy refuse the claims of one role, as a quota would: only that role waits.
func TestRefusedClaims(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e, "--retry-interval=1s"))
	s.bothPools()
	s.pool("storage", 30, 39)
	permit := s.refuse("vip-ingress-")

	s.cluster("prod")
	s.sees("prod", endpoint(s.ip(10), 6443), annotation("storage", s.ip(30)), annotation(ingress, ""),
		condition(controlPlane, names.ReasonIPAddressAssigned), condition(ingress, names.ReasonWriteRefused))
	require.Contains(t, s.get("prod").Condition(ingress).Message, "ValidatingAdmissionPolicy '"+s.name+"'")
	require.Contains(t, s.hasEvent("prod", "Warning "+names.EventWriteRefused).Message,
		"ValidatingAdmissionPolicy '"+s.name+"'")

	s.annotate("prod", names.Annotation("storage"), nil)
	s.sees("prod", annotation("storage", s.ip(30)))
	mark := s.mark()
	s.handled()
	require.Empty(t, s.writes(mark).Filter(func(e planeEntry) bool { return e.Resource == "clusters" }),
		"what is refused is said once")

	permit()
	s.served("prod")
}

// TestRefusedWrites has a policy refuse one annotation, or the endpoint: that role reports it, whatever it reported
// before, and the others are served.
func TestRefusedWrites(t *testing.T) {
	e := onPlane(t)
	for name, tt := range map[string]struct {
		valid         string
		role, other   string
		check, served check
	}{
		"if the annotation of one role is refused, should serve the other": {
			"!('" + names.Annotation(ingress) + "' in object.metadata.?annotations.orValue({}))", ingress, controlPlane,
			annotation(ingress, ""), hasEndpoint,
		},
		"if the endpoint is refused, should serve the other role": {
			// v1beta1 has an empty one.
			"object.spec.?controlPlaneEndpoint.?host.orValue('') == ''", controlPlane, ingress,
			endpoint("", 0), hasIngress,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScope(t, e, runOperator(t, e, "--retry-interval=1s"))
			s.cluster("prod")
			s.sees("prod", condition(controlPlane, names.ReasonPoolNotFound))
			permit := s.refuseClusters(tt.valid)
			s.bothPools()
			s.sees("prod", condition(tt.role, names.ReasonWriteRefused),
				condition(tt.other, names.ReasonIPAddressAssigned), tt.check, tt.served)
			require.Contains(t, s.get("prod").Condition(tt.role).Message, "ValidatingAdmissionPolicy '"+s.name+"'")
			mark := s.mark()
			s.handled()
			require.Empty(t, s.changes(mark).Filter(func(e planeEntry) bool { return e.Code < 400 }),
				"what is refused is said once")
			permit()
			s.served("prod")
		})
	}
}

func hasEndpoint(c *harness.Cluster) error {
	if c.Endpoint().Host == "" {
		return harness.ErrNotYet
	}
	return nil
}

func hasIngress(c *harness.Cluster) error {
	if c.VIP(ingress) == "" {
		return harness.ErrNotYet
	}
	return nil
}

// refuseClusters makes the API server refuse updates that leave a Cluster of the test invalid by a CEL expression,
// until the returned function is called or the test ends.
func (s *scope) refuseClusters(valid string) (permit func()) {
	s.t.Helper()
	spec := fmt.Sprintf(`
matchConstraints:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  resourceRules: [{apiGroups: [cluster.x-k8s.io], apiVersions: ["*"], operations: [UPDATE], resources: [clusters]}]
validations: [{expression: %q, message: not here}]
`, s.name, valid)
	_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(),
		harness.Policy("ValidatingAdmissionPolicy", s.name, spec, ", validationActions: [Deny]"))
	require.NoError(s.t, err)
	permit = sync.OnceFunc(func() { require.NoError(s.t, s.removePolicy(context.Background(), s.name)) })
	s.t.Cleanup(permit)
	s.eventually("the policy is heeded", func() error {
		probe := []byte(`{"metadata":{"annotations":{"` + names.Annotation(ingress) +
			`":"x"}},"spec":{"controlPlaneEndpoint":{"host":"x","port":1}}}`)
		_, err := s.Clusters(s.name).Patch(s.t.Context(), "prod", types.MergePatchType, probe,
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return harness.ErrNotYet
		}
		return nil
	})
	return permit
}

// refuse makes the API server refuse claims of the test whose names have a prefix, until the returned function is
// called or the test ends.
func (s *scope) refuse(prefix string) (permit func()) {
	s.t.Helper()
	spec := fmt.Sprintf(`
matchConstraints:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  resourceRules:
  - {apiGroups: [ipam.cluster.x-k8s.io], apiVersions: ["*"], operations: [CREATE], resources: [ipaddressclaims]}
validations: [{expression: "!object.metadata.name.startsWith('%s')", message: not here}]
`, s.name, prefix)
	_, err := plane.ApplyYAML(s.t.Context(), s.Plane.Config(),
		harness.Policy("ValidatingAdmissionPolicy", s.name, spec, ", validationActions: [Deny]"))
	require.NoError(s.t, err)
	permit = sync.OnceFunc(func() { require.NoError(s.t, s.removePolicy(context.Background(), s.name)) })
	s.t.Cleanup(permit)
	s.eventually("the policy is heeded", func() error {
		probe := harness.NewClaim{Namespace: s.name, Name: prefix + "probe", Pool: "none"}.Manifests(s.Version)[0]
		_, err := s.Claims(s.name).Create(s.t.Context(), probe, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll},
		})
		if err == nil {
			return harness.ErrNotYet
		}
		return nil
	})
	return permit
}
