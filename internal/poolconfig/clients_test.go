package poolconfig_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/poolconfig"
)

// numbered returns a list of entries of a format, counted from zero.
func numbered(format string, n int) string {
	var entries []string
	for i := range n {
		entries = append(entries, fmt.Sprintf(format, i))
	}
	return strings.Join(entries, ",")
}

func TestPoolClusters(t *testing.T) {
	for name, test := range map[string]struct {
		namespace, text string
		want            []string
		// says are words in the problem; empty if all is right.
		says []string
		open bool
	}{
		"if Clusters are named, should serve those": {
			text: "team-a/berlin, team-b/*,", want: []string{"team-a/berlin", "team-b/*"}, open: true,
		},
		"if a Cluster is named twice, should take it once": {text: "a/b,a/b", want: []string{"a/b"}, open: true},
		"if a name has dots, should take it": {
			text: "a/b.example.com", want: []string{"a/b.example.com"}, open: true,
		},
		"if the pool's own namespace is named, should do": {
			namespace: "a", text: "a/b,a/*", want: []string{"a/b", "a/*"}, open: true,
		},
		"if other namespaces are named too, should say so": {
			namespace: "a", text: "a/b,c/d", want: []string{"a/b"}, says: []string{"remove the others"}, open: true,
		},
		"if only other namespaces are named, should close": {
			namespace: "a", text: "c/d", says: []string{"a is not named", "add a/*"},
		},
		"if nothing is named, should close": {
			text: " ,", says: []string{"names no Cluster", "remove the annotation"},
		},
		"if the namespace is missing, should close": {
			text: "a/b,berlin", says: []string{`"berlin" is no Cluster`, "write namespace/name"},
		},
		"if the namespace is any, should close": {
			text: "*/berlin", says: []string{`"*/berlin"`, "write namespace/name"},
		},
		"if all is any, should close":                {text: "*", says: []string{`"*" is no Cluster`}},
		"if the name is a pattern, should close":     {text: "a/b*", says: []string{`"a/b*"`}},
		"if there is a slash too many, should close": {text: "a/b/c", says: []string{`"a/b/c"`}},
		"if the separator is wrong, should close":    {text: "a/b;a/c", says: []string{`"a/b;a/c"`}},
		"if it is in upper case, should close":       {text: "a/Berlin", says: []string{`"a/Berlin"`}},
		"if an entry is long, should still say the remedy": {
			text: strings.Repeat("x", 5000), says: []string{"write namespace/name"},
		},
		"if there are as many as are read, should take them": {
			text: numbered("a/b%d", poolconfig.MaxPoolClusters),
			want: strings.Split(numbered("a/b%d", poolconfig.MaxPoolClusters), ","), open: true,
		},
		"if there are more than are read, should close": {
			text: numbered("a/b%d", poolconfig.MaxPoolClusters+1),
			says: []string{"more than the 256 entries", "use a second pool"},
		},
		"if it is longer than is read, should close": {
			text: strings.Repeat("a/b,", poolconfig.MaxPoolAnnotation/4) + "c", says: []string{"longer than"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			view := pool(map[string]string{names.ClusterClass: "metal", names.Role: "ingress"}, map[string]string{
				names.Clusters: test.text,
			})
			view.Namespace = test.namespace
			for range 2 { // as read, and as cached
				got := view.Snapshot(time.Time{})
				var clusters []string
				for _, cluster := range got.Clusters {
					clusters = append(clusters, cluster.String())
				}
				assert.Equal(t, test.want, clusters)
				assert.Equal(t, test.open, !got.Closed)
				assert.Equal(t, test.open, !got.Unread)
				said := strings.Join(got.Problems, "; ")
				assert.Equal(t, len(test.says) == 0, said == "", said)
				for _, words := range append(test.says, names.Clusters+": ") {
					assert.True(t, said == "" || strings.Contains(said, words), "%s in %s", words, said)
				}
				_, err := capi.Trim(view)
				require.NoError(t, err)
			}
		})
	}
}

func TestPoolSelectors(t *testing.T) {
	long := strings.Repeat("x", 253)
	for name, test := range map[string]struct {
		text string
		want []string
		// says are words in the problem; empty if all is right.
		says []string
	}{
		"if values are asked for, should ask": {
			text: " network=vlan-7, site.name = berlin ,,", want: []string{"network=vlan-7", "site.name=berlin"},
		},
		"if the value has an equals sign, should take it":   {text: "a=b=c", want: []string{"a=b=c"}},
		"if the value has blanks and slashes, should too":   {text: "a=b c/d:e", want: []string{"a=b c/d:e"}},
		"if a variable is there twice, should take it once": {text: "a=b,a=b", want: []string{"a=b"}},
		"if the value is as long as can be, should take it": {text: "a=" + long, want: []string{"a=" + long}},
		"if there are as many as are read, should take all": {
			text: numbered("v%d=x", poolconfig.MaxPoolVariables),
			want: strings.Split(numbered("v%d=x", poolconfig.MaxPoolVariables), ","),
		},
		"if nothing is asked for, should close": {
			text: " , ", says: []string{"names no variable", "remove the annotation"},
		},
		"if there is no value, should close": {
			text: "a=b,network", says: []string{`"network" has no value`, "write path=value"},
		},
		"if the value is empty, should close": {
			text: "network=", says: []string{`"network=" has no value`},
		},
		"if there is no path, should close": {
			text: "=x", says: []string{`"=x" does not name a variable`},
		},
		"if a part of the path is missing, should close": {
			text: "a..b=x", says: []string{`"a..b=x"`, "dotted path"},
		},
		"if the path is too long, should close": {text: long + "x=y", says: []string{"write path=value"}},
		"if a variable has two values, should close": {
			text: "a=b,a=c", says: []string{`"a" can have one value`, "a pool for each"},
		},
		"if the value is quoted, should close": {text: `a="b"`, says: []string{`quoted`}},
		"if the value is an object, should close": {
			text: `a={"b":1}`, says: []string{"no text, number or boolean"},
		},
		"if the value is too long, should close": {
			text: "a=" + long + "x", says: []string{"more than 253 bytes", "a shorter one"},
		},
		"if the text is as YAML has it, should close": {
			text: "network: vlan-7", says: []string{"write path=value"},
		},
		"if an entry is long, should still say the remedy": {
			text: strings.Repeat("x", 5000), says: []string{"write path=value"},
		},
		"if there are more than are read, should close": {
			text: numbered("v%d=x", poolconfig.MaxPoolVariables+1),
			says: []string{"more than the 16 entries", "use fewer"},
		},
		"if it is longer than is read, should close": {
			text: strings.Repeat("a=b,", poolconfig.MaxPoolAnnotation/4) + "c", says: []string{"longer than"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			view := pool(map[string]string{names.ClusterClass: "metal", names.Role: "ingress"}, map[string]string{
				names.Variables: test.text,
			})
			for range 2 { // as read, and as cached
				got := view.Snapshot(time.Time{})
				var variables []string
				for _, variable := range got.Variables {
					variables = append(variables, variable.String())
				}
				assert.Equal(t, test.want, variables)
				assert.Equal(t, len(test.says) > 0, got.Closed)
				assert.Equal(t, len(test.says) > 0, got.Unread)
				said := strings.Join(got.Problems, "; ")
				assert.Equal(t, len(test.says) == 0, said == "", said)
				for _, words := range append(test.says, names.Variables+": ") {
					assert.True(t, said == "" || strings.Contains(said, words), "%s in %s", words, said)
				}
				_, err := capi.Trim(view)
				require.NoError(t, err)
			}
		})
	}
}
