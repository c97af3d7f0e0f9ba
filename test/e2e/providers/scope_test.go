package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// These are the resources that the tests look at.
var (
	vSphereClusters = schema.GroupVersionResource{
		Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Resource: "vsphereclusters",
	}
	vSphereVMs = schema.GroupVersionResource{
		Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Resource: "vspherevms",
	}
	machines = schema.GroupVersionResource{Group: "cluster.x-k8s.io", Version: "v1beta2", Resource: "machines"}
)

// scope is a namespace with the class of a flavor, which is named like the namespace by default, and the addresses of
// its pool.
type scope struct {
	*stage
	flavor
	t *testing.T
	// name names the namespace, className the class.
	name, className string
	// credentials is the name of the credentials in the class.
	credentials string
	third       int
	// patience bounds every wait.
	patience time.Duration
}

// newScope creates the class and no pool yet. Each scope needs a third octet of its own, for addresses
// 10.90.third.0/24.
func newScope(t *testing.T, on *stage, f flavor, third int) *scope {
	t.Helper()
	s := emptyScope(t, on, f, third)
	s.create(s.class()...)
	return s
}

// emptyScope creates only the namespace.
func emptyScope(t *testing.T, on *stage, f flavor, third int) *scope {
	t.Helper()
	name := fmt.Sprintf("n%d", third)
	s := &scope{
		stage: on, flavor: f, t: t, name: name, className: name, credentials: credentials, third: third,
		patience: patience,
	}
	require.NoError(t, on.CreateNamespace(t.Context(), s.name))
	return s
}

func (s *scope) create(objects ...*unstructured.Unstructured) {
	s.t.Helper()
	for _, object := range objects {
		require.NoError(s.t, s.Create(s.t.Context(), harness.Manifest{Unstructured: object}))
	}
}

// ip returns an address of the scope.
func (s *scope) ip(last int) string { return fmt.Sprintf("10.90.%d.%d", s.third, last) }

// pool creates the pool of the class's control planes, with the first addresses.
func (s *scope) pool(addresses int) {
	s.t.Helper()
	pool := harness.NewPool{
		Name: s.name, Class: s.className, Role: names.RoleControlPlane,
		Addresses: []string{s.ip(1) + "-" + s.ip(addresses)},
	}
	if s.way == byVariable {
		pool.Annotations = map[string]string{names.HostVariable: hostVariable, names.PortVariable: portVariable}
	}
	require.NoError(s.t, s.Create(s.t.Context(), pool))
}

// cluster creates a Cluster with one control plane machine, as its user writes it, with the variables that the class
// requires; change may alter it.
func (s *scope) cluster(name string, change func(*unstructured.Unstructured)) {
	s.t.Helper()
	topology := map[string]any{
		"classRef": map[string]any{"name": s.className}, "version": s.version(),
		"controlPlane": map[string]any{"replicas": int64(1)},
	}
	if s.way == byVariable {
		topology["variables"] = []any{
			map[string]any{"name": hostVariable, "value": ""}, map[string]any{"name": portVariable, "value": int64(0)},
		}
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "spec": map[string]any{"topology": topology},
	}}
	object.SetNamespace(s.name)
	object.SetName(name)
	if change != nil {
		change(object)
	}
	s.create(object)
}

