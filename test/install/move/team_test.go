package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	controlPlane = names.RoleControlPlane
	ingress      = names.RoleIngress
)

// team is a namespace that moves from side to side, with pools of its own name.
type team struct {
	t         *testing.T
	namespace string
	subnet    string
	// reads is the class that reads the VIP from the annotation. told is the class that gets it in a variable, from a
	// pool in the namespace.
	reads, told string
}

// newTeam creates a namespace with two classes and their pools at a side.
func newTeam(t *testing.T, at *side, namespace string, net int) *team {
	t.Helper()
	o := &team{t: t, namespace: namespace, subnet: fmt.Sprintf("10.%d.0", net), reads: namespace +
		"-reads", told: namespace + "-told"}
	variable := map[string]any{
		"name": "vip", "required": false, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "string"}},
	}
	require.NoError(t, at.CreateNamespace(t.Context(), namespace))
	require.NoError(t, at.Create(t.Context(),
		harness.NewClass{Namespace: namespace, Name: o.reads, Patches: []any{harness.FromAnnotation(controlPlane)}},
		harness.NewClass{
			Namespace: namespace, Name: o.told, Variables: []any{variable}, Patches: []any{harness.FromVariable("vip")},
		},
		o.pool(controlPlane, o.reads, 10), o.pool(ingress, o.reads+","+o.told, 50),
		harness.NewPool{
			Namespace: namespace, Name: "own", Class: o.told, Role: controlPlane, Addresses: []string{o.ips(100)},
			Annotations: map[string]string{names.HostVariable: "vip"},
		},
	))
	return o
}

// pool returns a global pool with twenty addresses.
func (o *team) pool(role, classes string, first int) harness.NewPool {
	return harness.NewPool{
		Name: o.namespace + "-" + role, Class: classes, Role: role, Addresses: []string{o.ips(first)},
	}
}

func (o *team) ips(first int) string {
	return fmt.Sprintf("%s.%d-%s.%d", o.subnet, first, o.subnet, first+19)
}

// cluster creates a Cluster at a side.
func (o *team) cluster(at *side, name, class string, change ...func(*harness.NewCluster)) {
	o.t.Helper()
	cluster := harness.NewCluster{Namespace: o.namespace, Name: name, Class: class}
	for _, f := range change {
		f(&cluster)
	}
	require.NoError(o.t, at.Create(o.t.Context(), cluster))
}

// eventually waits at a side until check returns nil.
func (o *team) eventually(at *side, what string, check func() error) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	if err := at.Await(ctx, check); err != nil {
		require.NoError(o.t, err, "%s at the %s; the operator's log ends with:\n%s",
			what, at.name, at.operator.LogTail(20))
	}
}

// provisioned waits until a Cluster has its VIPs, and everything that clusterctl requires of a Cluster that it moves.
func (o *team) provisioned(at *side, name string) *harness.Cluster {
	o.t.Helper()
	var cluster *harness.Cluster
	o.eventually(at, "Cluster "+name+" is provisioned", func() error {
		if cluster = at.Cluster(o.namespace, name); cluster == nil {
			return errors.New("it does not exist")
		}
		if err := hasVIPs(cluster); err != nil {
			return err
		}
		infrastructure, _, _ := unstructured.NestedBool(cluster.Object, "status", "initialization",
			"infrastructureProvisioned")
		initialized := slices.ContainsFunc(cluster.Conditions(), func(c metav1.Condition) bool {
			return c.Type == "ControlPlaneInitialized" && c.Status == metav1.ConditionTrue
		})
		if !infrastructure || !initialized {
			return fmt.Errorf("infrastructure: %t, control plane: %t", infrastructure, initialized)
		}
		return nil
	})
	return cluster
}

// hasVIPs says which VIPs a Cluster lacks. One with its own host has none for the control plane, and says so only as
// long as a pool would serve it.
func hasVIPs(cluster *harness.Cluster) error {
	roles := []string{ingress, controlPlane}
	if host := cluster.Endpoint().Host; host != "" && cluster.VIP(controlPlane) == "" {
		roles = roles[:1]
	} else if host == "" || host != cluster.VIP(controlPlane) {
		return fmt.Errorf("the endpoint is %v, the annotations are %v", cluster.Endpoint(), cluster.GetAnnotations())
	}
	for _, role := range roles {
		condition := cluster.Condition(role)
		if condition == nil || condition.Status != metav1.ConditionTrue || cluster.VIP(role) == "" {
			return fmt.Errorf("the VIP for %s is %q, its condition is %v", role, cluster.VIP(role), condition)
		}
	}
	return nil
}

