package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	controlPlane = names.RoleControlPlane
	ingress      = names.RoleIngress
)

// scope is what belongs to one test: a namespace, a ClusterClass of the same name, and a /24 of addresses. At its end
// all its Clusters are deleted and nothing may be left of them, so that every test also tests release.
type scope struct {
	*env
	t *testing.T
	// name names the namespace and the class, and prefixes the names of global pools.
	name     string
	subnet   string
	operator *harness.Operator
	pools    []poolKey
	ended    bool
	// patience bounds every wait.
	patience time.Duration
}

type poolKey struct{ namespace, name string }

var scopes atomic.Int32

// ordinary makes a scope for a test that runs beside others. The enclosing test must be parallel as well, so that it
// runs after the tests that are not.
func ordinary(t *testing.T) *scope {
	t.Helper()
	t.Parallel()
	suite.ordinary.Add(1)
	t.Cleanup(func() { suite.ordinary.Add(-1) })
	e := onPlane(t)
	return newScope(t, e, sharedOperator(t, e))
}

// newScope makes a scope for a test with its own operator, nil if there is none yet.
func newScope(t *testing.T, e *env, operator *harness.Operator) *scope {
	t.Helper()
	number := scopes.Add(1)
	s := &scope{
		env: e, t: t, name: fmt.Sprintf("t%03d", number), subnet: fmt.Sprintf("10.%d.%d", 100+number/256, number%256),
		operator: operator, patience: patience,
	}
	require.NoError(t, e.CreateNamespace(t.Context(), s.name))
	t.Cleanup(s.end)
	s.create(harness.NewClass{Namespace: s.name, Name: s.name})
	return s
}

// end deletes everything that the test has made and fails the test if anything stays. A test that starts its operator
// after the scope registers it again, so that it runs before the operator stops.
func (s *scope) end() {
	if s.ended {
		return
	}
	s.ended = true
	if s.t.Failed() {
		s.dump()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	if err := errors.Join(s.deleteAll(ctx), s.awaitEmpty(ctx), s.deletePools(ctx)); err != nil {
		s.t.Errorf("something is left of the test: %v", err)
		s.dump()
	}
	if err := s.Core.CoreV1().Namespaces().Delete(ctx, s.name, metav1.DeleteOptions{}); err != nil {
		s.t.Log(err) // a test may have deleted it already
	}
}

func (s *scope) deleteAll(ctx context.Context) error {
	var failures []error
	for _, cluster := range s.ClustersIn(s.name) {
		failures = append(failures, harness.Delete(ctx, s.Clusters(s.name), cluster.GetName()))
	}
	for _, pool := range s.pools { // a paused pool does not take addresses back
		failures = append(failures, harness.Merge(ctx, s.Pools(pool.namespace), pool.name,
			map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.Paused: nil}}}))
	}
	for _, claim := range s.ClaimsIn(s.name) {
		if len(claim.GetOwnerReferences()) == 0 || claim.GetOwnerReferences()[0].Kind != "Cluster" {
			failures = append(failures, harness.Delete(ctx, s.Claims(s.name), claim.GetName()))
		}
	}
	return errors.Join(failures...)
}

// awaitEmpty waits until no Clusters, claims and addresses are left and all addresses are back in the pools.
func (s *scope) awaitEmpty(ctx context.Context) error {
	return s.Await(ctx, func() error {
		for _, cluster := range s.ClustersIn(s.name) {
			return fmt.Errorf("Cluster %s is left, with the finalizers %v", cluster.GetName(), cluster.GetFinalizers())
		}
		for _, claim := range s.ClaimsIn(s.name) {
			return fmt.Errorf("claim %s is left", claim.GetName())
		}
		for _, address := range s.AddressesIn(s.name) {
			return fmt.Errorf("IPAddress %s is left", address.GetName())
		}
		for _, pool := range s.pools {
			if capacity, _ := s.Capacity(pool.namespace, pool.name); capacity.Used != 0 {
				return fmt.Errorf("pool %s reports %d used addresses", pool.name, capacity.Used)
			}
		}
		return nil
	})
}

