package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// tb is what the tests of the standard library and of rapid have in common.
type tb interface {
	require.TestingT
	Helper()
}

// fleet is a store over Clusters whose DNS names may collide.
type fleet struct {
	tb
	*Store
	now  time.Time
	last byte // of the last address
}

// newFleet returns an empty fleet whose names follow the patterns, by role.
func newFleet(t tb, patterns map[string]string) *fleet {
	t.Helper()
	informers := emptyInformers(capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}})
	informers.DNS = emptyInformer(&capi.DNSEndpoint{})
	informers.Names = vip.DNSSettings{BaseDomain: "d", Names: patterns}
	store, err := NewStore(informers)
	require.NoError(t, err)
	return &fleet{tb: t, Store: store, now: time.Unix(1e9, 0)}
}

// add adds a Cluster of an age in seconds; backed says that claims of its own hold the VIPs that it carries.
func (f *fleet) add(namespace, name string, age int, backed bool) *capi.Cluster {
	f.Helper()
	c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(fmt.Sprintf("%s/%s/%d", namespace, name, age)),
		CreationTimestamp: metav1.NewTime(f.now.Add(-time.Duration(age) * time.Second)),
		Annotations:       map[string]string{}, Finalizers: []string{names.ClusterFinalizer, names.ReleaseFinalizer},
	}}
	c.Spec.Topology.ClassRef.Name = "class"
	require.NoError(f, f.ClusterClasses.GetStore().Add(&capi.ClusterClass{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "class"}, Uses: &capi.ClassUses{},
	}))
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		f.last++
		addr := fmt.Sprintf("10.0.0.%d", f.last)
		c.Annotations[names.Annotation(role)] = addr
		if role == names.RoleControlPlane {
			c.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: addr, Port: 6443}
		}
		if backed {
			f.back(c, role, addr)
		}
	}
	require.NoError(f, f.Clusters.GetIndexer().Add(c))
	return c
}

// back adds the claim that a VIP of a Cluster comes from, with its IPAddress.
func (f *fleet) back(c *capi.Cluster, role, addr string) {
	meta := metav1.ObjectMeta{
		Namespace: c.Namespace, Name: names.ClaimName(c.Name, role), UID: types.UID("claim of " + addr),
	}
	claim := &capi.Claim{ObjectMeta: meta}
	claim.Labels = map[string]string{names.Role: role}
	claim.OwnerReferences = []metav1.OwnerReference{{Kind: "Cluster", Name: c.Name, UID: c.UID}}
	claim.Status.AddressRef.Name = meta.Name
	address := &capi.Address{
		ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: meta.Name}, ClaimUID: meta.UID,
	}
	address.Spec = capi.AddressSpec{Address: addr, ClaimRef: capi.NameReference{Name: meta.Name}}
	require.NoError(f, f.Claims.GetIndexer().Add(claim))
	require.NoError(f, f.Addresses.GetIndexer().Add(address))
}

// remove deletes a Cluster with all that it owns.
func (f *fleet) remove(c *capi.Cluster) {
	require.NoError(f, f.Clusters.GetIndexer().Delete(c))
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		meta := metav1.ObjectMeta{Namespace: c.Namespace, Name: names.ClaimName(c.Name, role)}
		require.NoError(f, f.Claims.GetIndexer().Delete(&capi.Claim{ObjectMeta: meta}))
		require.NoError(f, f.Addresses.GetIndexer().Delete(&capi.Address{ObjectMeta: meta}))
	}
	f.withdraw(c)
}

func (f *fleet) withdraw(c *capi.Cluster) {
	meta := metav1.ObjectMeta{Namespace: c.Namespace, Name: names.DNSEndpointName(c.Name)}
	require.NoError(f, f.DNS.GetIndexer().Delete(&capi.DNSEndpoint{ObjectMeta: meta}))
}

// record writes the records of a Cluster.
func (f *fleet) record(c *capi.Cluster, records ...vip.Record) {
	object := &capi.DNSEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: names.DNSEndpointName(c.Name)},
	}
	object.OwnerReferences = []metav1.OwnerReference{{Kind: "Cluster", Name: c.Name, UID: c.UID}}
	for _, r := range records {
		object.Spec.Endpoints = append(object.Spec.Endpoints, capi.DNSRecord{
			DNSName: r.Name, RecordType: r.Type, Targets: []string{r.Target},
		})
	}
	require.NoError(f, f.DNS.GetIndexer().Add(object))
}

// handle decides about a Cluster, and writes or removes its records. It reports whether there was anything to do.
func (f *fleet) handle(c *capi.Cluster) (plan vip.Plan, changed bool) {
	plan = vip.Decide(f.GatherFor(c, vip.Memory{}, vip.Settings{DefaultPort: 6443, DNS: f.Names}, f.now))
	for _, action := range plan.Actions {
		switch action := action.(type) {
		case vip.SetRecords:
			f.record(c, action.Records...)
			changed = true
		case vip.DeleteRecords:
			f.withdraw(c)
			changed = true
		}
	}
	return plan, changed
}

