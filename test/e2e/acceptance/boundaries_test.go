package acceptance

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// owner creates an object that can own a claim, and returns the reference to it.
func (s *scope) owner(name string) map[string]any {
	s.t.Helper()
	object, err := s.Core.CoreV1().ConfigMaps(s.name).Create(s.t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(s.t, err)
	return map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": string(object.UID), "controller": true,
	}
}

// serve changes the class that a global pool serves.
func (s *scope) serve(pool, class string) {
	s.t.Helper()
	require.NoError(s.t, harness.Merge(s.t.Context(), s.Pools(""), pool,
		map[string]any{"metadata": map[string]any{"labels": map[string]any{names.ClusterClass: class}}}))
}

// TestBoundaries covers what the operator leaves alone, and what is not its own.
func TestBoundaries(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if a Cluster has no topology, should never write to it", func(t *testing.T) {
		s := ordinary(t)
		s.bothPools()
		s.cluster("plain", func(c *harness.NewCluster) { c.Class = "" })
		s.handled()
		s.annotate("plain", names.Annotation(ingress), "10.0.0.1")
		s.handled()
		require.Empty(t, s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "plain" }))
		s.sees("plain", noCondition(controlPlane), noCondition(ingress), held(false), endpoint("", 0))
	})
	for name, pause := range map[string]struct{ on, off map[string]any }{
		"if a Cluster is paused by its spec, should not touch it, and serve it afterwards": {
			map[string]any{"spec": map[string]any{"paused": true}},
			map[string]any{"spec": map[string]any{"paused": false}},
		},
		"if a Cluster is paused by its annotation, should not touch it, and serve it afterwards": {
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.Paused: ""}}},
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.Paused: nil}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := ordinary(t)
			s.bothPools()
			s.cluster("one", func(c *harness.NewCluster) {
				if _, bySpec := pause.on["spec"]; bySpec {
					c.Paused = true
				} else {
					c.Annotations = map[string]string{names.Paused: ""}
				}
			})
			s.handled()
			require.Empty(t, s.writes(0).Filter(func(e planeEntry) bool { return e.Name == "one" }))
			require.Nil(t, s.Claim(s.name, "vip-cp-one"))
			s.edit("one", pause.off)
			s.served("one")

			s.edit("one", pause.on)
			s.handled()
			mark := s.mark()
			s.annotate("one", names.Annotation(ingress), nil)
			s.handled()
			require.Empty(t, s.writes(mark).Filter(func(e planeEntry) bool { return e.Name == "one" }))
			require.Empty(t, s.get("one").VIP(ingress))
			s.edit("one", pause.off)
			s.served("one")
		})
	}
	t.Run("if the user set a port without a host and it is taken away while the Cluster waits, "+
		"should keep it", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 10)
		s.cluster("first")
		s.sees("first", endpoint(s.ip(10), 6443))
		s.cluster("next", func(c *harness.NewCluster) { c.Port = 9345 })
		s.sees("next", condition(controlPlane, names.ReasonPoolExhausted))
		// Cluster API 1.14 resets the endpoint when the infrastructure is there; older versions do not always.
		s.edit("next", map[string]any{"spec": map[string]any{"controlPlaneEndpoint": nil}})
		s.sees("next", endpoint("", 0))
		s.delete("first")
		cluster := s.sees("next", condition(controlPlane, names.ReasonIPAddressAssigned), endpoint(s.ip(10), 9345))
		require.NotContains(t, cluster.GetAnnotations(), names.TopologyGate)
	})
	t.Run("if the user sets a host while the Cluster waits, "+
		"should keep it and give the claim back", func(t *testing.T) {
		s := ordinary(t)
		pool := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted))
		s.edit("two", map[string]any{
			"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "two.example.com", "port": 6443}},
		})
		s.sees("two", condition(controlPlane, names.ReasonEndpointProvided),
			endpoint("two.example.com", 6443), held(false))
		require.Nil(t, s.Claim(s.name, "vip-cp-two"))
		s.delete("one")
		s.gone("one")
		s.used(pool, 0)
	})
	t.Run("if a claim without an owner stands at the name, should adopt it with its address", func(t *testing.T) {
		s := ordinary(t)
		pool, _ := s.bothPools()
		s.create(harness.NewClaim{Namespace: s.name, Name: "other", Pool: pool})
		s.bound("other") // so that the orphan's address is not simply the next one
		s.create(harness.NewClaim{Namespace: s.name, Name: "vip-cp-one", Pool: pool})
		address := s.bound("vip-cp-one")
		uid := s.Claim(s.name, "vip-cp-one").GetUID()
		require.NoError(t, harness.Delete(t.Context(), s.Claims(s.name), "other"))
		s.cluster("one")
		cluster := s.served("one")
		require.Equal(t, address, cluster.Endpoint().Host)
		claim := s.Claim(s.name, "vip-cp-one")
		require.Equal(t, uid, claim.GetUID())
		require.Len(t, claim.GetOwnerReferences(), 1)
		require.Equal(t, cluster.GetUID(), claim.GetOwnerReferences()[0].UID)
		require.Equal(t, controlPlane, claim.GetLabels()[names.Role])
	})
	t.Run("if the label of a pool changes, should keep what is bound and move what waits", func(t *testing.T) {
		s := ordinary(t)
		first := s.pool(controlPlane, 10, 10)
		s.cluster("one")
		before := s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted))
		s.serve(first, "another")
		s.sees("two", condition(controlPlane, names.ReasonPoolNotFound))
		second := s.pool(controlPlane, 30, 39)
		s.sees("two", endpoint(s.ip(30), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Equal(t, second, s.Claim(s.name, "vip-cp-two").Pool())
		after := s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Equal(t, before.Endpoint(), after.Endpoint())
		require.Equal(t, first, s.Claim(s.name, "vip-cp-one").Pool())
	})
}