func (s *scope) deletePools(ctx context.Context) error {
	var failures []error
	for _, pool := range s.pools {
		failures = append(failures, harness.Delete(ctx, s.Pools(pool.namespace), pool.name))
	}
	return errors.Join(failures...)
}

// dump logs what explains a failure: the operator's log about this test, and the objects.
func (s *scope) dump() {
	var b strings.Builder
	if s.operator != nil {
		var about []string
		for _, line := range s.operator.Logs() {
			if strings.Contains(line.Raw, s.name) {
				about = append(about, line.Raw)
			}
		}
		fmt.Fprintf(&b, "--- the operator's log about %s\n%s\n--- the end of the operator's log\n%s", s.name,
			strings.Join(about[max(len(about)-40, 0):], "\n"), s.operator.LogTail(10))
	}
	show := func(object map[string]any) {
		if metadata, ok := object["metadata"].(map[string]any); ok {
			delete(metadata, "managedFields")
		}
		text, _ := yaml.Marshal(object) // what came as YAML can be written as YAML
		fmt.Fprintf(&b, "---\n%s", text)
	}
	for _, cluster := range s.ClustersIn(s.name) {
		show(cluster.DeepCopy().Object)
	}
	for _, claim := range s.ClaimsIn(s.name) {
		show(claim.DeepCopy().Object)
	}
	for _, address := range s.AddressesIn(s.name) {
		fmt.Fprintf(&b, "--- IPAddress %s: %s for claim %s\n", address.GetName(), address.Value(), address.Claim())
	}
	for _, pool := range s.pools {
		capacity, known := s.Capacity(pool.namespace, pool.name)
		fmt.Fprintf(&b, "--- pool %s: %+v (known: %t)\n", pool.name, capacity, known)
	}
	s.t.Log(b.String())
}

// ip returns an address of the test's range.
func (s *scope) ip(last int) string { return fmt.Sprintf("%s.%d", s.subnet, last) }

// ips returns a range of addresses.
func (s *scope) ips(first, last int) string { return s.ip(first) + "-" + s.ip(last) }

func (s *scope) create(objects ...harness.Object) {
	s.t.Helper()
	require.NoError(s.t, s.Create(s.t.Context(), objects...))
}

// pool creates a pool for the test's class and waits until the provider knows it. Its name begins with the test's;
// change sets the fields that matter.
func (s *scope) pool(role string, first, last int, change ...func(*harness.NewPool)) string {
	s.t.Helper()
	pool := harness.NewPool{
		Name: fmt.Sprintf("%s-%s-%d", s.name, strings.ReplaceAll(role, ",", "-"), first), Class: s.name, Role: role,
		Addresses: []string{s.ips(first, last)},
	}
	for _, f := range change {
		f(&pool)
	}
	s.create(pool)
	s.pools = append(s.pools, poolKey{pool.Namespace, pool.Name})
	s.eventually("pool "+pool.Name+" reports its capacity", func() error {
		if _, known := s.Capacity(pool.Namespace, pool.Name); !known {
			return harness.ErrNotYet
		}
		return nil
	})
	return pool.Name
}

// bothPools creates a pool for the control plane, from .10 to .19, and one for ingress, from .20 to .29.
func (s *scope) bothPools() (controlPlanePool, ingressPool string) {
	s.t.Helper()
	return s.pool(controlPlane, 10, 19), s.pool(ingress, 20, 29)
}

// cluster creates a Cluster of the test's class.
func (s *scope) cluster(name string, change ...func(*harness.NewCluster)) {
	s.t.Helper()
	cluster := harness.NewCluster{Namespace: s.name, Name: name, Class: s.name}
	for _, f := range change {
		f(&cluster)
	}
	s.create(cluster)
}

// get returns a Cluster as the watch last reported it; it fails the test if there is none.
func (s *scope) get(name string) *harness.Cluster {
	s.t.Helper()
	cluster := s.Cluster(s.name, name)
	require.NotNil(s.t, cluster, "Cluster %s", name)
	return cluster
}

