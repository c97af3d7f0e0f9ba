package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// readers are the ways in which a class gets the VIP into its templates.
var readers = map[string]struct {
	class   harness.NewClass
	pool    map[string]string
	cluster map[string]any
}{
	"annotation": {class: harness.NewClass{Patches: []any{harness.FromAnnotation(controlPlane)}}},
	"variable": {
		class: harness.NewClass{
			Variables: []any{declared("vip", "string"), declared("vipPort", "integer")},
			Patches:   []any{harness.FromVariable("vip")},
		},
		pool: map[string]string{names.HostVariable: "vip", names.PortVariable: "vipPort"},
	},
	"object variable": {
		class: harness.NewClass{Variables: []any{object("controlPlaneEndpoint", "host", "port")}, Patches: []any{
			harness.FromVariable("controlPlaneEndpoint.host"),
		}},
		pool: map[string]string{
			names.HostVariable: "controlPlaneEndpoint.host", names.PortVariable: "controlPlaneEndpoint.port",
		},
		// An object variable has no default value, and a template cannot read a field of nothing.
		cluster: map[string]any{"controlPlaneEndpoint": map[string]any{"host": ""}},
	},
}

func declared(name, kind string) map[string]any {
	return map[string]any{
		"name": name, "required": false, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": kind}},
	}
}

func object(name, host, port string) map[string]any {
	variable := declared(name, "object")
	variable["schema"] = map[string]any{"openAPIV3Schema": map[string]any{
		"type": "object",
		"properties": map[string]any{
			host: map[string]any{"type": "string"}, port: map[string]any{"type": "string"},
		},
	}}
	return variable
}

// reader creates a class that gets the VIP into its templates in one of the ways, and a pool for it. It returns a
// function that gives Clusters this class.
func (s *scope) reader(way string, first, last int) func(*harness.NewCluster) {
	s.t.Helper()
	reader := readers[way]
	class := reader.class
	class.Namespace, class.Name = s.name, s.name+"-reads"
	s.create(class)
	s.pool(controlPlane, first, last, func(p *harness.NewPool) { p.Class, p.Annotations = class.Name, reader.pool })
	return func(c *harness.NewCluster) { c.Class, c.Variables = class.Name, reader.cluster }
}

// The endpoint becomes valid only after the VIP is in the templates, however it gets there.
func TestTopology(t *testing.T) {
	t.Parallel()
	for way := range readers {
		t.Run(way, func(t *testing.T) {
			s := ordinary(t)
			log := s.record(fakeControlPlanes())
			ofClass := s.reader(way, 10, 19)
			s.cluster("plain", ofClass)
			s.cluster("port", ofClass, func(c *harness.NewCluster) { c.Port = 9345 })
			for name, port := range map[string]int64{"plain": 6443, "port": 9345} {
				cluster := s.sees(name, condition(controlPlane, names.ReasonIPAddressAssigned))
				assert.Equal(t, port, cluster.Endpoint().Port)
				assert.Equal(t, cluster.VIP(controlPlane), cluster.Endpoint().Host)
				assert.NotContains(t, cluster.GetAnnotations(), names.TopologyGate)
				log.inOrder(t, name)
			}
		})
	}
}