// names returns the names in the records of a Cluster.
func (f *fleet) names(c *capi.Cluster) []string {
	var found []string
	if object, ok := f.Records(c, f.now); ok {
		for _, endpoint := range object.Spec.Endpoints {
			found = append(found, endpoint.DNSName)
		}
	}
	slices.Sort(found)
	return found
}

const api = "api.{cluster}.{baseDomain}"

func TestNameHolders(t *testing.T) {
	for name, test := range map[string]struct {
		patterns map[string]string
		// other makes the other Cluster, beside a/prod, and changes what is known of it.
		other func(f *fleet)
		want  []string
	}{
		"if another Cluster of the name is served, should find it": {
			other: func(f *fleet) { f.add("b", "prod", 1, true) }, want: []string{"api.prod.d"},
		},
		"if names have the namespace, should find nobody": {
			patterns: map[string]string{names.RoleControlPlane: "api.{cluster}.{namespace}.{baseDomain}"},
			other:    func(f *fleet) { f.add("b", "prod", 1, true) },
		},
		"if joined labels are the same, should find it": {
			patterns: map[string]string{names.RoleControlPlane: "{cluster}-{namespace}.{baseDomain}"},
			other:    func(f *fleet) { f.add("b-a", "prod", 1, true); f.add("a", "prod-b", 1, true) },
		},
		"if the Cluster lies below a wildcard, should find that": {
			patterns: map[string]string{
				names.RoleControlPlane: "api.{cluster}.{namespace}.{baseDomain}",
				names.RoleIngress:      "*.{cluster}.{baseDomain}",
			},
			other: func(f *fleet) { f.add("b", "a", 1, true) }, want: []string{"*.a.d", "api.a.b.d"},
		},
		"if the Cluster's wildcard is above a name, should find that": {
			patterns: map[string]string{
				names.RoleControlPlane: "api.{cluster}.{namespace}.{baseDomain}",
				names.RoleIngress:      "*.{cluster}.{baseDomain}",
			},
			other: func(f *fleet) { f.add("prod", "b", 1, true) }, want: []string{"*.b.d", "api.b.prod.d"},
		},
		"if a Cluster only carries what no claim backs, should not count it": {
			other: func(f *fleet) { f.add("b", "prod", 1, false) },
		},
		"if a claim belongs to a former Cluster, should not count it": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, true)
			c.UID = "new" // it carries what the former one did, as after a restore
		}},
		"if an IPAddress was made for a former claim, should not count it": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, true)
			f.addressOfClaim(c).ClaimUID = "former"
		}},
		"if the claim holds another address than the Cluster carries, should not count it": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, true)
			f.addressOfClaim(c).Spec.Address = "10.9.9.9"
		}},
		"if a claim was lost and the records have the name, should count it": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, false)
			f.record(c, vip.Record{Name: "api.prod.d", Type: "A", Target: c.Spec.ControlPlaneEndpoint.Host})
		}, want: []string{"api.prod.d"}},
		"if someone else's records have the name, should not count them": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, false)
			f.record(&capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: c.Name, UID: "else"}},
				vip.Record{Name: "api.prod.d", Type: "A", Target: "10.0.0.1"})
		}},
		"if Cluster API is done with the Cluster, should not count it": {
			other: func(f *fleet) { f.release(f.add("b", "prod", 1, true)) },
		},
		"if Cluster API is done with the Cluster and the records are not gone, " +
			"should count it": {other: func(f *fleet) {
			c := f.add("b", "prod", 1, true)
			f.record(c, vip.Record{Name: "api.prod.d", Type: "A", Target: c.Spec.ControlPlaneEndpoint.Host})
			f.release(c)
		}, want: []string{"api.prod.d"}},
		"if the other Cluster has a dot, should not count it": {
			patterns: map[string]string{
				names.RoleControlPlane: "{cluster}.{baseDomain}", names.RoleIngress: "*.{cluster}.{baseDomain}",
			},
			other: func(f *fleet) { f.add("b", "www.prod", 1, true) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			patterns := test.patterns
			if patterns == nil {
				patterns = map[string]string{names.RoleControlPlane: api}
			}
			f := newFleet(t, patterns)
			c := f.add("a", "prod", 2, true)
			test.other(f)
			var got []string
			for _, holder := range f.nameHolders(c, f.now) {
				got = append(got, holder.Name)
			}
			assert.ElementsMatch(t, test.want, got)
		})
	}
}

func (f *fleet) addressOfClaim(c *capi.Cluster) *capi.Address {
	claim, ok := f.claims.get(c.Namespace+"/"+names.ClaimName(c.Name, names.RoleControlPlane), f.now)
	require.True(f, ok)
	return f.addressOf(claim)
}

