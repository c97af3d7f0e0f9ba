package kubectlvip

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
)

func TestKubectlPrefix(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
		err  string
	}{
		"if there are no flags, should call kubectl": {nil, "kubectl", ""},
		"if a cluster is chosen, should choose it too": {
			[]string{"--context=prod", "--kubeconfig=/a/b"}, "kubectl --context=prod --kubeconfig=/a/b", "",
		},
		"if someone is impersonated, should do so too": {
			[]string{"--as=a", "--as-group=b", "--as-group=c"}, "kubectl --as=a --as-group=b --as-group=c", "",
		},
		"if a namespace is given, should leave it to each command": {[]string{"-n", "team"}, "kubectl", ""},
		"if a name has others than plain letters, should quote it": {
			[]string{"--context=admin's $(x) one"}, `kubectl '--context=admin'\''s $(x) one'`, "",
		},
		"if a token is given, should not print it and refuse": {
			[]string{"--token=secret"}, "", "--token would be printed",
		},
		"if a password would be printed, should refuse it likewise": {
			[]string{"--username=u", "--password=secret"}, "", "would be printed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			config := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag()
			config.AddFlags(flags)
			require.NoError(t, flags.Parse(test.args))
			got, err := kubectlPrefix(flags)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				assert.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

// A shell reads quoted words back unchanged.
func TestQuoted(t *testing.T) {
	for _, word := range []string{"a", "--context=a@b", "a b", "it's", "$(id)", "`id`", `"\`, "*", "", "a;b", "#"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quoted(word)).Output()
		require.NoError(t, err)
		assert.Equal(t, word, string(out))
	}
}

func TestRetireCommands(t *testing.T) {
	commands := retireCommands(&view.Retirement{Role: "storage", Clusters: []view.Retired{
		{Namespace: "x", Name: "a", Claim: "vip-storage-a", Annotation: names.Annotation("storage")},
		{Namespace: "y", Name: "b", Claim: "vip-storage-b"},
		{Namespace: "y", Name: "c", Annotation: names.Annotation("storage")},
	}}, "kubectl")
	assert.Equal(t, []string{
		"kubectl annotate --overwrite -n x ipaddressclaims.ipam.cluster.x-k8s.io vip-storage-a " +
			"vip.capi.gorizond.io/allow-deletion=retired",
		"kubectl delete --wait=false -n x ipaddressclaims.ipam.cluster.x-k8s.io vip-storage-a",
		"kubectl annotate --overwrite -n y ipaddressclaims.ipam.cluster.x-k8s.io vip-storage-b " +
			"vip.capi.gorizond.io/allow-deletion=retired",
		"kubectl delete --wait=false -n y ipaddressclaims.ipam.cluster.x-k8s.io vip-storage-b",
		"kubectl annotate -n x clusters.cluster.x-k8s.io a vip.capi.gorizond.io/storage-",
		"kubectl annotate -n y clusters.cluster.x-k8s.io c vip.capi.gorizond.io/storage-",
	}, commands)
}

func TestRetireRefuses(t *testing.T) {
	for role, want := range map[string]string{
		names.RoleControlPlane: "cannot be taken out of service", "a;b": "is not a lower-case DNS label",
		"release": "reserved",
	} {
		_, stderr, code := run(t, "", "retire", role, "--server=https://127.0.0.1:1")
		assert.Equal(t, ExitBadInput, code)
		assert.Contains(t, stderr, want)
		assert.Equal(t, 1, strings.Count(stderr, "\n"))
	}
	_, stderr, code := run(t, "", "retire", "storage", "--server=https://127.0.0.1:1", "--token=secret")
	assert.Equal(t, ExitBadInput, code)
	assert.NotContains(t, stderr, "secret")
}
