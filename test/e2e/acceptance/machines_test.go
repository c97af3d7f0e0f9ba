package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// No machine is ever built without its VIP, even by the fastest provider, if the class writes the VIP into the
// infrastructure and the control plane: the infrastructure gets it first, and Cluster API copies it to the endpoint.
func TestMachinesHaveTheirVIP(t *testing.T) {
	const late, soon = 12, 10
	e := onPlane(t)
	for way, of := range map[string]struct {
		class harness.NewClass
		pool  map[string]string
	}{
		"annotation": {class: harness.NewClass{Patches: []any{
			harness.WithEndpoint(harness.FromAnnotation(controlPlane),
				"{{ index .builtin.cluster.metadata.annotations \""+names.Annotation(controlPlane)+"\" }}"),
		}}},
		"variable": {
			class: harness.NewClass{
				Variables: []any{declared("vip", "string")},
				Patches:   []any{harness.WithEndpoint(harness.FromVariable("vip"), "{{ .vip }}")},
			},
			pool: map[string]string{names.HostVariable: "vip"},
		},
	} {
		t.Run(way, func(t *testing.T) {
			s := newScope(t, e, sharedOperator(t, e))
			s.patience = 4 * patience
			class := of.class
			class.Namespace, class.Name, class.Machines = s.name, s.name+"-builds", true
			s.create(class)
			name := func(i int) string { return fmt.Sprintf("c%02d", i) }
			for i := range late {
				s.cluster(name(i), func(c *harness.NewCluster) { c.Class = class.Name })
			}
			for i := range late {
				s.sees(name(i), hasControlPlane, condition(controlPlane, names.ReasonPoolNotFound))
			}
			s.pool(controlPlane, 1, late+soon, func(p *harness.NewPool) {
				p.Class, p.Annotations = class.Name, of.pool
			})
			for i := late; i < late+soon; i++ {
				s.cluster(name(i), func(c *harness.NewCluster) { c.Class = class.Name })
			}
			for i := range late + soon {
				s.sees(name(i), condition(controlPlane, names.ReasonIPAddressAssigned))
			}
			s.machinesHaveVIPs(late + soon)
			for i := range late + soon {
				cluster := s.get(name(i))
				require.NotContains(t, cluster.GetAnnotations(), names.TopologyGate)
				annotations, _, err := unstructured.NestedMap(cluster.Object, "spec", "topology", "controlPlane",
					"metadata", "annotations")
				require.NoError(t, err)
				require.NotContains(t, annotations, names.Paused, "%s is let go", name(i))
			}
		})
	}
}

// hasControlPlane checks that the topology controller has created the control plane object.
func hasControlPlane(c *harness.Cluster) error {
	if ref, _, _ := unstructured.NestedString(c.Object, "spec", "controlPlaneRef", "name"); ref == "" {
		return harness.ErrNotYet
	}
	return nil
}

// machinesHaveVIPs waits until want Clusters of the scope have a machine, and checks what each was built from.
func (s *scope) machinesHaveVIPs(want int) {
	s.t.Helper()
	s.eventually("machines are built", func() error {
		built := 0
		for _, object := range s.list(plane.ControlPlaneResource()) {
			machine, found, _ := unstructured.NestedStringMap(object.Object, "status", "firstMachine")
			if !found {
				continue
			}
			require.Equal(s.t, machine["endpoint"], machine["virtualIP"], "the machine of %s", object.GetName())
			built++
		}
		if built < want {
			return fmt.Errorf("%d of %d machines are built", built, want)
		}
		return nil
	})
}
