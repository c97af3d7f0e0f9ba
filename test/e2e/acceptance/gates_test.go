package acceptance

import (
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

// available checks the status of Cluster API's condition Available, and that its message names a condition.
func available(status metav1.ConditionStatus, because string) check {
	return func(c *harness.Cluster) error {
		for _, condition := range c.Conditions() {
			if condition.Type != "Available" {
				continue
			}
			if condition.Status != status || !strings.Contains(condition.Message, because) {
				return fmt.Errorf("Available is %s: %s", condition.Status, condition.Message)
			}
			return nil
		}
		return harness.ErrNotYet
	}
}

// kubeconfigSecret gives Cluster API a workload cluster to connect to: the management cluster itself.
const kubeconfigSecret = `
apiVersion: v1
kind: Secret
type: cluster.x-k8s.io/secret
metadata: {name: %[2]s-kubeconfig, namespace: %[1]s, labels: {cluster.x-k8s.io/cluster-name: %[2]s}}
stringData: {value: %[3]q}
`

// TestAvailabilityGates applies the example of examples/availability-gates, with the names of the test's objects.
func TestAvailabilityGates(t *testing.T) {
	t.Parallel() // after the disruptive tests
	t.Run("if a class gates on the VIPs, should make its Clusters Available only with them", func(t *testing.T) {
		s := ordinary(t)
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "availability-gates", "clusterclass.yaml"))
		require.NoError(t, err)
		replace := []string{"namespace: demo", "namespace: " + s.name, "name: demo", "name: " + s.name}
		if s.Version != "v1beta2" {
			replace = append(replace, "cluster.x-k8s.io/v1beta2", "cluster.x-k8s.io/"+s.Version, "templateRef:", "ref:",
				"classRef:\n      name: gated", "class: gated")
		}
		kubeconfig, err := s.Plane.Kubeconfig(plane.Admin())
		require.NoError(t, err)
		access, err := os.ReadFile(kubeconfig)
		require.NoError(t, err)
		_, err = plane.ApplyYAML(t.Context(), s.Plane.Config(), fmt.Sprintf(kubeconfigSecret, s.name, "rome", access),
			strings.NewReplacer(replace...).Replace(string(text)))
		require.NoError(t, err)

		s.sees("rome", condition(controlPlane, names.ReasonPoolNotFound),
			available(metav1.ConditionFalse, "ControlPlaneVIPReady: no pool serves"))
		forGated := func(p *harness.NewPool) { p.Class = "gated" }
		s.pool(controlPlane, 10, 19, forGated)
		s.sees("rome", condition(controlPlane, names.ReasonIPAddressAssigned),
			available(metav1.ConditionFalse, "IngressVIPReady: no pool serves"))
		s.pool(ingress, 20, 29, forGated)
		s.sees("rome", condition(ingress, names.ReasonIPAddressAssigned), available(metav1.ConditionTrue, ""))
	})
}