// deleteNamespace deletes the namespace with everything in it. It also raises patience: Kubernetes goes through all
// kinds of ten namespaces at a time, those of other tests included, before it gets to this one.
func (s *scope) deleteNamespace() {
	s.t.Helper()
	s.patience *= 3
	require.NoError(s.t, s.Core.CoreV1().Namespaces().Delete(s.t.Context(), s.name, metav1.DeleteOptions{}))
}

// eventually waits until check returns nil.
func (s *scope) eventually(what string, check func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.patience)
	defer cancel()
	require.NoError(s.t, s.Await(ctx, check), what)
}

// sees waits until the Cluster passes all checks at once.
func (s *scope) sees(name string, checks ...check) *harness.Cluster {
	s.t.Helper()
	var cluster *harness.Cluster
	s.eventually("Cluster "+name, func() error {
		cluster = s.Cluster(s.name, name)
		if cluster == nil {
			return fmt.Errorf("there is no Cluster %s", name)
		}
		for _, check := range checks {
			if err := check(cluster); err != nil {
				return err
			}
		}
		return nil
	})
	return cluster
}

// served waits until the Cluster has both VIPs and says so.
func (s *scope) served(name string) *harness.Cluster {
	s.t.Helper()
	return s.sees(name, condition(controlPlane, names.ReasonIPAddressAssigned),
		condition(ingress, names.ReasonIPAddressAssigned), func(c *harness.Cluster) error {
			if c.Endpoint().Host == "" || c.Endpoint().Port == 0 || c.VIP(controlPlane) != c.Endpoint().Host ||
				c.VIP(ingress) == "" {
				return fmt.Errorf("endpoint %v, annotations %v", c.Endpoint(), c.GetAnnotations())
			}
			return nil
		})
}

// gone waits until a Cluster does not exist.
func (s *scope) gone(name string) {
	s.t.Helper()
	s.eventually("Cluster "+name+" is gone", func() error {
		if cluster := s.Cluster(s.name, name); cluster != nil {
			return fmt.Errorf("it has the finalizers %v", cluster.GetFinalizers())
		}
		return nil
	})
}

func (s *scope) delete(name string) {
	s.t.Helper()
	require.NoError(s.t, harness.Delete(s.t.Context(), s.Clusters(s.name), name))
}

// edit applies a merge patch to a Cluster and waits until the watch reports it, so that whatever is seen next came
// after it.
func (s *scope) edit(name string, patch map[string]any) {
	s.t.Helper()
	body, err := json.Marshal(patch)
	require.NoError(s.t, err)
	edited, err := s.Clusters(s.name).Patch(s.t.Context(), name, types.MergePatchType, body,
		metav1.PatchOptions{FieldManager: "a-user"})
	require.NoError(s.t, err)
	s.eventually("the watch tells of the edit", func() error {
		cluster := s.Cluster(s.name, name)
		if cluster == nil {
			return nil
		}
		order, err := resourceversion.CompareResourceVersion(cluster.GetResourceVersion(), edited.GetResourceVersion())
		if err == nil && order < 0 {
			err = harness.ErrNotYet
		}
		return err
	})
}

