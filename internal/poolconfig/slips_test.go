package poolconfig_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// slipped returns a pool for role ingress of class metal with one more label and annotation; an empty key adds none.
func slipped(label, annotation, value string) *capi.Pool {
	labels := map[string]string{names.ClusterClass: "metal", names.Role: names.RoleIngress}
	annotations := map[string]string{}
	if label != "" {
		labels[label] = value
	}
	if annotation != "" {
		annotations[annotation] = value
	}
	return pool(labels, annotations)
}

func TestKeysThatMeanNothing(t *testing.T) {
	for name, test := range map[string]struct {
		label, annotation string
		// says are words in the problem.
		says []string
	}{
		"if the annotation is misspelled, should name the key and what was meant": {
			"", names.Domain + "/namespace", []string{names.Domain + "/namespace: ", "did you mean namespaces?"},
		},
		"if an annotation is there as a label, should say so": {
			names.Namespaces, "", []string{names.Namespaces, "read as an annotation, and stands there as a label"},
		},
		"if a priority is there as a label, should say so": {
			names.Priority, "", []string{names.Priority, "annotation"},
		},
		"if a label is misspelled, should say what was meant": {
			names.Domain + "/roles", "", []string{"/roles", "no such label", "did you mean role?"},
		},
		"if the key is far from any, should name it": {
			"", names.Domain + "/tenants", []string{"/tenants", "there is no such annotation"},
		},
		"if the key is one for Clusters, should name it": {
			"", names.TopologyGate, []string{names.TopologyGate},
		},
		"if the domain is misspelled, should name the key": {
			"", "vip.capi.gorizond.oi/namespaces",
			[]string{"vip.capi.gorizond.oi/namespaces", "did you mean namespaces?"},
		},
		"if the slash is missing, should name the key": {
			"", names.Domain + ".namespaces", []string{names.Domain + ".namespaces"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			view := slipped(test.label, test.annotation, "tenant")
			for range 2 { // as read, and as cached
				got := view.Snapshot(time.Time{})
				assert.True(t, got.Closed)
				require.Len(t, got.Problems, 1)
				for _, word := range test.says {
					assert.Contains(t, got.Problems[0], word)
				}
				assert.Equal(t, []vip.Class{{Name: "metal"}}, got.Classes,
					"the Clusters that it serves are those still")
				assert.Equal(t, []string{names.RoleIngress}, got.Roles)
				_, err := capi.Trim(view)
				require.NoError(t, err)
			}
		})
	}
	got := slipped("team", "example.com/namespaces", "x").Snapshot(time.Time{})
	assert.False(t, got.Closed, "the keys of others are theirs")
	assert.Empty(t, got.Problems)
}

// A pool with its restriction under a misspelled key is for nobody knows whom, like one with a misspelled
// restriction.
func TestSlipsInTheKeysOfClustersAndVariables(t *testing.T) {
	for key, unread := range map[string]bool{
		names.Domain + "/cluster": true, names.Domain + "/Clusters": true, names.Domain + "/variable": true,
		names.Domain + "/variable-s":     true,
		"vip.capi.gorizond.oi/variables": true, names.Domain + "/namespace": false, names.Domain + "/tenants": false,
	} {
		got := slipped("", key, "tenant/prod").Snapshot(time.Time{})
		assert.True(t, got.Closed, key)
		assert.Equal(t, unread, got.Unread, key)
	}
	for _, key := range []string{names.Clusters, names.Variables} {
		assert.True(t, slipped(key, "", "prod").Snapshot(time.Time{}).Unread, "%s as a label", key)
	}
	local := slipped("", names.Domain+"/cluster", "tenant/prod").Snapshot(time.Time{})
	local.Namespace = "tenant"
	global := slipped("", names.Variables, "network=vlan-7").Snapshot(time.Time{})
	cluster := vip.Cluster{
		Namespace: "tenant", Name: "prod", Class: vip.Class{Name: "metal"},
		Variables: map[string][]byte{"network": []byte(`"vlan-7"`)},
	}
	assert.Nil(t, vip.Choose(&cluster, []vip.Pool{local, global}, names.RoleIngress).Pool,
		"its own pool may name it, and comes first")
}

// Whatever letter of the restriction's key is wrong, the pool is not open.
func TestNoSlipInTheKeyOpensThePool(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._/"
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{names.Namespaces, names.Priority, names.HostVariable}).Draw(t, "key")
		at := rapid.IntRange(0, len(key)-1).Draw(t, "at")
		letter := string(alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(t, "letter")])
		wrong := rapid.SampledFrom([]string{
			key[:at] + key[at+1:],                // left out
			key[:at] + letter + key[at:],         // one too many
			key[:at] + letter + key[at+1:],       // another
			key[:at] + strings.ToUpper(key[at:]), // upper case
		}).Draw(t, "wrong")
		if wrong == key || len(validation.IsQualifiedName(wrong)) > 0 { // the API server accepts no such key
			return
		}
		require.True(t, slipped("", wrong, "tenant").Snapshot(time.Time{}).Closed, "as an annotation: %s", wrong)
		require.True(t, slipped(wrong, "", "tenant").Snapshot(time.Time{}).Closed, "as a label: %s", wrong)
	})
}

