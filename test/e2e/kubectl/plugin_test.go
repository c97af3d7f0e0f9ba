package kubectl

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const team = "team"

// TestPlugin takes one plane through a life: no operator, an operator, trouble, and someone who may not read
// everything.
func TestPlugin(t *testing.T) {
	e := start(t)
	ctx := t.Context()
	require.NoError(t, e.CreateNamespace(ctx, team))
	require.NoError(t, e.Create(ctx,
		harness.NewClass{Namespace: team, Name: "metal"},
		harness.NewPool{Name: "cp", Class: "metal", Role: controlPlane, Addresses: []string{"10.0.0.0/28"}, Prefix: 28},
		harness.NewPool{Name: "web", Class: "metal", Role: ingress, Addresses: []string{"10.0.1.10-10.0.1.19"}},
		harness.NewPool{Name: "idle", Addresses: []string{"10.0.9.1-10.0.9.9"}},
		harness.NewCluster{Namespace: team, Name: "first", Class: "metal"},
	))
	e.counted(t, "cp", "web", "idle")
	before, err := e.Plane.Audit().Mark(ctx)
	require.NoError(t, err)

	t.Run("if the operator does not run, should say what it would do", e.withoutOperator)
	stop := e.operate(t)
	t.Run("if a Cluster is planned, should come true", e.plansTrue)
	t.Run("if the operator runs, should say what it did", e.withOperator)
	t.Run("if an endpoint was typed by hand, should say how the pool's comes in its place", e.fromHandToPool)
	t.Run("if Clusters come and go, should show them while it watches", e.watches)
	t.Run("if someone looks in the browser, should show it and follow", e.shows)
	t.Run("if there is trouble, should find it", e.findsTrouble)
	t.Run("if a role was misspelled, should take it out of service", e.retires)
	stop()
	t.Run("if the operator has stopped, should see it", e.stopped)
	t.Run("if someone may read one namespace, should say so", e.restricted)
	t.Run("if someone may read nothing, should say so in a line", e.refused)
	t.Run("if the operator is deployed, should look at its permissions", e.permissions)
	t.Run("if the operator is set up for other pools, should know that it reads too few", e.becomesOutdated)
	t.Run("if the pages are in the cluster, should let the API server say who sees them", e.inCluster)
	t.Run("if the pages may look into one namespace, should say so", e.inClusterForOne)
	t.Run("should have written nothing", func(t *testing.T) { e.wroteNothing(t, before) })
}

func (e *env) withoutOperator(t *testing.T) {
	explained := decode[view.Explanation](t, e.vip(t, "explain", "first", "-n", team, "-o", "json"))
	assert.Equal(t, view.OperatorUnknown, explained.Operator.State)
	assert.Equal(t, names.ReasonWaitingForIPAddress, explained.State)
	require.Len(t, explained.Next, 2)
	assert.Equal(t, "create claim vip-cp-first on GlobalInClusterIPPool/cp: role control-plane needs an address",
		explained.Next[1])
	assert.Contains(t, e.vip(t, "explain", "first", "-n", team).out,
		"If the operator runs, which cannot be seen, it does this at once:")

	missing := e.vip(t, "explain", "second", "-n", team)
	assert.Equal(t, kubectlvip.ExitBadInput, missing.code)
	assert.Contains(t, missing.err, `there is no Cluster "second" in namespace team`)
	assert.Contains(t, e.vip(t, "list").err, "There is no Cluster in namespace default; use -A")
}

// plansTrue plans a Cluster, creates it, and compares the two.
func (e *env) plansTrue(t *testing.T) {
	e.hasReason(t, team, "first", names.ReasonIPAddressAssigned)
	planned := harness.NewCluster{
		Namespace: team, Name: "second", Class: "metal", Labels: map[string]string{"team": "red"},
	}
	manifest, err := yaml.Marshal(planned.Manifests(e.Version)[0])
	require.NoError(t, err)
	answer := e.vip(t, "plan", "-f", write(t, string(manifest)), "-o", "json")
	require.Zero(t, answer.code)
	plan := decode[struct{ Plans []view.ClusterPlan }](t, answer).Plans[0]
	require.Nil(t, e.Cluster(team, "second"), "a plan writes nothing")

	require.NoError(t, e.Create(t.Context(), planned))
	e.hasReason(t, team, "second", names.ReasonIPAddressAssigned)
	e.await(t, func() error {
		if e.Cluster(team, "second").VIP(ingress) == "" {
			return errors.New("Cluster second has no ingress VIP")
		}
		return nil
	})
	cluster := e.Cluster(team, "second")
	assert.Equal(t, cluster.Endpoint().Host, plan.Roles[0].Address)
	assert.Contains(t, plan.Actions, fmt.Sprintf("set endpoint %s:%d: claim vip-cp-second is bound",
		cluster.Endpoint().Host, cluster.Endpoint().Port))
	assert.Equal(t, cluster.VIP(ingress), plan.Roles[1].Address)
}

