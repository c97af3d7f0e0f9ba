package providers

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// These are the third octets of the tests' addresses: each scope has its own.
const (
	octetChain = 10 * (iota + 1)
	octetLate
	octetThree
	octetFull
	octetOwn
	octetExample
	octetMany
	octetHooks
	octetTurtles
	octetShort
)

// eachFlavor runs a test for all flavors in parallel.
func eachFlavor(t *testing.T, octet int, test func(*scope)) {
	t.Helper()
	t.Parallel()
	for name, f := range flavors() {
		third := octet
		octet++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newScope(t, shared.get(t), f, third))
		})
	}
}

// From the pool to the virtual machine, and back.
func TestFromPoolToMachine(t *testing.T) {
	eachFlavor(t, octetChain, func(s *scope) {
		s.pool(5)
		s.cluster("prod", nil)
		s.sees("prod", reason(names.ReasonIPAddressAssigned))
		s.hasVIP("prod", s.ip(1))
		s.goesInOrder("prod")
	})
}

// goesInOrder deletes a Cluster and checks that its address goes back after its last virtual machine is gone.
func (s *scope) goesInOrder(cluster string) {
	s.t.Helper()
	machine, claim := s.one(machines, cluster).GetName(), "vip-cp-"+cluster
	mark, err := s.Plane.Audit().Mark(s.t.Context())
	require.NoError(s.t, err)
	s.delete(cluster)
	s.gone(cluster)
	vm, err := s.vm(machine)
	require.NoError(s.t, err)
	require.False(s.t, vm.Removed.IsZero(), "the virtual machine is gone")
	entries, err := s.Plane.Audit().Since(s.t.Context(), mark)
	require.NoError(s.t, err)
	releases := entries.Filter(func(e plane.Entry) bool {
		return e.Verb == "delete" && e.Resource == "ipaddressclaims" && e.Namespace == s.name && e.Name == claim
	})
	require.Len(s.t, releases, 1, "the address goes back")
	assert.True(s.t, vm.Removed.Before(releases[0].Time), "machine gone at %s, address back at %s",
		vm.Removed, releases[0].Time)
	require.Nil(s.t, s.Claim(s.name, claim))
}

// The Cluster exists before its pool: its infrastructure is provisioned long before the VIP is known.
func TestLatePool(t *testing.T) {
	eachFlavor(t, octetLate, func(s *scope) {
		s.cluster("early", nil)
		s.sees("early", provisioned, reason(names.ReasonPoolNotFound))
		require.Empty(s.t, s.of(machines, "early"), "no machine without an endpoint")
		s.pool(5)
		s.sees("early", reason(names.ReasonIPAddressAssigned))
		s.hasVIP("early", s.ip(1))
	})
}

// Three Clusters at once.
func TestThreeAtOnce(t *testing.T) {
	eachFlavor(t, octetThree, func(s *scope) {
		s.pool(5)
		for i := range 3 {
			s.cluster(fmt.Sprintf("c%d", i), nil)
		}
		taken := map[string]bool{}
		for i := range 3 {
			c := s.sees(fmt.Sprintf("c%d", i), reason(names.ReasonIPAddressAssigned))
			s.hasVIP(c.GetName(), c.Endpoint().Host)
			taken[c.Endpoint().Host] = true
		}
		assert.Len(s.t, taken, 3)
	})
}

// The pool is full: a waiting Cluster has no machine, and gets the address of one that goes.
func TestFullPool(t *testing.T) {
	eachFlavor(t, octetFull, func(s *scope) {
		s.pool(1)
		s.cluster("first", nil)
		s.sees("first", reason(names.ReasonIPAddressAssigned))
		s.hasVIP("first", s.ip(1))
		s.cluster("waits", nil)
		s.sees("waits", provisioned, reason(names.ReasonPoolExhausted))
		require.Empty(s.t, s.of(machines, "waits"))
		s.goesInOrder("first")
		s.sees("waits", reason(names.ReasonIPAddressAssigned))
		s.hasVIP("waits", s.ip(1))
	})
}

// A user's own endpoint, in the Cluster or in the class's variables, stays, and takes no address.
func TestOwnEndpoint(t *testing.T) {
	eachFlavor(t, octetOwn, func(s *scope) {
		s.pool(5)
		own := s.ip(200)
		s.cluster("own", func(object *unstructured.Unstructured) {
			if s.way == byVariable {
				require.NoError(s.t, unstructured.SetNestedSlice(object.Object, []any{
					map[string]any{"name": hostVariable, "value": own},
					map[string]any{"name": portVariable, "value": int64(6443)},
				}, "spec", "topology", "variables"))
				return
			}
			endpoint := map[string]any{"host": own, "port": int64(6443)}
			require.NoError(s.t, unstructured.SetNestedMap(object.Object, endpoint, "spec", "controlPlaneEndpoint"))
		})
		s.sees("own", reason(names.ReasonEndpointProvided), hasEndpoint(own))
		if s.way == byVariable {
			s.hasVIP("own", own)
		} else {
			bootstrap, _ := s.machine("own")
			assert.Contains(s.t, bootstrap, own)
		}
		s.eventually("no claim is left", func() error {
			if claims := s.ClaimsIn(s.name); len(claims) > 0 {
				return fmt.Errorf("%d claims", len(claims))
			}
			return nil
		})
	})
}

// The examples as they are: what their readers get, at current versions where the provider has one.
func TestExamples(t *testing.T) {
	t.Parallel()
	for i, f := range []flavor{{example: "vsphere-kubeadm"}, {example: "vsphere-rke2", way: byVariable}} {
		t.Run(f.example, func(t *testing.T) {
			t.Parallel()
			s := emptyScope(t, shared.get(t), f, octetExample+i)
			s.create(s.adapt("clusterclass.yaml")...)
			s.pool(5)
			objects := s.adapt("cluster.yaml")
			require.Len(t, objects, 1)
			s.create(objects...)
			s.sees(s.name, reason(names.ReasonIPAddressAssigned))
			bootstrap, vm := s.machine(s.name)
			assert.Equal(t, s.ip(1), kubeVIP(t, vm.Name, writtenFiles(t, bootstrap)))
			s.eventually("the class is up to date", func() error {
				class, err := s.Classes(s.name).Get(t.Context(), s.name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				for _, condition := range (&harness.Cluster{Unstructured: class}).Conditions() {
					if condition.Type == "RefVersionsUpToDate" && condition.Status == metav1.ConditionTrue {
						return nil
					}
				}
				return fmt.Errorf("%v", class.Object["status"])
			})
		})
	}
}
