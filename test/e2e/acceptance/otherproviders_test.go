package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	otherProvider = "../../../examples/other-provider"
	flagKinds     = "--pool-kinds=ipam.example.com/v1/ExamplePool,ipam.example.com/v1/GlobalExamplePool"
	// soon is how often an operator checks whether other kinds are served.
	soon = "--reconcile-period=1s"
)

// TestOtherProviders covers pools of a provider that keeps Cluster API's IPAM contract, with the files of
// examples/other-provider as they are.
func TestOtherProviders(t *testing.T) {
	e := onPlane(t)
	s := newScope(t, e, runOperator(t, e, "--config="+filepath.Join(otherProvider, "config.yaml"), soon))
	startExampleProvider(t, e)
	t.Cleanup(func() {
		for _, kind := range []string{examplePool, globalExamplePool} {
			s.removeExampleKind(context.Background(), kind)
		}
	})
	t.Cleanup(s.end) // while the provider works
	s.bothPools()
	var pool, global string

	t.Run("if no such kind is served yet, should serve from the pools that are, and say so", func(t *testing.T) {
		s := s.in(t)
		s.cluster("early")
		s.sees("early", endpoint(s.ip(10), 6443), annotation(ingress, s.ip(20)))
		require.Len(t, s.operator.Logged(
			"not all pool kinds of the configuration are served; those that are not are used as soon as they are",
		), 1)
	})
	t.Run("if the kinds come to be served, should use them, "+
		"and a namespaced pool before a global one", func(t *testing.T) {
		s := s.in(t)
		s.grantExamplePools()
		s.exampleKinds()
		s.uses(examplePool, globalExamplePool)
		pool = s.examplePool(examplePool, controlPlane, s.ip(40), s.ip(41))
		s.handled()
		s.cluster("one")
		cluster := s.sees("one", endpoint(s.ip(40), 6443), annotation(controlPlane, s.ip(40)),
			annotation(ingress, s.ip(21)), condition(controlPlane, names.ReasonIPAddressAssigned))
		require.Contains(t, cluster.Condition(controlPlane).Message, "ExamplePool/"+pool)
		require.Equal(t, s.ip(10), s.get("early").Endpoint().Host, "a bound claim does not move")
	})
	t.Run("if a pool gets its labels and tenants later, should serve from then on", func(t *testing.T) {
		s := s.in(t)
		configure := func(key string, values map[string]any) {
			s.changePool(globalExamplePool, global, map[string]any{"metadata": map[string]any{key: values}})
		}
		unserved := func(why string) {
			s.handled()
			require.Nil(t, s.Claim(s.name, "vip-storage-one"), why)
		}
		global = s.examplePool(globalExamplePool, `""`, s.ip(50), s.ip(51), s.ip(52))
		unserved("the pool has no role")
		configure("annotations", map[string]any{names.Namespaces: "elsewhere"})
		configure("labels", map[string]any{names.Role: "storage"})
		unserved("the pool is for others")
		configure("annotations", map[string]any{names.Namespaces: "elsewhere," + s.name})
		for _, cluster := range []string{"early", "one"} {
			s.sees(cluster, condition("storage", names.ReasonIPAddressAssigned),
				says("storage", "GlobalExamplePool/"+global))
			require.Contains(t, s.get(cluster).VIP("storage"), s.ip(5))
		}
	})
	t.Run("if a pool's annotation is nonsense, should say so on the pool", func(t *testing.T) {
		s := s.in(t)
		s.changePool(examplePool, pool, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{names.Priority: "high"}},
		})
		s.eventually("the event on the pool", func() error {
			list, err := s.Core.CoreV1().Events(s.name).List(t.Context(), metav1.ListOptions{
				FieldSelector: "involvedObject.kind=ExamplePool,reason=" + names.EventInvalidPoolConfiguration,
			})
			if err != nil {
				return err
			}
			if len(list.Items) != 1 || list.Items[0].InvolvedObject.APIVersion != "ipam.example.com/v1" ||
				!strings.Contains(list.Items[0].Message, `"high" is not an integer`) {
				return fmt.Errorf("the events are %v", list.Items)
			}
			return nil
		})
		s.changePool(examplePool, pool, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{names.Priority: nil}},
		})
	})
	t.Run("if the provider says that a pool is exhausted, should say it after it, "+
		"until there is room", func(t *testing.T) {
		s := s.in(t)
		s.cluster("filler")
		s.sees("filler", endpoint(s.ip(41), 6443))
		s.cluster("two")
		cluster := s.sees("two", condition(controlPlane, names.ReasonPoolExhausted))
		require.Contains(t, cluster.Condition(controlPlane).Message, "the appliance has no address left in "+pool)
		s.hasEvent("two", "Warning PoolExhausted")
		s.changePool(examplePool, pool, map[string]any{
			"spec": map[string]any{"addresses": []any{s.ip(40), s.ip(41), s.ip(42)}},
		})
		s.sees("two", endpoint(s.ip(42), 6443), condition(controlPlane, names.ReasonIPAddressAssigned))
	})
	t.Run("if the provider has trouble, should say which, in either form of the condition, "+
		"until it is over", func(t *testing.T) {
		s := s.in(t)
		trouble := map[string]any{"reason": "ApplianceDown", "message": "appliance 7 does not answer"}
		s.changePool(examplePool, pool, map[string]any{
			"spec": map[string]any{"trouble": trouble, "addresses": []any{s.ip(43)}},
		})
		s.changePool(globalExamplePool, global, map[string]any{
			"spec": map[string]any{"trouble": trouble, "addresses": []any{s.ip(53), s.ip(54)}},
		})
		s.cluster("three")
		cluster := s.sees("three", condition(controlPlane, names.ReasonWaitingForIPAddress),
			condition("storage", names.ReasonWaitingForIPAddress),
			says(controlPlane, "ApplianceDown: appliance 7 does not answer"),
			says("storage", "ApplianceDown: appliance 7 does not answer"))
		require.Equal(t, harness.Endpoint{}, cluster.Endpoint())
		s.changePool(examplePool, pool, map[string]any{"spec": map[string]any{"trouble": nil}})
		s.changePool(globalExamplePool, global, map[string]any{"spec": map[string]any{"trouble": nil}})
		s.sees("three", endpoint(s.ip(43), 6443), condition(controlPlane, names.ReasonIPAddressAssigned),
			condition("storage", names.ReasonIPAddressAssigned))
	})
	t.Run("if a Cluster is deleted, should give the address back to its provider", func(t *testing.T) {
		s := s.in(t)
		s.delete("three")
		s.gone("three")
		require.Nil(t, s.Address(s.name, "vip-cp-three"))
		s.cluster("four")
		s.sees("four", endpoint(s.ip(43), 6443))
		for _, cluster := range []string{"early", "one", "filler", "two", "four"} { // settle for what follows
			s.sees(cluster, condition(controlPlane, names.ReasonIPAddressAssigned),
				condition(ingress, names.ReasonIPAddressAssigned), condition("storage", names.ReasonIPAddressAssigned))
		}
	})
	t.Run("if the kinds are given by flag, should find all as it was", func(t *testing.T) {
		stop(t, s.operator)
		mark := s.mark()
		s.operator = runOperator(t, e, flagKinds, soon)
		s := s.in(t)
		s.handled()
		require.Empty(t, s.writes(mark))
		s.annotate("one", names.Annotation(controlPlane), nil)
		s.sees("one", annotation(controlPlane, s.ip(40)))
		s.operator = nil // it stops with this test
	})
	s.operator = runOperator(t, e, flagKinds, soon)
	t.Run("if a kind goes, should forget it and leave its Clusters alone", func(t *testing.T) {
		s := s.in(t)
		s.uses(examplePool, globalExamplePool)
		mark := s.mark()
		s.removeExampleKind(t.Context(), examplePool)
		s.uses(globalExamplePool)
		s.cluster("later")
		s.sees("later", endpoint(s.ip(11), 6443))
		require.Empty(t, s.writes(mark).Filter(func(e planeEntry) bool { return !strings.Contains(e.Name, "later") }))
		require.Equal(t, s.ip(40), s.get("one").Endpoint().Host)
	})
	t.Run("if the operator may not see the pools, should say so and serve nobody until it may", func(t *testing.T) {
		stop(t, s.operator)
		s := s.in(t)
		s.revokeExamplePools()
		operator := launch(t, e.Plane, harness.OperatorOptions{Args: []string{flagKinds, soon}})
		t.Cleanup(func() { require.NoError(t, operator.Kill()) })
		s.eventually("it says what it may not", func() error {
			for _, line := range operator.Logs() {
				if strings.Contains(line.Raw, `cannot list resource \"globalexamplepools\"`) {
					return nil
				}
			}
			return errors.New(operator.LogTail(5))
		})
		require.Error(t, operator.Ready(t.Context()))
		require.NoError(t, operator.Live(t.Context()))
		s.grantExamplePools()
		waitServing(t, operator)
		s.cluster("last")
		s.sees("last", endpoint(s.ip(12), 6443))
	})
	s.operator = runOperator(t, e, flagKinds, soon)
	t.Cleanup(s.end)
}