func TestPoolChoice(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if the namespace has a pool, should prefer it to a global one and never spill over", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		own := s.pool(controlPlane, 30, 30, func(p *harness.NewPool) { p.Namespace, p.Name = s.name, "own" })
		s.cluster("one")
		s.sees("one", endpoint(s.ip(30), 6443))
		require.Equal(t, own, s.Claim(s.name, "vip-cp-one").Pool())
		s.cluster("two")
		s.sees("two", condition(controlPlane, names.ReasonPoolExhausted), endpoint("", 0))
		require.Equal(t, own, s.Claim(s.name, "vip-cp-two").Pool())
		s.delete("one")
		s.sees("two", endpoint(s.ip(30), 6443))
	})
	t.Run("if a pool names several classes in its annotation, should serve each of them", func(t *testing.T) {
		s := ordinary(t)
		s.create(harness.NewClass{Namespace: s.name, Name: s.name + "-b"})
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Class = "nobody, " + s.name + "," + s.name + "/" + s.name + "-b"
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443))
		s.cluster("two", func(c *harness.NewCluster) { c.Class = s.name + "-b" })
		s.sees("two", endpoint(s.ip(11), 6443))
	})
	t.Run("if a pool names the class of another namespace, should not take from it", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) { p.Class = "elsewhere/" + s.name })
		s.cluster("one")
		s.sees("one", condition(controlPlane, names.ReasonPoolNotFound))
	})
	t.Run("if pools have priorities, should take from the highest", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19)
		s.pool(controlPlane, 30, 30, func(p *harness.NewPool) {
			p.Annotations = map[string]string{names.Priority: "5"}
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(30), 6443))
		s.cluster("two") // the pool with the highest priority is full
		s.sees("two", endpoint(s.ip(10), 6443))
	})
	t.Run("if a global pool is for other namespaces, should not take from it", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Annotations = map[string]string{names.Namespaces: "elsewhere", names.Priority: "9"}
		})
		s.pool(controlPlane, 30, 39, func(p *harness.NewPool) {
			p.Annotations = map[string]string{names.Namespaces: "elsewhere, " + s.name}
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(30), 6443))
	})
	t.Run("if an entry of a pool's lists is nonsense, should go on with what is right", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane+",Not A Role", 10, 19, func(p *harness.NewPool) {
			p.Name, p.Annotations = s.name+"-odd",
				map[string]string{names.ClusterClass: "not read", names.Role: controlPlane + ",Not A Role"}
		})
		s.cluster("one")
		s.sees("one", endpoint(s.ip(10), 6443))
	})
	t.Run("if a pool has IPv6 addresses, should write them as they are", func(t *testing.T) {
		s := ordinary(t)
		s.pool(controlPlane, 10, 19, func(p *harness.NewPool) {
			p.Addresses, p.Prefix = []string{"fd00:" + s.name[1:] + "::10-fd00:" + s.name[1:] + "::1f"}, 64
		})
		s.cluster("one")
		cluster := s.sees("one", condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Equal(t, cluster.VIP(controlPlane), cluster.Endpoint().Host)
		require.Contains(t, cluster.Endpoint().Host, "fd00:")
	})
}