// No control plane ever sees a valid endpoint with a template that lacks the VIP, with two hundred Clusters at once.
func TestTopologyUnderLoad(t *testing.T) {
	const clusters = 200
	e := onPlane(t)
	s := newScope(t, e, sharedOperator(t, e))
	s.patience = 6 * patience
	log := s.record(fakeControlPlanes())
	ofClass := s.reader("annotation", 1, 250)
	name := func(i int) string { return fmt.Sprintf("c%03d", i) }
	for i := range clusters {
		s.cluster(name(i), ofClass, func(c *harness.NewCluster) {
			if i%4 == 0 {
				c.Port = 9345
			}
		})
	}
	for i := range clusters {
		cluster := s.sees(name(i), condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Equal(t, map[bool]int64{true: 9345, false: 6443}[i%4 == 0], cluster.Endpoint().Port)
		log.inOrder(t, name(i))
	}
	require.Empty(t, e.guard.Breaches())
}

func TestVariables(t *testing.T) {
	t.Parallel()
	t.Run("if someone takes the value away, should restore it", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("prod", s.reader("variable", 10, 10))
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), variable("vip", s.ip(10)),
			variable("vipPort", int64(6443)))
		s.edit("prod", map[string]any{"spec": map[string]any{"topology": map[string]any{"variables": nil}}})
		s.sees("prod", variable("vip", s.ip(10)), variable("vipPort", int64(6443)))
	})
	t.Run("if the user wrote a placeholder, should put the VIP in its place", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("prod", s.reader("variable", 10, 10), func(c *harness.NewCluster) {
			c.Variables = map[string]any{"vip": "0.0.0.0"}
		})
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), variable("vip", s.ip(10)))
	})
	t.Run("if the class requires the variables and gives placeholders by default, "+
		"should need none from the user", func(t *testing.T) {
		s := ordinary(t)
		host, port := declared("vip", "string"), declared("vipPort", "integer")
		for variable, placeholder := range map[*map[string]any]any{&host: "", &port: int64(0)} {
			(*variable)["required"] = true
			require.NoError(t,
				unstructured.SetNestedField(*variable, placeholder, "schema", "openAPIV3Schema", "default"))
		}
		class := s.name + "-defaults"
		s.create(harness.NewClass{
			Namespace: s.name, Name: class, Variables: []any{host, port}, Patches: []any{harness.FromVariable("vip")},
		})
		s.pool(controlPlane, 10, 10, func(p *harness.NewPool) {
			p.Class, p.Annotations = class, map[string]string{names.HostVariable: "vip", names.PortVariable: "vipPort"}
		})
		s.cluster("prod", func(c *harness.NewCluster) { c.Class = class })
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 6443),
			variable("vip", s.ip(10)), variable("vipPort", int64(6443)))
	})
	t.Run("if the user gave the port another value, should take it for the endpoint", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("prod", s.reader("variable", 10, 10), func(c *harness.NewCluster) {
			c.Variables = map[string]any{"vipPort": int64(8443)}
		})
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 8443),
			variable("vipPort", int64(8443)))
	})
	t.Run("if the user gave the host another value, should leave it and write no endpoint", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("prod", s.reader("variable", 10, 10), func(c *harness.NewCluster) {
			c.Variables = map[string]any{"vip": "10.0.0.1"}
		})
		cluster := s.sees("prod", condition(controlPlane, names.ReasonEndpointProvided), endpoint("", 0),
			variable("vip", "10.0.0.1"))
		assert.Contains(t, cluster.Condition(controlPlane).Message, "variable vip")
		assert.NotContains(t, cluster.Condition(controlPlane).Message, "10.0.0.1",
			"what users put into variables is not told")
		assert.Nil(t, s.Claim(s.name, "vip-cp-prod"), "no address is taken for it")
		s.edit("prod", map[string]any{"spec": map[string]any{"topology": map[string]any{"variables": nil}}})
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 6443),
			variable("vip", s.ip(10)))
	})
	t.Run("if admission refuses the value, "+
		"should say so and write no endpoint until it can be written", func(t *testing.T) {
		s := ordinary(t)
		ofClass := s.strict(controlPlane)
		s.cluster("prod", ofClass)
		cluster := s.sees("prod", condition(controlPlane, names.ReasonWriteRefused),
			condition(ingress, names.ReasonIPAddressAssigned),
			annotation(ingress, s.ip(20)), endpoint("", 0))
		assert.Contains(t, cluster.Condition(controlPlane).Message, "vip")
		assert.Contains(t, s.hasEvent("prod", "Warning "+names.EventWriteRefused).Message, "vip")
		require.NoError(t, harness.Merge(t.Context(), s.Classes(s.name), s.name+"-strict", map[string]any{
			"spec": map[string]any{"variables": []any{declared("vip", "string")}},
		}))
		s.served("prod")
		s.sees("prod", variable("vip", s.ip(10)))
	})
	t.Run("if admission refuses the value of another role, should serve the Cluster without it", func(t *testing.T) {
		s := ordinary(t)
		s.cluster("prod", s.strict(ingress))
		s.served("prod")
		assert.Contains(t, s.hasEvent("prod", "Warning "+names.EventWriteRefused).Message, "vip")
	})
	t.Run("if a pool of another role names a variable, should write that role's address", func(t *testing.T) {
		s := ordinary(t)
		s.create(harness.NewClass{
			Namespace: s.name, Name: s.name + "-web", Variables: []any{object("network", "api", "ingress")},
		})
		for role, first := range map[string]int{controlPlane: 10, ingress: 20} {
			s.pool(role, first, first, func(p *harness.NewPool) {
				path := map[string]string{controlPlane: "network.api", ingress: "network.ingress"}[role]
				p.Class, p.Annotations = s.name+"-web", map[string]string{names.HostVariable: path}
			})
		}
		s.cluster("prod", func(c *harness.NewCluster) { c.Class = s.name + "-web" })
		s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned),
			condition(ingress, names.ReasonIPAddressAssigned),
			variable("network", map[string]any{"api": s.ip(10), "ingress": s.ip(20)}))
	})
}