// sees waits until a Cluster passes the checks.
func (s *scope) sees(name string, checks ...func(*harness.Cluster) error) *harness.Cluster {
	s.t.Helper()
	var cluster *harness.Cluster
	s.eventually("Cluster "+name, func() error {
		if cluster = s.Cluster(s.name, name); cluster == nil {
			return errors.New("is not there")
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

func (s *scope) eventually(what string, check func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.patience)
	defer cancel()
	require.NoError(s.t, s.Await(ctx, check), what)
}

// reason checks the reason of the condition for the control plane's VIP.
func reason(want string) func(*harness.Cluster) error {
	return func(c *harness.Cluster) error {
		condition := c.Condition(names.RoleControlPlane)
		if condition == nil || condition.Reason != want {
			return fmt.Errorf("the condition is %v, not %s", condition, want)
		}
		return nil
	}
}

// hasEndpoint checks spec.controlPlaneEndpoint.
func hasEndpoint(host string) func(*harness.Cluster) error {
	return func(c *harness.Cluster) error {
		if want := (harness.Endpoint{Host: host, Port: 6443}); c.Endpoint() != want {
			return fmt.Errorf("the endpoint is %v, not %v", c.Endpoint(), want)
		}
		return nil
	}
}

// provisioned checks that Cluster API knows the infrastructure, and has the control plane object.
func provisioned(c *harness.Cluster) error {
	done := infrastructureProvisioned(c)
	controlPlane, _, _ := unstructured.NestedString(c.Object, "spec", "controlPlaneRef", "name")
	if !done || controlPlane == "" {
		return fmt.Errorf("infrastructure provisioned: %t, control plane: %q; %v", done, controlPlane, c.Conditions())
	}
	return nil
}

func infrastructureProvisioned(c *harness.Cluster) bool {
	done, _, _ := unstructured.NestedBool(c.Object, "status", "initialization", "infrastructureProvisioned")
	return done
}

func (s *scope) in(resource schema.GroupVersionResource) dynamic.ResourceInterface {
	return s.Dynamic.Resource(resource).Namespace(s.name)
}

// controlPlaneMachines selects Machines of control planes.
const controlPlaneMachines = "cluster.x-k8s.io/control-plane"

// of lists the objects of a Cluster; for machines, only those of the control plane.
func (s *scope) of(resource schema.GroupVersionResource, cluster string) []unstructured.Unstructured {
	s.t.Helper()
	selector := "cluster.x-k8s.io/cluster-name=" + cluster
	if resource == machines {
		selector += "," + controlPlaneMachines
	}
	return s.all(resource, selector)
}

// all lists the objects of the scope with a label.
func (s *scope) all(resource schema.GroupVersionResource, selector string) []unstructured.Unstructured {
	s.t.Helper()
	list, err := s.in(resource).List(s.t.Context(), metav1.ListOptions{LabelSelector: selector})
	require.NoError(s.t, err)
	return list.Items
}

// one waits until a Cluster has exactly one object of a kind.
func (s *scope) one(resource schema.GroupVersionResource, cluster string) *unstructured.Unstructured {
	s.t.Helper()
	var one *unstructured.Unstructured
	s.eventually(resource.Resource+" of "+cluster, func() error {
		list := s.of(resource, cluster)
		require.LessOrEqual(s.t, len(list), 1)
		if len(list) == 0 {
			return harness.ErrNotYet
		}
		one = &list[0]
		return nil
	})
	return one
}

// bootstrap waits until the machine of a Cluster has its bootstrap data, and returns that.
func (s *scope) bootstrap(cluster string) string {
	s.t.Helper()
	var secret string
	s.eventually("the bootstrap data of "+cluster, func() error {
		secret, _, _ = unstructured.NestedString(s.one(machines, cluster).Object, "spec", "bootstrap", "dataSecretName")
		if secret == "" {
			return fmt.Errorf("%v", s.one(machines, cluster).Object["status"])
		}
		return nil
	})
	data, err := s.Core.CoreV1().Secrets(s.name).Get(s.t.Context(), secret, metav1.GetOptions{})
	require.NoError(s.t, err)
	return string(data.Data["value"])
}

// machine waits until the virtual machine of a Cluster runs, and returns it and what it was built from.
func (s *scope) machine(cluster string) (bootstrap string, vm plane.VirtualMachine) {
	s.t.Helper()
	bootstrap = s.bootstrap(cluster)
	s.eventually("the virtual machine of "+cluster, func() error {
		var err error
		vm, err = s.vm(s.one(machines, cluster).GetName())
		if err == nil && vm.Power != "poweredOn" {
			err = fmt.Errorf("it is %s; %v", vm.Power, s.of(vSphereVMs, cluster))
		}
		return err
	})
	return bootstrap, vm
}

// vm finds a virtual machine by its name, even if it is gone.
func (s *scope) vm(name string) (plane.VirtualMachine, error) {
	all, err := s.Plane.Machines(s.t.Context())
	if err != nil {
		return plane.VirtualMachine{}, err
	}
	for _, vm := range all {
		if vm.Name == name {
			return vm, nil
		}
	}
	return plane.VirtualMachine{}, fmt.Errorf("no virtual machine %s among %d", name, len(all))
}

// hasVIP checks the whole path of an address, from the Cluster to the bootstrap data of the virtual machine.
func (s *scope) hasVIP(cluster, address string) {
	s.t.Helper()
	endpoint := harness.Endpoint{Host: address, Port: 6443}
	c := s.sees(cluster)
	assert.Equal(s.t, endpoint, c.Endpoint())
	assert.Equal(s.t, endpoint, (&harness.Cluster{Unstructured: s.one(vSphereClusters, cluster)}).Endpoint(),
		"of the VSphereCluster")

	s.controlPlaneHasVIP(cluster, address)
	bootstrap, vm := s.machine(cluster)
	s.startsWith(vm.Name, bootstrap, address)
	userData, err := vm.UserData()
	require.NoError(s.t, err)
	assert.Equal(s.t, bootstrap, userData, "the virtual machine starts with the bootstrap data")
	assert.Len(s.t, vm.Addresses, 1, "the virtual machine has an address of its own")
	assert.NotContains(s.t, c.GetAnnotations(), names.TopologyGate)
}

// controlPlaneHasVIP checks the address in the control plane object: in kube-vip's manifest and in the certificate's
// names.
func (s *scope) controlPlaneHasVIP(cluster, address string) {
	s.t.Helper()
	controlPlane := s.one(s.controlPlanes(), cluster)
	files, _, err := unstructured.NestedSlice(controlPlane.Object, s.files()...)
	require.NoError(s.t, err)
	assert.Equal(s.t, address, kubeVIP(s.t, controlPlane.GetName(), files), "in the control plane object")
	certificateNames, _, err := unstructured.NestedStringSlice(controlPlane.Object, s.certificateNames()...)
	require.NoError(s.t, err)
	assert.Contains(s.t, certificateNames, address)
}

// startsWith checks what a machine is built from: kube-vip, and the certificate's names in the configuration of
// kubeadm or RKE2.
func (s *scope) startsWith(name, bootstrap, address string) {
	s.t.Helper()
	files := writtenFiles(s.t, bootstrap)
	assert.Equal(s.t, address, kubeVIP(s.t, name, files), "what %s starts with", name)
	config := "/run/kubeadm/kubeadm.yaml"
	if s.rke2() {
		config = "/etc/rancher/rke2/config.yaml"
	}
	content, found := fileContent(s.t, files, func(path string) bool { return path == config })
	require.True(s.t, found, config)
	key, rest, found := strings.Cut(content, map[bool]string{true: "tls-san:", false: "certSANs:"}[s.rke2()])
	require.True(s.t, found, "certificate names after %s", key)
	assert.Contains(s.t, rest, "- "+address)
}

// gone waits until a Cluster is gone.
func (s *scope) gone(cluster string) {
	s.t.Helper()
	s.eventually("Cluster "+cluster+" is gone", func() error {
		if c := s.Cluster(s.name, cluster); c != nil {
			return fmt.Errorf("finalizers %v, conditions %v", c.GetFinalizers(), c.Conditions())
		}
		return nil
	})
}

// delete deletes a Cluster.
func (s *scope) delete(cluster string) {
	s.t.Helper()
	err := s.Clusters(s.name).Delete(s.t.Context(), cluster, metav1.DeleteOptions{})
	if !apierrors.IsNotFound(err) {
		require.NoError(s.t, err)
	}
}
