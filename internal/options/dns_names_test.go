package options_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/options"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// No other Cluster gets a Cluster's DNS name, or one below its wildcard.
func TestDefaultDNSNamesAreUnique(t *testing.T) {
	settings := vip.DNSSettings{BaseDomain: "example.com", Names: options.DefaultDNSNames()}
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.SampledFrom([]string{"api", "prod", "www", "a-b", "example"})
		cluster := rapid.OneOf(label, rapid.Map(rapid.SliceOfN(label, 2, 3), func(l []string) string {
			return strings.Join(l, ".")
		}))
		one := &vip.Cluster{Namespace: label.Draw(t, "namespace"), Name: cluster.Draw(t, "name")}
		elsewhere := func(name string) bool { return name != one.Name }
		other := &vip.Cluster{Namespace: label.Draw(t, "other namespace"), Name: cluster.Draw(t, "other name")}
		if one.Namespace == other.Namespace {
			other.Name = cluster.Filter(elsewhere).Draw(t, "another name")
		}
		for role := range settings.Names {
			for otherRole := range settings.Names {
				name, _ := settings.Name(role, one)
				second, _ := settings.Name(otherRole, other)
				if name == "" || second == "" {
					continue
				}
				require.NotEqual(t, name, second)
				if below, ok := strings.CutPrefix(name, "*"); ok {
					require.False(t, strings.HasSuffix(second, below), "%s is below %s", second, name)
				}
			}
		}
	})
}