func (f *fleet) release(c *capi.Cluster) {
	at := metav1.NewTime(f.now)
	c.DeletionTimestamp, c.Finalizers = &at, []string{names.ReleaseFinalizer}
}

// Without DNS records nothing is looked for and nothing is indexed.
func TestNamesCostNothingWithoutRecords(t *testing.T) {
	informers := emptyInformers(capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}})
	store, err := NewStore(informers)
	require.NoError(t, err)
	assert.NotContains(t, informers.Clusters.GetIndexer().GetIndexers(), byName)
	assert.Empty(t, store.Namesakes(types.NamespacedName{Namespace: "a", Name: "prod"}))
}

// Whatever the Clusters and the patterns, and in whatever order Clusters are handled, come and go: at rest no two
// keep the same name, or one below the other's wildcard, the oldest keeps its names, and every Cluster without a name
// is told so. Namesakes finds every Cluster affected, so that waking them is enough.
func TestNamesAtRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.SampledFrom([]string{"a", "b", "a-b", "b-a", "api"})
		pattern := rapid.SampledFrom([]string{
			"api.{cluster}.{baseDomain}", "*.{cluster}.{baseDomain}", "{cluster}.{baseDomain}",
			"{cluster}-{namespace}.{baseDomain}", "{cluster}.{namespace}.{baseDomain}",
			"*.{namespace}.{cluster}.{baseDomain}", "*.{cluster}.{namespace}.{baseDomain}",
			"api.b.{cluster}.{baseDomain}", "*.api.{cluster}.{baseDomain}",
		})
		f := newFleet(t, map[string]string{
			names.RoleControlPlane: pattern.Draw(t, "pattern"), names.RoleIngress: pattern.Draw(t, "pattern"),
		})
		byKey := map[types.NamespacedName]*capi.Cluster{}
		var queue []types.NamespacedName
		wake := func(key types.NamespacedName) { queue = append(append(queue, key), f.Namesakes(key)...) }
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			key := types.NamespacedName{Namespace: label.Draw(t, "namespace"), Name: label.Draw(t, "name")}
			if c := byKey[key]; c != nil {
				f.remove(c)
				delete(byKey, key)
			} else {
				byKey[key] = f.add(key.Namespace, key.Name, rapid.IntRange(0, 5).Draw(t, "age"),
					rapid.Bool().Draw(t, "backed"))
			}
			wake(key)
			for i := rapid.IntRange(0, 2).Draw(t, "handled"); i > 0 && len(queue) > 0; i-- {
				f.next(t, byKey, &queue, wake)
			}
		}
		for range 1000 {
			if len(queue) == 0 {
				break
			}
			f.next(t, byKey, &queue, wake)
		}
		require.Empty(t, queue, "it does not come to rest")
		f.requireOneHolderEach(t, byKey)
	})
}

// next handles one of the Clusters that were woken, as drawn; a change of its records wakes those that it affects.
func (f *fleet) next(
	t *rapid.T, byKey map[types.NamespacedName]*capi.Cluster, queue *[]types.NamespacedName,
	wake func(types.NamespacedName),
) {
	i := rapid.IntRange(0, len(*queue)-1).Draw(t, "next")
	key := (*queue)[i]
	*queue = slices.Delete(*queue, i, i+1)
	if c := byKey[key]; c != nil {
		if _, changed := f.handle(c); changed {
			wake(key)
		}
	}
}

func (f *fleet) requireOneHolderEach(t *rapid.T, byKey map[types.NamespacedName]*capi.Cluster) {
	var oldest *capi.Cluster
	for _, c := range byKey {
		backed := f.backed(c, names.RoleControlPlane, f.now)
		older := oldest == nil ||
			cmp.Or(c.CreationTimestamp.Compare(oldest.CreationTimestamp.Time), cmp.Compare(c.UID, oldest.UID)) < 0
		if backed && older {
			oldest = c
		}
		for _, other := range byKey {
			for _, a := range f.names(c) {
				for _, b := range f.names(other) {
					require.False(t, c != other && vip.Overlap(a, b), "%s has %s, and %s has %s",
						c.UID, a, other.UID, b)
				}
			}
		}
		plan, changed := f.handle(c)
		require.False(t, changed, "%s was not woken", c.UID)
		for _, role := range plan.Status.Roles {
			name := f.namesOf(c.Key())[role.Role]
			has := slices.Contains(f.names(c), name)
			require.False(t, has && !backed, "%s has %s without a claim", c.UID, name)
			require.Equal(t, backed && !has, plan.Status.Waiting && strings.Contains(role.Message, name+" collides"),
				"%s: %s", c.UID, role.Message)
		}
	}
	if oldest != nil {
		for role, name := range f.namesOf(oldest.Key()) {
			require.Contains(t, f.names(oldest), name, "%s of %s", role, oldest.UID)
		}
	}
}