// annotate sets an annotation of a Cluster, or removes it if the value is nil.
func (s *scope) annotate(name, key string, value any) {
	s.t.Helper()
	s.edit(name, map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
}

// bound waits until a claim is bound and returns its address.
func (s *scope) bound(claim string) string {
	s.t.Helper()
	var value string
	s.eventually("claim "+claim+" is bound", func() error {
		object := s.Claim(s.name, claim)
		if object == nil {
			return errors.New("it does not exist")
		}
		address := s.Address(s.name, object.Address())
		if object.GetDeletionTimestamp() != nil || address == nil {
			return errors.New("it is not bound")
		}
		value = address.Value()
		return nil
	})
	return value
}

// events returns a Cluster's events by type and reason: "Normal VIPAllocated".
func (s *scope) events(cluster string) map[string]corev1.Event {
	s.t.Helper()
	list, err := s.Events(s.t.Context(), s.name, cluster)
	require.NoError(s.t, err)
	found := map[string]corev1.Event{}
	for _, event := range list {
		found[event.Type+" "+event.Reason] = event
	}
	return found
}

// hasEvent waits for an event of a Cluster, such as "Normal VIPAllocated", and returns it.
func (s *scope) hasEvent(cluster, event string) corev1.Event {
	s.t.Helper()
	var found corev1.Event
	s.eventually("an event of Cluster "+cluster, func() error {
		events := s.events(cluster)
		var ok bool
		if found, ok = events[event]; !ok {
			return fmt.Errorf("no event %q among %v", event, slices.Sorted(maps.Keys(events)))
		}
		return nil
	})
	return found
}

// mark remembers where the audit log ends, to find later what the operator has requested since.
func (s *scope) mark() plane.Mark {
	s.t.Helper()
	mark, err := s.Plane.Audit().Mark(s.t.Context())
	require.NoError(s.t, err)
	return mark
}

// writes returns what the operator has written in the test's namespace since a mark; 0 is the beginning.
func (s *scope) writes(since plane.Mark) plane.Entries {
	s.t.Helper()
	entries, err := s.Plane.Audit().Since(s.t.Context(), since)
	require.NoError(s.t, err)
	return entries.ByUser(s.operator.User).Writes().Filter(func(e plane.Entry) bool { return e.Namespace == s.name })
}

// changes returns the writes except for events, which are sent asynchronously and may arrive later than what they
// report.
func (s *scope) changes(since plane.Mark) plane.Entries {
	s.t.Helper()
	return s.writes(since).Filter(func(e plane.Entry) bool { return e.Resource != "events" })
}

// handled waits until the operator has surely handled the test's Clusters: it has served another one since, which
// entered an ordered queue after them. What it has not done to them by then it will not do.
func (s *scope) handled() {
	s.t.Helper()
	name := s.barrier(s.t)
	s.eventually("the operator handles Cluster "+name, func() error {
		cluster := s.Cluster(barrier, name)
		if cluster == nil {
			return harness.ErrNotYet
		}
		return condition(controlPlane, names.ReasonEndpointProvided)(cluster)
	})
	require.NoError(s.t, harness.Delete(s.t.Context(), s.Clusters(barrier), name))
}

// check returns what is wrong with a Cluster, or nil.
type check func(*harness.Cluster) error

// condition checks the reason of a role's condition, and that its status matches.
func condition(role, reason string) check {
	return func(c *harness.Cluster) error {
		want := metav1.ConditionFalse
		if reason == names.ReasonIPAddressAssigned || reason == names.ReasonEndpointProvided {
			want = metav1.ConditionTrue
		}
		got := c.Condition(role)
		switch {
		case got == nil:
			return fmt.Errorf("no condition %s, wanted %s", names.ConditionType(role), reason)
		case got.Reason != reason || got.Status != want:
			return fmt.Errorf("condition %s is %s %s (%s), wanted %s",
				got.Type, got.Status, got.Reason, got.Message, reason)
		}
		return nil
	}
}

// noCondition checks that a role has no condition.
func noCondition(role string) check {
	return func(c *harness.Cluster) error {
		if got := c.Condition(role); got != nil {
			return fmt.Errorf("condition %s is %s %s", got.Type, got.Status, got.Reason)
		}
		return nil
	}
}

// endpoint checks the endpoint.
func endpoint(host string, port int64) check {
	return func(c *harness.Cluster) error {
		if got := c.Endpoint(); got != (harness.Endpoint{Host: host, Port: port}) {
			return fmt.Errorf("the endpoint is %v, wanted %s:%d", got, host, port)
		}
		return nil
	}
}

// annotation checks the annotation with the VIP of a role.
func annotation(role, value string) check {
	return func(c *harness.Cluster) error {
		if got := c.VIP(role); got != value {
			return fmt.Errorf("the annotation for %s is %q, wanted %q", role, got, value)
		}
		return nil
	}
}

// held checks whether the allocator's finalizer is set.
func held(want bool) check {
	return func(c *harness.Cluster) error {
		if c.HasFinalizer() != want {
			return fmt.Errorf("the finalizers are %v", c.GetFinalizers())
		}
		return nil
	}
}
