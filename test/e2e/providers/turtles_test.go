package providers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// turtlesVariable locates examples/clusterclasses of rancher/turtles.
const turtlesVariable = "TURTLES_CLASSES"

// The classes that Rancher Turtles publishes for vSphere, as they are: the VIP's path to the machine, and back.
func TestTurtlesClasses(t *testing.T) {
	t.Parallel()
	directory := os.Getenv(turtlesVariable)
	if directory == "" {
		t.Skip("set " + turtlesVariable + " to examples/clusterclasses of a checkout of rancher/turtles")
	}
	for i, f := range []flavor{
		{example: "vsphere-kubeadm", way: byVariable}, {example: "vsphere-rke2", way: byVariable},
	} {
		t.Run(f.example, func(t *testing.T) {
			t.Parallel()
			s := emptyScope(t, shared.get(t), f, octetTurtles+i)
			s.className = f.example + "-example"
			provider := strings.TrimPrefix(f.example, "vsphere-")
			s.create(
				s.documents(filepath.Join(directory, "vsphere", provider, "clusterclass-"+provider+"-example.yaml"))...,
			)
			s.pool(5)
			s.cluster("prod", s.turtlesVariables)
			c := s.sees("prod", reason(names.ReasonIPAddressAssigned), hasEndpoint(s.ip(1)))
			infrastructure := &harness.Cluster{Unstructured: s.one(vSphereClusters, "prod")}
			assert.Equal(t, c.Endpoint(), infrastructure.Endpoint(), "of the VSphereCluster")
			bootstrap, vm := s.machine("prod")
			assert.Equal(t, s.ip(1), kubeVIP(t, vm.Name, writtenFiles(t, bootstrap)))
			userData, err := vm.UserData()
			require.NoError(t, err)
			assert.Equal(t, bootstrap, userData, "the virtual machine starts with the bootstrap data")
			s.goesInOrder("prod")
		})
	}
}

// turtlesVariables adds what the classes require of a Cluster besides the endpoint.
func (s *scope) turtlesVariables(cluster *unstructured.Unstructured) {
	s.t.Helper()
	path := []string{"spec", "topology", "variables"}
	variables, _, err := unstructured.NestedSlice(cluster.Object, path...)
	require.NoError(s.t, err)
	v := s.vcenter
	for name, value := range map[string]string{
		"sshKey": "ssh-ed25519 AAAA", "vSphereClusterIdentityName": s.credentials, "vSphereTLSThumbprint": v.Thumbprint,
		"vSphereServer": v.Server, "vSphereDataCenter": v.Datacenter, "vSphereDataStore": v.Datastore,
		"vSphereFolder":       v.Folder,
		"vSphereResourcePool": v.ResourcePool, "vSphereNetwork": v.Network, "vSphereTemplate": v.Template,
	} {
		variables = append(variables, map[string]any{"name": name, "value": value})
	}
	require.NoError(s.t, unstructured.SetNestedSlice(cluster.Object, variables, path...))
}
