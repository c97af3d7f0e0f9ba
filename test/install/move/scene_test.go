package move

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/helm"
)

// in returns the team for a subtest.
func (o *team) in(t *testing.T) *team {
	t.Helper()
	inside := *o
	inside.t = t
	return &inside
}

// fill creates Clusters of both classes, and one with its own host. None has the lowest address of its pool, so a new
// allocation would yield another address.
func (o *team) fill(at *side) {
	o.t.Helper()
	o.cluster(at, "first-read", o.reads)
	o.cluster(at, "first-told", o.told)
	o.provisioned(at, "first-read")
	o.provisioned(at, "first-told")
	clusters := []string{"own-host"}
	o.cluster(at, "own-host", o.reads, func(c *harness.NewCluster) { c.Host, c.Port = "own-host.example.com", 443 })
	for name, class := range map[string]string{"read-0": o.reads, "read-1": o.reads, "told-0": o.told} {
		clusters = append(clusters, name)
		o.cluster(at, name, class)
	}
	for _, cluster := range clusters {
		o.provisioned(at, cluster)
	}
	o.delete(at, at.Cluster(o.namespace, "first-read"))
	o.delete(at, at.Cluster(o.namespace, "first-told"))
	o.protected(at, "vip-cp-read-0")
}

func (o *team) pause(at *side, cluster string, paused any) {
	o.t.Helper()
	require.NoError(o.t, harness.Merge(o.t.Context(), at.Clusters(o.namespace), cluster, map[string]any{
		"spec": map[string]any{"paused": paused},
	}))
}

// move moves the namespace, and checks that the operators leave claims and addresses alone meanwhile.
func (o *team) move(from, to *side) {
	o.t.Helper()
	here, there := o.mark(from), o.mark(to)
	_, err := o.clusterctl(from, "--to-kubeconfig="+to.kubeconfig)
	require.NoError(o.t, err)
	for name := range o.holds(to).clusters {
		o.provisioned(to, name)
	}
	require.Empty(o.t, o.since(from, here).ByUser(harness.User).Writes(), "what the operator has written at the source")
	o.untouched(to, there)
}

// untouched fails the test if, since a mark, the operator has written claims in the namespace or the provider has
// created addresses there.
func (o *team) untouched(at *side, since plane.Mark) {
	o.t.Helper()
	claims := func(e plane.Entry) bool { return e.Resource == "ipaddressclaims" }
	require.Empty(o.t, o.since(at, since).ByUser(harness.User).Writes().Filter(claims),
		"what the operator has done to claims")
	require.Empty(o.t, o.since(at, since).Filter(func(e plane.Entry) bool {
		return e.Resource == "ipaddresses" && e.Verb == "create" && e.User != plane.Admin().User
	}), "addresses that the provider has made")
}

// killOnTheWay kills the operator at the target when claims begin to arrive there, and the one at the source when
// they begin to leave, and starts others at once.
func (o *team) killOnTheWay(from, to *side) <-chan error {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*patience)
	o.t.Cleanup(cancel)
	all := len(from.ClaimsIn(o.namespace))
	killed := make(chan error, 1)
	part := func(at *side) func() error {
		return func() error {
			if some := len(at.ClaimsIn(o.namespace)); some == 0 || some == all {
				return fmt.Errorf("%d of %d claims are at the %s", some, all, at.name)
			}
			return nil
		}
	}
	go func() {
		for _, at := range []*side{to, from} {
			err := at.Await(ctx, part(at))
			if err == nil {
				err = at.operator.Kill()
			}
			if err == nil {
				err = part(at)() // still on the way
			}
			if err == nil {
				err = at.run(ctx)
			}
			if err != nil {
				killed <- err
				return
			}
		}
		killed <- nil
	}()
	return killed
}

// serve changes the class that a pool serves; nil is none.
func (o *team) serve(at *side, namespace, pool string, class any) {
	o.t.Helper()
	label := map[string]any{"metadata": map[string]any{"labels": map[string]any{names.ClusterClass: class}}}
	require.NoError(o.t, harness.Merge(o.t.Context(), at.Pools(namespace), pool, label))
}

func saysNoPool(cluster *harness.Cluster) error {
	if cluster == nil {
		return harness.ErrNotYet
	}
	if condition := cluster.Condition(controlPlane); condition == nil || condition.Reason != names.ReasonPoolNotFound {
		return fmt.Errorf("its condition is %v", condition)
	}
	return nil
}