func TestNamespacesOnAPoolOfANamespace(t *testing.T) {
	for list, closed := range map[string]bool{
		"tenant": false, "tenant,other": false, "other": true, "": true, "Tenant": true,
	} {
		view := slipped("", names.Namespaces, list)
		view.Namespace = "tenant"
		got := view.Snapshot(time.Time{})
		assert.Equal(t, closed, got.Closed, list)
		assert.Equal(t, list == "tenant", len(got.Problems) == 0, "%s: %v", list, got.Problems)
	}
}

// many returns a list of n entries.
func many(n int) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf("n%d", i)
	}
	return strings.Join(entries, ",")
}

func TestBoundsOfOnePool(t *testing.T) {
	see := map[string]string{names.ClusterClass: names.SeeAnnotation, names.Role: names.SeeAnnotation}
	read := func(annotations map[string]string) vip.Pool {
		view := pool(maps.Clone(see), annotations)
		_, err := capi.Trim(view)
		require.NoError(t, err)
		return view.Snapshot(time.Time{})
	}
	t.Run("if the lists are as long as may be, should read all", func(t *testing.T) {
		got := read(map[string]string{
			names.ClusterClass: many(poolconfig.MaxPoolClasses), names.Role: many(poolconfig.MaxPoolRoles),
			names.Namespaces: many(poolconfig.MaxPoolNamespaces),
		})
		assert.Equal(t, []int{poolconfig.MaxPoolClasses, poolconfig.MaxPoolRoles, poolconfig.MaxPoolNamespaces},
			[]int{len(got.Classes), len(got.Roles), len(got.Namespaces)})
		assert.Empty(t, got.Problems)
	})
	t.Run("if there is one more, should leave it out and say so", func(t *testing.T) {
		got := read(map[string]string{
			names.ClusterClass: many(poolconfig.MaxPoolClasses + 1), names.Role: many(poolconfig.MaxPoolRoles + 1),
			names.Namespaces: many(poolconfig.MaxPoolNamespaces + 1),
		})
		assert.Equal(t, []int{poolconfig.MaxPoolClasses, poolconfig.MaxPoolRoles, poolconfig.MaxPoolNamespaces},
			[]int{len(got.Classes), len(got.Roles), len(got.Namespaces)})
		assert.Len(t, got.Problems, 3)
		assert.False(t, got.Closed, "it serves less than was meant, and nobody else")
	})
	for _, key := range []string{names.ClusterClass, names.Role, names.Namespaces, names.Priority, names.HostVariable} {
		t.Run("if there are too many bytes in "+key+", should read none and close", func(t *testing.T) {
			annotations := map[string]string{names.ClusterClass: "metal", names.Role: names.RoleIngress}
			annotations[key] = strings.Repeat(" ", poolconfig.MaxPoolAnnotation) + "a"
			if key == names.Priority || key == names.HostVariable {
				annotations[key] = strings.Repeat("a", poolconfig.MaxPoolAnnotation+1)
			}
			got := read(annotations)
			assert.True(t, got.Closed)
			require.Len(t, got.Problems, 1)
			assert.Contains(t, got.Problems[0], key)
		})
	}
	t.Run("if there are thousands of keys, should keep and tell a few", func(t *testing.T) {
		annotations := map[string]string{names.ClusterClass: "metal", names.Role: names.RoleIngress}
		for i := range 4000 {
			annotations[fmt.Sprintf("%s/key-%d", names.Domain, i)] = strings.Repeat("x", 64)
		}
		view := pool(maps.Clone(see), annotations)
		before := view.Snapshot(time.Time{})
		_, err := capi.Trim(view)
		require.NoError(t, err)
		assert.Equal(t, before, view.Snapshot(time.Time{}))
		assert.Less(t, len(view.Annotations), 12)
		assert.Equal(t, "and more", before.Problems[len(before.Problems)-1])
	})
}

// The longest list that is read costs no more than its bytes do, whatever is in it.
func BenchmarkPoolConfig(b *testing.B) {
	for name, list := range map[string]string{
		"roles": many(16000), "same": strings.Repeat("a,", 16000), "wrong": strings.Repeat("A,", 16000),
		"empty": strings.Repeat(",", 32000),
	} {
		b.Run(name, func(b *testing.B) {
			view := pool(map[string]string{names.ClusterClass: names.SeeAnnotation, names.Role: names.SeeAnnotation},
				map[string]string{
					names.ClusterClass: list[:min(len(list), poolconfig.MaxPoolAnnotation)], names.Role: list,
					names.Namespaces: list,
				})
			for b.Loop() {
				view.Snapshot(time.Time{})
			}
		})
	}
}

func TestClassKeysAreBounded(t *testing.T) {
	view := pool(map[string]string{names.ClusterClass: names.SeeAnnotation}, map[string]string{
		names.ClusterClass: many(poolconfig.MaxPoolClasses * 2),
	})
	keys := view.ClassKeys()
	assert.Len(t, keys, poolconfig.MaxPoolClasses)
	assert.True(t, slices.Contains(keys, "n0"))
}