// holdings are the VIPs of a namespace: what each Cluster carries, and which address each claim has.
type holdings struct {
	clusters  map[string]carried
	addresses map[string]string
}

type carried struct {
	endpoint              harness.Endpoint
	controlPlane, ingress string
	variables             []any
}

// holds returns what the namespace holds at a side. A claim counts once its Cluster owns it and it is bound.
func (o *team) holds(at *side) holdings {
	h := holdings{clusters: map[string]carried{}, addresses: map[string]string{}}
	for _, cluster := range at.ClustersIn(o.namespace) {
		variables, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "topology", "variables")
		h.clusters[cluster.GetName()] = carried{
			cluster.Endpoint(), cluster.VIP(controlPlane), cluster.VIP(ingress), variables,
		}
	}
	for _, claim := range at.ClaimsIn(o.namespace) {
		owner := metav1.GetControllerOf(claim)
		if owner == nil || claim.Address() == "" {
			continue
		}
		cluster, address := at.Cluster(o.namespace, claim.ClusterName()), at.Address(o.namespace, claim.Address())
		if cluster != nil && address != nil && cluster.GetUID() == owner.UID && address.Claim() == claim.GetName() {
			h.addresses[claim.GetName()] = address.Value()
		}
	}
	return h
}

// values returns the addresses of all claims.
func (h holdings) values() []string { return slices.Sorted(maps.Values(h.addresses)) }

// arrived waits until the namespace holds at a side exactly what it held before, and every Cluster says so.
func (o *team) arrived(at *side, before holdings) {
	o.t.Helper()
	for name := range before.clusters {
		o.provisioned(at, name)
	}
	o.eventually(at, "everything is as it was", func() error {
		if now := o.holds(at); !assert.ObjectsAreEqual(before, now) {
			return fmt.Errorf("the namespace holds %v, before the move it held %v", now, before)
		}
		return nil
	})
	require.Len(o.t, at.ClaimsIn(o.namespace), len(before.addresses))
	require.Len(o.t, at.AddressesIn(o.namespace), len(before.addresses))
}

// used waits until a pool reports the wanted number of addresses in use; a global pool has no namespace.
func (o *team) used(at *side, namespace, pool string, want int) {
	o.t.Helper()
	o.eventually(at, "the use of pool "+pool, func() error {
		capacity, known := at.Capacity(namespace, pool)
		if !known || capacity.Used != want || capacity.Free != capacity.Total-want {
			return fmt.Errorf("it reports %+v (%t), wanted %d in use", capacity, known, want)
		}
		return nil
	})
}

// delete deletes a Cluster and waits until nothing is left of it.
func (o *team) delete(at *side, cluster *harness.Cluster) {
	o.t.Helper()
	namespace, name := cluster.GetNamespace(), cluster.GetName()
	require.NoError(o.t, harness.Delete(o.t.Context(), at.Clusters(namespace), name))
	o.eventually(at, "Cluster "+name+" is gone", func() error {
		if at.Cluster(namespace, name) != nil {
			return errors.New("it exists")
		}
		for _, role := range []string{controlPlane, ingress} {
			claim := names.ClaimName(name, role)
			if at.Claim(namespace, claim) != nil || at.Address(namespace, claim) != nil {
				return fmt.Errorf("%s or its address exists", claim)
			}
		}
		return nil
	})
}

// protected waits until the admission policy refuses to delete a claim.
func (o *team) protected(at *side, claim string) {
	o.t.Helper()
	require.NoError(o.t, plane.Eventually(o.t.Context(), func(ctx context.Context) error {
		err := at.Claims(o.namespace).Delete(ctx, claim, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) {
			return fmt.Errorf("deleting a claim ends with: %w", err)
		}
		return nil
	}))
}

// clusterctl runs clusterctl move for the namespace, as an admin of the side that it moves from.
func (o *team) clusterctl(from *side, args ...string) (string, error) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*patience)
	defer cancel()
	args = append([]string{"move", "--namespace=" + o.namespace}, args...)
	command := exec.CommandContext(ctx, suite.clusterctl, args...)
	home := o.t.TempDir()
	command.Env = []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "KUBECONFIG=" + from.kubeconfig,
		"PATH=" + os.Getenv("PATH"),
		"CLUSTERCTL_DISABLE_VERSIONCHECK=true",
	}
	output, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("clusterctl %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return string(output), err
}