// strict creates pools of both roles for a class whose variable for one role accepts none of that role's addresses.
func (s *scope) strict(role string) func(*harness.NewCluster) {
	s.t.Helper()
	class := s.name + "-strict"
	picky := declared("vip", "string")
	picky["schema"] = map[string]any{"openAPIV3Schema": map[string]any{"type": "string", "pattern": `^192\.168\.`}}
	s.create(harness.NewClass{Namespace: s.name, Name: class, Variables: []any{picky}})
	for i, each := range []string{controlPlane, ingress} {
		s.pool(each, 10*(i+1), 10*(i+1), func(p *harness.NewPool) {
			p.Class = class
			if each == role {
				p.Annotations = map[string]string{names.HostVariable: "vip"}
			}
		})
	}
	return func(c *harness.NewCluster) { c.Class = class }
}

func TestTopologyThatFails(t *testing.T) {
	s := ordinary(t)
	broken := harness.VIPPatch("17") // a number, which the template's schema rejects
	s.create(harness.NewClass{
		Namespace: s.name, Name: s.name + "-broken", Patches: []any{harness.FromAnnotation(ingress), broken},
	})
	s.pool(controlPlane, 10, 10, func(p *harness.NewPool) { p.Class = s.name + "-broken" })
	s.cluster("prod", func(c *harness.NewCluster) { c.Class = s.name + "-broken" })
	cluster := s.sees("prod", condition(controlPlane, names.ReasonWaitingForTopology),
		annotation(controlPlane, s.ip(10)), held(true))
	assert.Contains(t, cluster.Condition(controlPlane).Message, "TopologyReconciled")

	require.NoError(t, harness.Merge(t.Context(), s.Classes(s.name), s.name+"-broken", map[string]any{
		"spec": map[string]any{"patches": []any{harness.FromAnnotation(controlPlane)}},
	}))
	s.sees("prod", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 6443))
}

// Cluster API accepts no change of a Cluster whose class does not exist, and is slow to refuse it.
func TestClassThatIsMissing(t *testing.T) {
	s := ordinary(t)
	class := s.name + "-later"
	for i, role := range []string{controlPlane, ingress} {
		s.pool(role, 10*(i+1), 10*(i+1), func(p *harness.NewPool) { p.Class = class })
	}
	s.cluster("prod", func(c *harness.NewCluster) { c.Class, c.Port = class, 9345 })
	cluster := s.sees("prod", condition(controlPlane, names.ReasonWaitingForTopology),
		condition(ingress, names.ReasonWaitingForTopology))
	require.Contains(t, cluster.Condition(controlPlane).Message,
		s.ip(10)+" is allocated; ClusterClass "+s.name+"/"+class+" does not exist")
	s.handled()
	for _, write := range s.changes(0) {
		require.True(t, write.Resource == "ipaddressclaims" ||
			write.Subresource == "status", "%v would be refused", write)
	}
	s.create(harness.NewClass{Namespace: s.name, Name: class})
	s.served("prod")
	s.sees("prod", endpoint(s.ip(10), 9345), held(true))
}

// variable checks the value of a variable of the topology.
func variable(name string, want any) check {
	return func(c *harness.Cluster) error {
		variables, _, _ := unstructured.NestedSlice(c.Object, "spec", "topology", "variables")
		for _, entry := range variables {
			if v, _ := entry.(map[string]any); v["name"] == name {
				if assert.ObjectsAreEqual(want, v["value"]) {
					return nil
				}
				return fmt.Errorf("variable %s is %v, wanted %v", name, v["value"], want)
			}
		}
		return fmt.Errorf("no variable %s", name)
	}
}
