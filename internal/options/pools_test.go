package options

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

func TestPoolKinds(t *testing.T) {
	example := schema.GroupVersionKind{Group: "ipam.example.com", Version: "v1", Kind: "ExamplePool"}
	other := schema.GroupVersionKind{Group: "infoblox.example.com", Version: "v1alpha1", Kind: "InfobloxIPPool"}
	for name, test := range map[string]struct {
		args   []string
		config string
		want   []schema.GroupVersionKind
		refuse string
	}{
		"if nothing is said, should be none": {},
		"if the flag lists kinds, should take them": {
			args: []string{
				"--pool-kinds=ipam.example.com/v1/ExamplePool, infoblox.example.com/v1alpha1/InfobloxIPPool",
			},
			want: []schema.GroupVersionKind{example, other},
		},
		"if the config file lists kinds, should take them": {
			config: "poolKinds:\n- apiVersion: ipam.example.com/v1\n  kind: ExamplePool\n",
			want:   []schema.GroupVersionKind{example},
		},
		"if both do, should take the flag": {
			args:   []string{"--pool-kinds=ipam.example.com/v1/ExamplePool"},
			config: "poolKinds:\n- {apiVersion: infoblox.example.com/v1alpha1, kind: InfobloxIPPool}\n",
			want:   []schema.GroupVersionKind{example},
		},
		"if an entry of the flag has no version, should refuse it": {
			args: []string{"--pool-kinds=ipam.example.com/ExamplePool"}, refuse: "--pool-kinds",
		},
		"if a kind is named twice, should refuse it": {
			args: []string{"--pool-kinds=a.b/v1/K,a.b/v1/K"}, refuse: "each kind once",
		},
		"if a kind is named in two versions, should refuse it": {
			args: []string{"--pool-kinds=a.b/v1/K,a.b/v2/K"}, refuse: "each kind once",
		},
		"if it is one of the in-cluster provider, should refuse it": {
			args: []string{"--pool-kinds=" + capi.IPAMGroup + "/v1alpha2/" + capi.KindPool}, refuse: "always in use",
		},
		"if the file names one of the in-cluster provider, should refuse it": {
			config: "poolKinds:\n- {apiVersion: " + capi.IPAMGroup + "/v1alpha1, kind: " + capi.KindGlobalPool + "}\n",
			refuse: "always in use",
		},
		"if an entry of the file has no kind, should refuse it": {
			config: "poolKinds:\n- apiVersion: ipam.example.com/v1\n", refuse: "poolKinds in",
		},
		"if an entry of the file has more, should refuse it": {
			config: "poolKinds:\n- {apiVersion: a.b/v1, kind: K, name: x}\n", refuse: "poolKinds in",
		},
		"if the file gives text, should refuse it": {
			config: "poolKinds: ipam.example.com/v1/ExamplePool\n", refuse: "poolKinds in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--leader-elect=false"}, test.args...)
			if test.config != "" {
				file := filepath.Join(t.TempDir(), "config.yaml")
				require.NoError(t, os.WriteFile(file, []byte(test.config), 0o600))
				args = append(args, "--config="+file)
			}
			options, err := given(t, func(string) (string, bool) { return "", false }, args...)
			require.NoError(t, err)
			if test.refuse != "" {
				require.ErrorContains(t, options.Validate(), test.refuse)
				return
			}
			require.NoError(t, options.Validate())
			assert.Equal(t, test.want, options.PoolKinds)
		})
	}
}