// selects selects objects by labels, which the plugin does not keep.
func (e *env) selects(t *testing.T) {
	t.Helper()
	red := e.vip(t, "list", "-A", "-l", "team=red", "--no-headers").out
	assert.Regexp(t, `^team +second +[^\n]*\n$`, red, "one Cluster")
	cp := e.vip(t, "pools", "-l", names.Role+"="+controlPlane, "--no-headers").out
	assert.Contains(t, cp, "cp ")
	assert.NotContains(t, cp, "web")
	for _, args := range [][]string{{"list", "-l", "a=b=c"}, {"list", "first", "-l", "a"}, {"pools", "cp", "-l", "a"}} {
		assert.Equal(t, kubectlvip.ExitBadInput, e.vip(t, args...).code, args)
	}
}

func (e *env) withOperator(t *testing.T) {
	explained := decode[view.Explanation](t, e.vip(t, "explain", "first", "-n", team, "-o", "json"))
	assert.Equal(t, view.OperatorRunning, explained.Operator.State, explained.Operator.Says)
	assert.Equal(t, view.StateReady, explained.State)
	assert.Empty(t, explained.Next)
	require.NotNil(t, explained.Roles[0].Condition)
	assert.False(t, explained.Roles[0].Condition.Outdated)
	assert.Equal(t, "10.0.0.1", explained.Roles[0].Address, "the first is the network's")

	list := e.vip(t, "list", "-A", "--no-headers").out
	assert.Regexp(t, `(?m)^team +first +metal +Ready +10\.0\.0\.1 +10\.0\.1\.10 +\d+s$`, list)
	assert.Regexp(t, `(?m)^team +first +.* cp,web +10\.0\.0\.1:6443 `,
		e.vip(t, "list", "team/first", "--no-headers", "-o", "wide").out)
	assert.Contains(t, e.vip(t, "explain", "frist", "-n", team).err, "did you mean first?")
	assert.Contains(t, e.vip(t, "explain", team+"/first").out, "The Cluster has its VIPs.")
	assert.NotContains(t, e.vip(t, "pools", "cp").out, "web")
	e.selects(t)
	pools := decode[struct{ Pools []view.Pool }](t, e.vip(t, "pools", "--addresses", "-o", "json")).Pools
	require.Len(t, pools, 3)
	cp := pools[slices.IndexFunc(pools, func(p view.Pool) bool { return p.Name == "cp" })]
	require.Len(t, cp.Addresses, 2)
	assert.Equal(t, "first", cp.Addresses[0].Cluster)
	assert.Equal(t, controlPlane, cp.Addresses[0].Role)

	assert.Contains(t, e.vip(t, "pools", "--map").out, "10.0.0.0  -##.",
		"the network's own, two that are held, and those that are free")
	report := e.vip(t, "report", "-n", team)
	assert.Zero(t, report.code)
	assert.Contains(t, report.out, "10.0.0.1: held, Cluster team/first, role control-plane, claim team/vip-cp-first")
	assert.NotContains(t, report.out, "<script")

	var document struct{ Clusters []view.Cluster }
	require.NoError(t, yaml.Unmarshal([]byte(e.vip(t, "list", "-n", team, "-o", "yaml").out), &document))
	assert.Len(t, document.Clusters, 2)
	check := e.vip(t, "check")
	assert.Zero(t, check.code)
	assert.Contains(t, check.out, "Nothing is wrong")
	assert.Contains(t, e.vip(t, "version").out, "apis cluster.x-k8s.io/"+e.Version)
}

