package capi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
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
		// says are words of the problem; with none all is right.
		says []string
		open bool
	}{
		"if Clusters are named, should serve those":          {text: "team-a/berlin, team-b/*,", want: []string{"team-a/berlin", "team-b/*"}, open: true},
		"if a Cluster is named twice, should take it once":   {text: "a/b,a/b", want: []string{"a/b"}, open: true},
		"if a name has dots, should take it":                 {text: "a/b.example.com", want: []string{"a/b.example.com"}, open: true},
		"if the pool's own namespace is named, should do":    {namespace: "a", text: "a/b,a/*", want: []string{"a/b", "a/*"}, open: true},
		"if other namespaces are named too, should say so":   {namespace: "a", text: "a/b,c/d", want: []string{"a/b"}, says: []string{"remove the others"}, open: true},
		"if only other namespaces are named, should close":   {namespace: "a", text: "c/d", says: []string{"a is not named", "add a/*"}},
		"if nothing is named, should close":                  {text: " ,", says: []string{"names no Cluster", "remove the annotation"}},
		"if the namespace is missing, should close":          {text: "a/b,berlin", says: []string{`"berlin" is no Cluster`, "write namespace/name"}},
		"if the namespace is any, should close":              {text: "*/berlin", says: []string{`"*/berlin"`, "write namespace/name"}},
		"if all is any, should close":                        {text: "*", says: []string{`"*" is no Cluster`}},
		"if the name is a pattern, should close":             {text: "a/b*", says: []string{`"a/b*"`}},
		"if there is a slash too many, should close":         {text: "a/b/c", says: []string{`"a/b/c"`}},
		"if the separator is wrong, should close":            {text: "a/b;a/c", says: []string{`"a/b;a/c"`}},
		"if it is in upper case, should close":               {text: "a/Berlin", says: []string{`"a/Berlin"`}},
		"if an entry is long, should still say the remedy":   {text: strings.Repeat("x", 5000), says: []string{"write namespace/name"}},
		"if there are as many as are read, should take them": {text: numbered("a/b%d", capi.MaxPoolClusters), want: strings.Split(numbered("a/b%d", capi.MaxPoolClusters), ","), open: true},
		"if there are more than are read, should close":      {text: numbered("a/b%d", capi.MaxPoolClusters+1), says: []string{"more than the 256 entries", "use a second pool"}},
		"if it is longer than is read, should close":         {text: strings.Repeat("a/b,", capi.MaxPoolAnnotation/4) + "c", says: []string{"longer than"}},
	} {
		t.Run(name, func(t *testing.T) {
			view := pool(map[string]string{names.ClusterClass: "metal", names.Role: "ingress"}, map[string]string{names.Clusters: test.text})
			view.Namespace = test.namespace
			for range 2 { // as it is read, and as it is kept
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
