package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// deploymentOf is the operator with an image, beside another container.
func deploymentOf(image string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "manager", Labels: map[string]string{"app.kubernetes.io/version": "v9"}},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "sidecar", Image: "example.com/sidecar:v7"}, {Name: "manager", Image: image}},
		}}},
	}
}

func TestOptions(t *testing.T) {
	kind := func(version string) []schema.GroupVersionKind {
		return []schema.GroupVersionKind{{Group: "ipam.example.com", Version: version, Kind: "ExamplePool"}}
	}
	defaults := func(change ...func(*setup)) setup {
		o := setup{port: vip.DefaultPort, elects: true, lease: options.DefaultLeaderElectionID}
		for _, c := range change {
			c(&o)
		}
		return o
	}
	for name, test := range map[string]struct {
		args []string
		file string
		want setup
	}{
		"if nothing is set, should be the defaults of the operator": {nil, "", defaults()},
		"if flags are set that matter nothing, should pass them over": {
			[]string{"--log-level=debug", "--machine-concurrency=3", "--v=4", "--default-port=8443", "--insecure-diagnostics"},
			"",
			defaults(func(o *setup) { o.port, o.portGiven = 8443, true }),
		},
		"if flags restrict it, should know": {
			[]string{"--watch-filter=blue", "--namespace=team", "--leader-elect=false"},
			"",
			defaults(func(o *setup) { o.watchFilter, o.namespace, o.elects = "blue", "team", false }),
		},
		"if the Lease has a namespace, should look there": {
			[]string{"--leader-election-id=leases/mine"}, "", defaults(func(o *setup) { o.lease, o.leaseNamespace = "mine", "leases" }),
		},
		"if there is a config file, should read it": {
			nil, "defaultPort: 7443\npoolKinds: [{apiVersion: ipam.example.com/v1, kind: ExamplePool}]\nretryInterval: 10s\n",
			defaults(func(o *setup) { o.port, o.kinds = 7443, kind("v1") }),
		},
		"if flags and file differ, should go by the flags": {
			[]string{"--default-port=8443", "--pool-kinds=ipam.example.com/v2/ExamplePool"},
			"defaultPort: 7443\npoolKinds: [{apiVersion: ipam.example.com/v1, kind: ExamplePool}]\n",
			defaults(func(o *setup) { o.port, o.portGiven, o.kinds, o.kindsGiven = 8443, true, kind("v2"), true }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseArgs(test.args)
			require.NoError(t, err)
			require.NoError(t, got.merge([]byte(test.file)))
			assert.Equal(t, test.want, got)
		})
	}
	_, err := parseArgs([]string{"--default-port=x"})
	require.Error(t, err)
	require.Error(t, (&setup{}).merge([]byte("defaultPort: [")))
	require.Error(t, (&setup{}).merge([]byte("poolKinds: [{apiVersion: a/b/c, kind: X}]")))
}

func TestVersionOf(t *testing.T) {
	for image, want := range map[string]string{
		"ghcr.io/gorizond/capi-vip-allocator:v0.1.0":               "v0.1.0",
		"registry:5000/capi-vip-allocator:v0.1.0@sha256:abc":       "v0.1.0",
		"registry:5000/capi-vip-allocator":                         "v9",
		"ghcr.io/gorizond/capi-vip-allocator@sha256:0123456789abc": "v9",
	} {
		assert.Equal(t, want, versionOf(deploymentOf(image)), image)
	}
}

// Operators that share the Clusters between them are no mistake.
func TestSeveralOperators(t *testing.T) {
	installed := func(namespace string, args ...string) *appsv1.Deployment {
		d := deploymentOf("example.com/operator:v1")
		d.Namespace, d.Labels["cluster.x-k8s.io/provider"] = namespace, "addon-capi-vip-allocator"
		d.Spec.Template.Spec.Containers[1].Args = args
		return d
	}
	for name, test := range map[string]struct {
		deployments []runtime.Object
		others      []string
		// responsible is the namespace of the operator for a Cluster with the label blue in the namespace b.
		responsible string
	}{
		"if there is none, should know nothing of it": {nil, nil, ""},
		"if each has its namespace, should ask the one whose it is": {
			[]runtime.Object{installed("system-a", "--namespace=a"), installed("system-b", "--namespace=b")}, nil, "system-b",
		},
		"if each has its filter, should ask the one whose it is": {
			[]runtime.Object{installed("system-a", "--watch-filter=red"), installed("system-b", "--watch-filter=blue")}, nil, "system-b",
		},
		"if one looks at all, should say that they meet": {
			[]runtime.Object{installed("system-a"), installed("system-b", "--namespace=b")}, []string{"system-b/manager"}, "system-a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reader{core: fake.NewClientset(test.deployments...), now: time.Now}
			operators, _ := r.findOperators(t.Context())
			require.Len(t, operators, max(len(test.deployments), 1))
			assert.Equal(t, test.others, operators[0].Others)
			w := &World{Operators: operators}
			cluster := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Labels: map[string]string{names.WatchFilter: "blue"}}}
			assert.Equal(t, test.responsible, w.OperatorFor(cluster).Namespace)
		})
	}
}