// fromHandToPool does what explain says, word for word.
func (e *env) fromHandToPool(t *testing.T) {
	const typed = "10.0.5.5"
	require.NoError(t, e.Create(t.Context(), harness.NewCluster{
		Namespace: team, Name: "typed", Class: "metal", Host: typed, Port: 6443,
	}))
	e.hasReason(t, team, "typed", names.ReasonEndpointProvided)
	explained := decode[view.Explanation](t, e.vip(t, "explain", "typed", "-n", team, "-o", "json"))
	command := regexp.MustCompile(
		`kubectl patch clusters\.cluster\.x-k8s\.io -n (\S+) (\S+) --type=merge -p '(.+)'`,
	).FindStringSubmatch(strings.Join(explained.Roles[0].Do, "\n"))
	require.NotNil(t, command, explained.Roles[0].Do)
	_, err := e.Clusters(command[1]).Patch(t.Context(), command[2], types.MergePatchType, []byte(command[3]),
		metav1.PatchOptions{})
	require.NoError(t, err)
	e.hasReason(t, team, "typed", names.ReasonIPAddressAssigned)
	require.NotContains(t, []string{"", typed}, e.Cluster(team, "typed").Endpoint().Host)
	require.NoError(t, harness.Delete(t.Context(), e.Clusters(team), "typed"))
	e.await(t, func() error {
		if e.Cluster(team, "typed") != nil {
			return harness.ErrNotYet
		}
		return nil
	})
}

func (e *env) watches(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errOut, named syncBuffer
	ended := make(chan int, 2)
	go func() {
		ended <- kubectlvip.Run(ctx, []string{"list", team + "/first", "-w", "--kubeconfig=" + e.kubeconfig},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: &named, ErrOut: &errOut})
	}()
	go func() {
		ended <- kubectlvip.Run(ctx, []string{"list", "-A", "-w", "--kubeconfig=" + e.kubeconfig},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	}()
	shows := func(pattern ...string) {
		t.Helper()
		e.await(t, func() error {
			for _, line := range strings.Split(out.String(), "\n") {
				fields := strings.Fields(line)
				if len(fields) > 3 && fields[1] == pattern[0] && fields[3] == pattern[1] {
					return nil
				}
			}
			return fmt.Errorf("it does not show %v:\n%s%s", pattern, out.String(), errOut.String())
		})
	}
	shows("first", view.StateReady)
	e.await(t, func() error {
		if !strings.Contains(named.String(), "first") {
			return harness.ErrNotYet
		}
		return nil
	})
	require.NoError(t, e.Create(ctx, harness.NewCluster{Namespace: team, Name: "third", Class: "metal"}))
	shows("third", view.StateReady)
	require.NoError(t, harness.Delete(ctx, e.Clusters(team), "third"))
	shows("third", view.StateGone)
	assert.Equal(t, 1, strings.Count(out.String(), "NAMESPACE"), "the header stands once")
	assert.NotContains(t, named.String(), "third")
	cancel()
	assert.Zero(t, <-ended, "to be told to end is no error")
	assert.Zero(t, <-ended, "to be told to end is no error")
	assert.Empty(t, errOut.String())
}