// inventory records at a side that the operator is installed, as clusterctl init does, and returns what undoes it.
func (o *team) inventory(at *side) func() {
	o.t.Helper()
	provider := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "clusterctl.cluster.x-k8s.io/v1alpha3", "kind": "Provider",
		"metadata": map[string]any{
			"name": "addon-capi-vip-allocator", "namespace": harness.Namespace,
			"labels": map[string]any{
				"clusterctl.cluster.x-k8s.io": "", "cluster.x-k8s.io/provider": "addon-capi-vip-allocator",
			},
		},
		"providerName": "capi-vip-allocator", "type": "AddonProvider", "version": "v1.0.0",
	}}
	providers := at.Dynamic.Resource(schema.GroupVersionResource{
		Group: "clusterctl.cluster.x-k8s.io", Version: "v1alpha3", Resource: "providers",
	}).Namespace(harness.Namespace)
	_, err := providers.Create(o.t.Context(), provider, metav1.CreateOptions{})
	require.NoError(o.t, err)
	return func() { require.NoError(o.t, harness.Delete(o.t.Context(), providers, provider.GetName())) }
}

// clear removes the addresses that a move leaves behind at its source.
func (o *team) clear(at *side) {
	o.t.Helper()
	o.documented(at,
		`kubectl -n team get ipaddresses.ipam.cluster.x-k8s.io -o name | `+
			`xargs -n1 kubectl -n team patch --type=merge -p '{"metadata":{"finalizers":null}}'`,
		`kubectl -n team delete ipaddresses.ipam.cluster.x-k8s.io --all`)
	o.eventually(at, "the addresses are gone", func() error {
		if left := len(at.AddressesIn(o.namespace)); left > 0 {
			return fmt.Errorf("%d are left", left)
		}
		return nil
	})
}

// documented runs commands of docs/operations.md at a side.
func (o *team) documented(at *side, commands ...string) {
	o.t.Helper()
	kubectl, err := plane.Kubectl(o.t.Context(), plane.Options{Log: o.t.Output()})
	require.NoError(o.t, err)
	page, err := os.ReadFile(filepath.Join(helm.Root(), "docs", "operations.md"))
	require.NoError(o.t, err)
	for _, line := range commands {
		require.Contains(o.t, string(page), line+"\n")
		command := exec.CommandContext(o.t.Context(), "sh", "-c", line)
		command.Env = []string{"KUBECONFIG=" + at.kubeconfig, "HOME=" + o.t.TempDir(), "PATH=" + filepath.Dir(kubectl) +
			":" + os.Getenv("PATH")}
		output, err := command.CombinedOutput()
		require.NoError(o.t, err, "%s:\n%s", line, output)
	}
}

// staying is the namespace of Clusters that do not move.
const staying = "staying"

// others creates Clusters in another namespace, one after the other, that take addresses from the same pools. The
// returned function ends this and returns their addresses.
func (o *team) others(at *side) func() []string {
	o.t.Helper()
	const most = 8
	require.NoError(o.t, at.CreateNamespace(o.t.Context(), staying))
	require.NoError(o.t, at.Create(o.t.Context(), harness.NewClass{Namespace: staying, Name: o.reads}))
	ctx, cancel := context.WithCancel(o.t.Context())
	var taken []string
	ended := make(chan error)
	go func() {
		for i := 0; i < most && ctx.Err() == nil; i++ {
			addresses, err := other(o.t.Context(), at, o.reads, fmt.Sprintf("other-%d", i))
			if err != nil {
				ended <- err
				return
			}
			taken = append(taken, addresses...)
		}
		ended <- nil
	}()
	return func() []string {
		cancel()
		require.NoError(o.t, <-ended)
		require.NotEmpty(o.t, taken)
		return taken
	}
}

// other creates a Cluster, waits for its VIPs and returns them.
func other(ctx context.Context, at *side, class, name string) ([]string, error) {
	if err := at.Create(ctx, harness.NewCluster{Namespace: staying, Name: name, Class: class}); err != nil {
		return nil, err
	}
	err := at.Await(ctx, func() error {
		cluster := at.Cluster(staying, name)
		if cluster == nil {
			return harness.ErrNotYet
		}
		return hasVIPs(cluster)
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the VIPs of %s/%s: %w", staying, name, err)
	}
	return at.Cluster(staying, name).Carried(), nil
}

func (o *team) mark(at *side) plane.Mark {
	o.t.Helper()
	mark, err := at.Plane.Audit().Mark(o.t.Context())
	require.NoError(o.t, err)
	return mark
}

// since returns the requests about the namespace since a mark.
func (o *team) since(at *side, mark plane.Mark) plane.Entries {
	o.t.Helper()
	entries, err := at.Plane.Audit().Since(o.t.Context(), mark)
	require.NoError(o.t, err)
	return entries.Filter(func(e plane.Entry) bool { return e.Namespace == o.namespace })
}
