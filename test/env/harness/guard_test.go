package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// seen returns a Cluster as a watch reports it. Its UID is its name unless a change sets another.
func seen(name, version, host string, change ...func(*Cluster)) *Cluster {
	c := &Cluster{&unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}}
	c.SetNamespace("tenant")
	c.SetName(name)
	c.SetUID(types.UID(name))
	c.SetResourceVersion(version)
	c.SetFinalizers([]string{"cluster.cluster.x-k8s.io"})
	if host != "" {
		c.Object["spec"] = map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": int64(6443)}}
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func released(c *Cluster) {
	now := metav1.Now()
	c.SetDeletionTimestamp(&now)
	c.SetFinalizers(nil)
}

func uid(value string) func(*Cluster) {
	return func(c *Cluster) { c.SetUID(types.UID(value)) }
}

func TestGuard(t *testing.T) {
	const vip = "10.0.0.1"
	type change struct{ before, after *Cluster }
	first := seen("a", "1", vip)
	taken := change{nil, seen("b", "8", vip)}
	for name, test := range map[string]struct {
		changes []change
		broken  string
	}{
		"if two Clusters carry an address, should say so": {
			[]change{{nil, first}, taken}, "carried by tenant/a and",
		},
		"if the first gave it up before, should say nothing": {
			[]change{{nil, first}, {first, seen("a", "7", vip, released)}, taken}, "",
		},
		"if the first is heard to have given it up before, should say nothing": {
			[]change{{nil, first}, taken, {first, seen("a", "7", vip, released)}}, "",
		},
		"if the first is heard of in more than one step, should say nothing": {
			[]change{
				{nil, first},
				taken,
				{first, seen("a", "5", vip)},
				{seen("a", "5", vip), seen("a", "7", vip, released)},
				{seen("b", "8", vip), seen("b", "12", vip)},
			}, "",
		},
		"if the first gives it up afterwards, should say so": {
			[]change{{nil, first}, taken, {first, seen("a", "9", vip, released)}}, "carried",
		},
		"if the first is heard to have been changed otherwise, should say so": {
			[]change{{nil, first}, taken, {first, seen("a", "7", vip)}}, "carried",
		},
		"if a list finds the first gone, should say nothing": {
			[]change{{nil, first}, taken, {first, nil}}, "",
		},
		"if a list finds another one of the name, should say nothing": {
			[]change{{nil, first}, taken, {first, seen("a", "9", "", uid("a2"))}}, "",
		},
		"if the first is deleted afterwards, should say so": {
			[]change{{nil, first}, taken, {seen("a", "9", vip), nil}}, "carried",
		},
		"if a host is changed, should say so": {
			[]change{{nil, first}, {first, seen("a", "2", "10.0.0.2")}}, "became",
		},
		"if a host is taken away, should say so": {
			[]change{{nil, first}, {first, seen("a", "2", "")}}, "became",
		},
		"if a Cluster follows another of its name with a host, should say none": {
			[]change{{nil, first}, {first, seen("a", "2", "10.0.0.2", uid("a2"))}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard()
			for _, change := range test.changes {
				g.changed(change.before, change.after)
			}
			if test.broken == "" {
				require.Empty(t, g.Breaches())
				return
			}
			require.Len(t, g.Breaches(), 1)
			require.Contains(t, g.Breaches()[0], test.broken)
			require.Equal(t, len(test.changes), g.Seen())
		})
	}
}

func TestGuardEarlyReleases(t *testing.T) {
	withVIP := func(c *Cluster) {
		c.SetAnnotations(map[string]string{names.Annotation(names.RoleControlPlane): "10.0.0.1"})
	}
	claim := func(version string, deleted bool) *Claim {
		c := &Claim{&unstructured.Unstructured{
			Object: map[string]any{"status": map[string]any{"addressRef": map[string]any{"name": "vip-cp-a"}}},
		}}
		c.SetNamespace("tenant")
		c.SetName("vip-cp-a")
		c.SetResourceVersion(version)
		c.SetLabels(map[string]string{names.Role: names.RoleControlPlane})
		c.SetOwnerReferences([]metav1.OwnerReference{{Kind: "Cluster", Name: "a", UID: "a"}})
		if now := metav1.Now(); deleted {
			c.SetDeletionTimestamp(&now)
		}
		return c
	}
	served, named := seen("a", "1", "10.0.0.1", withVIP), []EarlyRelease{{"tenant", "vip-cp-a"}}
	for name, test := range map[string]struct {
		first, last *Cluster
		early       []EarlyRelease
	}{
		"if Cluster API had finished before, should say nothing": {
			served, seen("a", "4", "10.0.0.1", withVIP, released), nil,
		},
		"if the Cluster was in use afterwards, should name it": {
			served, seen("a", "6", "10.0.0.1", withVIP), named,
		},
		"if someone took the annotation away meanwhile, should name it": {served, seen("a", "6", "10.0.0.1"), named},
		"if the Cluster never had a VIP for the role, should say nothing": {
			seen("a", "1", ""), seen("a", "6", "10.0.0.1"), nil,
		},
		"if the Cluster had the VIP of a later claim, should say nothing": {
			seen("a", "1", ""), seen("a", "6", "10.0.0.1", withVIP), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard()
			g.changed(nil, test.first)
			g.claimed(nil, claim("2", false))
			g.claimed(claim("2", false), claim("5", true))
			g.changed(test.first, test.last)
			require.Equal(t, test.early, g.EarlyReleases())
		})
	}
}