func (e *env) findsTrouble(t *testing.T) {
	require.NoError(t, e.Create(t.Context(),
		harness.NewClass{Namespace: team, Name: "tiny"}, harness.NewClass{Namespace: team, Name: "twin"},
		harness.NewClass{Namespace: team, Name: "poor"},
		harness.NewPool{Name: "tiny", Class: "tiny", Role: controlPlane, Addresses: []string{"10.0.2.1"}},
		harness.NewPool{Name: "twin", Class: "twin,gone", Role: controlPlane, Addresses: []string{"10.0.0.1-10.0.0.3"}},
		harness.NewCluster{Namespace: team, Name: "tiny-1", Class: "tiny"},
	))
	e.hasReason(t, team, "tiny-1", names.ReasonIPAddressAssigned)
	require.NoError(t, e.Create(t.Context(),
		harness.NewCluster{Namespace: team, Name: "tiny-2", Class: "tiny"},
		harness.NewCluster{Namespace: team, Name: "twin", Class: "twin"},
		harness.NewCluster{Namespace: team, Name: "poor", Class: "poor"},
		harness.NewCluster{Namespace: team, Name: "manual", Class: "metal", Host: "10.0.1.15", Port: 6443},
		harness.NewClaim{
			Namespace: team, Name: "vip-cp-lost", Pool: "web", Labels: map[string]string{names.Role: controlPlane},
		},
		e.leaked(),
	))
	for cluster, reason := range map[string]string{
		"tiny-2": names.ReasonPoolExhausted, "twin": names.ReasonAddressConflict, "poor": names.ReasonPoolNotFound,
		"manual": names.ReasonEndpointProvided,
	} {
		e.hasReason(t, team, cluster, reason)
		explained := decode[view.Explanation](t, e.vip(t, "explain", cluster, "-n", team, "-o", "json"))
		assert.Equal(t, reason, explained.Roles[0].Reason)
		assert.Equal(t, e.Cluster(team, cluster).Condition(controlPlane).Message, explained.Roles[0].Message,
			"the plugin says what the operator says")
		assert.NotEmpty(t, explained.Roles[0].Means)
	}
	answer := e.vip(t, "check", "-o", "json")
	assert.Equal(t, kubectlvip.ExitFound, answer.code)
	found := map[string][]string{}
	for _, finding := range decode[view.Report](t, answer).Findings {
		found[finding.Check] = append(found[finding.Check], finding.Object)
	}
	assert.Contains(t, found["pool-overlap"], "GlobalInClusterIPPool/cp")
	assert.Contains(t, found["duplicate-address"], "10.0.0.1")
	assert.Contains(t, found["cluster"], "Cluster team/tiny-2")
	assert.Contains(t, found["pool-class"], "GlobalInClusterIPPool/twin")
	assert.Contains(t, found["manual-host"], "Cluster team/manual")
	assert.Contains(t, found["orphaned-claim"], "IPAddressClaim team/vip-cp-lost")
	assert.Equal(t, []string{"IPAddress team/leaked"}, found["orphaned-address"])
	assert.Zero(t, e.vip(t, "check", "--fail-on=never").code)

	full := harness.NewCluster{Namespace: team, Name: "tiny-3", Class: "tiny"}
	manifest, err := yaml.Marshal(full.Manifests(e.Version)[0])
	require.NoError(t, err)
	assert.Equal(t, kubectlvip.ExitFound, e.vip(t, "plan", "-f", write(t, string(manifest))).code)
}

// leaked returns an IPAddress whose claim is gone.
func (e *env) leaked() harness.Object {
	return harness.Manifest{Unstructured: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "ipam.cluster.x-k8s.io/" + e.Version, "kind": "IPAddress",
		"metadata": map[string]any{"namespace": team, "name": "leaked"},
		"spec": map[string]any{
			"address": "10.0.1.18", "prefix": int64(24), "claimRef": map[string]any{"name": "leaked"},
			"poolRef": map[string]any{
				"apiGroup": "ipam.cluster.x-k8s.io", "kind": "GlobalInClusterIPPool", "name": "web",
			},
		},
	}}}
}

func (e *env) stopped(t *testing.T) {
	explained := decode[view.Explanation](t, e.vip(t, "explain", "first", "-n", team, "-o", "json"))
	assert.Equal(t, view.OperatorNotRunning, explained.Operator.State)
	assert.Contains(t, explained.Operator.Says, "nobody holds Lease")
	require.NoError(t, harness.Merge(t.Context(), e.Clusters(team), "first", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{names.Annotation(ingress): nil}},
	}))
	text := e.vip(t, "explain", "first", "-n", team).out
	assert.Contains(t, text, "The operator is not running, so this has to wait until it does:")
	assert.Contains(t, text, "restore annotation ingress=10.0.1.10")
}

// grant binds a role with these YAML rules to an account of the namespace, and returns its kubeconfig.
func (e *env) grant(t *testing.T, account, rules string) string {
	t.Helper()
	_, err := plane.ApplyYAML(t.Context(), e.Plane.Config(), fmt.Sprintf(`
{apiVersion: v1, kind: ServiceAccount, metadata: {name: %[1]s, namespace: team}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: %[1]s, namespace: team}, rules: %[2]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{kind: ServiceAccount, name: %[1]s, namespace: team}]
`, account, rules))
	require.NoError(t, err)
	kubeconfig, err := e.Plane.ServiceAccountKubeconfig(t.Context(), team, account)
	require.NoError(t, err)
	return kubeconfig
}

