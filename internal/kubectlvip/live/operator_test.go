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
	"k8s.io/client-go/kubernetes/fake"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// deploymentOf is the operator's Deployment with an image, and another container beside it.
func deploymentOf(image string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "system", Name: "manager", Labels: map[string]string{"app.kubernetes.io/version": "v9"},
		},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{
				{Name: "sidecar", Image: "example.com/sidecar:v7"}, {Name: "manager", Image: image},
			},
		}}},
	}
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

// Operators that divide the Clusters between them are no mistake.
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
		// responsible is the namespace of the operator for a Cluster labelled blue in the namespace b.
		responsible string
	}{
		"if there is none, should know nothing of it": {nil, nil, ""},
		"if each has its namespace, should ask the one whose it is": {
			[]runtime.Object{installed("system-a", "--namespace=a"), installed("system-b", "--namespace=b")},
			nil, "system-b",
		},
		"if each has its filter, should ask the one whose it is": {
			[]runtime.Object{installed("system-a", "--watch-filter=red"), installed("system-b", "--watch-filter=blue")},
			nil, "system-b",
		},
		"if one looks at all, should say that they meet": {
			[]runtime.Object{installed("system-a"), installed("system-b", "--namespace=b")},
			[]string{"system-b/manager"},
			"system-a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reader{core: fake.NewClientset(test.deployments...), now: time.Now}
			operators, _ := r.findOperators(t.Context())
			require.Len(t, operators, max(len(test.deployments), 1))
			assert.Equal(t, test.others, operators[0].Others)
			w := &World{Operators: operators}
			cluster := &capi.Cluster{
				ObjectMeta: metav1.ObjectMeta{Namespace: "b", Labels: map[string]string{names.WatchFilter: "blue"}},
			}
			assert.Equal(t, test.responsible, w.OperatorFor(cluster).Namespace)
		})
	}
}

// The in-cluster pages are no operator, and may look into one namespace only.
func TestOperatorInOneNamespace(t *testing.T) {
	installed := func(namespace, name string) *appsv1.Deployment {
		d := deploymentOf("example.com/operator:v1")
		d.Namespace, d.Name, d.Labels["cluster.x-k8s.io/provider"] = namespace, name, "addon-capi-vip-allocator"
		return d
	}
	pages := installed("system-a", "pages")
	pages.Labels["app.kubernetes.io/component"] = "ui"
	client := fake.NewClientset(pages, installed("system-a", "manager"), installed("system-b", "manager"))
	r := &Reader{core: client, now: time.Now}
	r.LookForOperatorIn("system-a")
	operators, _ := r.findOperators(t.Context())
	require.Len(t, operators, 1)
	assert.Equal(t, "system-a/manager", operators[0].Namespace+"/"+operators[0].Deployment)
	for _, action := range client.Actions() {
		assert.Equal(t, "system-a", action.GetNamespace(), action.GetVerb()+" "+action.GetResource().Resource)
	}
}
