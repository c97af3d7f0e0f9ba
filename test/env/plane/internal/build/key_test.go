package build

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequiredVersion(t *testing.T) {
	const block = "module x\n\nrequire (\n\tk8s.io/kubernetes v1.37.2\n\tk8s.io/kubernetes-csi v0.1.0 // indirect\n)\n"
	for name, test := range map[string]struct {
		mod, want string
	}{
		"if the module is in a block, should give its version": {block, "v1.37.2"},
		"if the module stands alone, should give its version":  {"require k8s.io/kubernetes v1.2.3\n", "v1.2.3"},
		"if only a replacement names the module, should find none": {
			"replace k8s.io/kubernetes => ../k v1.0.0\n", "",
		},
		"if only a longer path begins like it, should find none": {"require k8s.io/kubernetes-csi v0.1.0\n", ""},
		"if nothing is required, should find none and say so":    {"module x\n", ""},
		"if the requirement is indirect, should give its version": {
			"require (\n\tk8s.io/kubernetes v1.9.0 // indirect\n)\n", "v1.9.0",
		},
		"if another module comes first, should give the right one's": {
			"require (\n\ta v0.1.0\n\tk8s.io/kubernetes v1.8.0\n)\n", "v1.8.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			version, err := requiredVersion(test.mod, "k8s.io/kubernetes")
			if test.want == "" {
				require.ErrorContains(t, err, "does not require")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, version)
		})
	}
}

func TestLdflags(t *testing.T) {
	flags, err := ldflags("p/version", "v1.37.2")
	require.NoError(t, err)
	require.Equal(t, "-s -w -X p/version.gitVersion=v1.37.2 -X p/version.gitMajor=1 -X p/version.gitMinor=37", flags)
	_, err = ldflags("p/version", "v1.37")
	require.ErrorContains(t, err, "vX.Y.Z")
}

func TestDigest(t *testing.T) {
	require.Len(t, digest("a"), 16)
	require.NotEqual(t, digest("a", "b"), digest("ab"))
	require.NotEqual(t, digest("a", "b"), digest("b", "a"))
}