func (e *env) restricted(t *testing.T) {
	kubeconfig := e.grant(t, "reader",
		`[{apiGroups: [cluster.x-k8s.io, ipam.cluster.x-k8s.io], resources: ["*"], verbs: [get, list]}]`)
	explained := decode[view.Explanation](t, vipAs(t, kubeconfig, "explain", "first", "-n", team, "-o", "json"))
	assert.Equal(t, view.OperatorUnknown, explained.Operator.State)
	require.Len(t, explained.Limits, 2)
	assert.Contains(t, strings.Join(explained.Limits, "\n"), "globalinclusterippools cannot be read (Forbidden)")
	assert.Contains(t, strings.Join(explained.Limits, "\n"), "only namespace team could be read")
	list := vipAs(t, kubeconfig, "list", "-n", team)
	assert.Zero(t, list.code)
	assert.Contains(t, list.out, "10.0.0.1")
	assert.Contains(t, list.err, "note: only namespace team could be read")
	assert.Contains(t, vipAs(t, kubeconfig, "check", "-n", team).out, "skipped  access")
}

func (e *env) refused(t *testing.T) {
	kubeconfig := e.grant(t, "nobody", "[]")
	for _, args := range [][]string{{"list", "-A"}, {"explain", "first", "-n", team}, {"check"}, {"pools"}} {
		answer := vipAs(t, kubeconfig, args...)
		assert.Equal(t, kubectlvip.ExitNoCluster, answer.code)
		assert.Contains(t, answer.err, "error: you may not read what is needed: list clusters:")
		assert.Equal(t, 1, strings.Count(answer.err, "\n"))
	}
}

// permissions deploys the operator as the chart does, first with an account that has its roles, then with one that
// has none.
func (e *env) permissions(t *testing.T) {
	deploy := func(account string) view.Report {
		_, err := plane.ApplyYAML(t.Context(), e.Plane.Config(), fmt.Sprintf(`
{apiVersion: v1, kind: ConfigMap, metadata: {name: options, namespace: %[1]s}, data: {config.yaml: "defaultPort: 8443"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: %[1]s, labels: {cluster.x-k8s.io/provider: addon-capi-vip-allocator}}
spec:
  replicas: 2
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      serviceAccountName: %[2]s
      containers:
      - name: manager
        image: example.com/capi-vip-allocator:v0.1.0
        args: [--config=/etc/vip/config.yaml]
        volumeMounts: [{name: options, mountPath: /etc/vip}]
      volumes: [{name: options, configMap: {name: options}}]
`, harness.Namespace, account))
		require.NoError(t, err)
		return decode[view.Report](t, e.vip(t, "check", "-o", "json"))
	}
	of := func(report view.Report, check string) string {
		for _, finding := range report.Findings {
			if finding.Check == check {
				return string(finding.Severity) + " " + finding.Message
			}
		}
		return ""
	}
	report := deploy("capi-vip-allocator")
	assert.Empty(t, of(report, "rbac"), "the account has the roles of the chart")
	assert.Contains(t, report.Passed, "rbac")
	assert.Contains(t, of(report, "operator"),
		"error Deployment capi-vip-allocator-system/manager has none of 2 replicas ready")
	assert.Equal(t, "v0.1.0", report.Operator.Version)
	manifest, err := yaml.Marshal(
		harness.NewCluster{Namespace: team, Name: "next", Class: "metal"}.Manifests(e.Version)[0],
	)
	require.NoError(t, err)
	assert.Contains(t, e.vip(t, "plan", "-f", write(t, string(manifest))).out, ":8443: claim vip-cp-next is bound",
		"the port is that of the operator's config file")

	_, err = plane.ApplyYAML(t.Context(), e.Plane.Config(), `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: capi-vip-allocator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: capi-vip-allocator}
subjects: []
`)
	require.NoError(t, err)
	e.await(t, func() error { // the API server's authorizer learns of it through a watch
		if found := of(decode[view.Report](t, e.vip(t, "check", "-o", "json")), "rbac"); !strings.Contains(found,
			"may not list clusters.cluster.x-k8s.io") {
			return fmt.Errorf("rbac: %q", found)
		}
		return nil
	})
}

// wroteNothing checks in the audit log that the plugin only reads, and asks who may do what.
func (e *env) wroteNothing(t *testing.T, since plane.Mark) {
	entries, err := e.Plane.Audit().Since(t.Context(), since)
	require.NoError(t, err)
	own := entries.Filter(func(entry plane.Entry) bool { return strings.HasPrefix(entry.UserAgent, "kubectl-vip/") })
	require.NotEmpty(t, own)
	for _, entry := range own {
		reads := slices.Contains([]string{"get", "list", "watch"}, entry.Verb)
		assert.True(t, reads || entry.Resource == "subjectaccessreviews", "%s %s", entry.Verb, entry.URI)
	}
}
