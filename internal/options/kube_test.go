package options

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me, namespace: from-kubeconfig}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: me, user: {token: secret}}]
`

func TestLeaseNamespace(t *testing.T) {
	kube := writeFile(t, "kubeconfig", kubeconfig)
	podFile := writeFile(t, "namespace", "from-pod\n")
	absent := filepath.Join(t.TempDir(), "absent")
	tests := map[string]struct {
		env  LookupEnv
		args []string
		file string
		want string
	}{
		"if POD_NAMESPACE is set, should be it even with a kubeconfig": {
			inPod(), []string{"--kubeconfig=" + kube}, podFile, "vip-system",
		},
		"if there is a kubeconfig, should be its context's": {
			env(), []string{"--kubeconfig=" + kube}, podFile, "from-kubeconfig",
		},
		"if $KUBECONFIG is set, should be its context's": {
			env("KUBECONFIG", kube), nil, podFile, "from-kubeconfig",
		},
		"if it runs in a pod, should be the service account's": {env(), nil, podFile, "from-pod"},
		"if nothing says, should be left to Validate":          {env("KUBECONFIG", ""), nil, absent, ""},
		"if leader election is off, should not be looked for": {
			inPod(), []string{"--leader-elect=false"}, podFile, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := given(t, env("POD_NAMESPACE", ""), test.args...)
			require.NoError(t, err)
			o.LeaderElection.Namespace, o.namespaceFile = "", test.file
			require.NoError(t, o.Complete(test.env))
			assert.Equal(t, test.want, o.LeaderElection.Namespace)
			if test.want == "" && o.LeaderElection.Enabled {
				assert.ErrorContains(t, o.Validate(), "--leader-election-namespace")
			}
		})
	}
}

func TestRESTConfig(t *testing.T) {
	t.Run("if there is a kubeconfig, should use it with the limits of the options", func(t *testing.T) {
		o, err := given(t, env(), "--kubeconfig="+writeFile(t, "kubeconfig", kubeconfig), "--kube-api-qps=7",
			"--kube-api-burst=8")
		require.NoError(t, err)
		config, err := o.RESTConfig(rest.NoWarnings{})
		require.NoError(t, err)
		assert.Equal(t, "https://127.0.0.1:6443", config.Host)
		assert.InDelta(t, 7, config.QPS, 0)
		assert.Equal(t, 8, config.Burst)
		assert.True(t, strings.HasPrefix(config.UserAgent, "capi-vip-allocator/"))
		assert.True(t, config.DisableCompression)
	})
	t.Run("if the kubeconfig is absent, should name it and the flag", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "absent")
		o, err := given(t, inPod(), "--kubeconfig="+path)
		require.NoError(t, err)
		_, err = o.RESTConfig(rest.NoWarnings{})
		require.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, "--kubeconfig")
	})
	t.Run("if nothing says which cluster, should say what to do", func(t *testing.T) {
		t.Setenv("KUBERNETES_SERVICE_HOST", "")
		o, err := given(t, inPod())
		require.NoError(t, err)
		_, err = o.RESTConfig(rest.NoWarnings{})
		require.ErrorIs(t, err, ErrNoCluster)
		assert.ErrorContains(t, err, "--kubeconfig=FILE")
	})
}