// grantExamplePools lets the operator read the pools, with the file of the documentation.
func (s *scope) grantExamplePools() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(otherProvider, "rbac.yaml"))
	require.NoError(s.t, err)
	_, err = plane.ApplyYAML(s.t.Context(), s.Plane.Config(), string(text))
	require.NoError(s.t, err)
}

func (s *scope) revokeExamplePools() {
	s.t.Helper()
	require.NoError(s.t, s.Core.RbacV1().ClusterRoleBindings().Delete(s.t.Context(), "capi-vip-allocator-example-pools",
		metav1.DeleteOptions{}))
}

// uses waits until the operator works with exactly these pool kinds of other providers.
func (s *scope) uses(kinds ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the operator uses %v", kinds), func() error {
		lines := s.operator.Logged("using APIs")
		versions, _ := lines[len(lines)-1].Fields["versions"].(string)
		if strings.Count(versions, exampleGroup) != len(kinds) {
			return errors.New(versions)
		}
		for _, kind := range kinds {
			if !strings.Contains(versions, " "+kind+" "+exampleGroup) {
				return errors.New(versions)
			}
		}
		return nil
	})
}

// says checks that the condition for a role contains a text.
func says(role, text string) check {
	return func(c *harness.Cluster) error {
		if got := c.Condition(role); got == nil || !strings.Contains(got.Message, text) {
			return fmt.Errorf("condition %s is %v, wanted %q in its message", names.ConditionType(role), got, text)
		}
		return nil
	}
}
