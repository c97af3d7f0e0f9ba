package simulate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/simulate"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

var (
	now      = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	settings = vip.Settings{DefaultPort: vip.DefaultPort}
)

// storeOf returns a store that holds the objects.
func storeOf(t *testing.T, objects ...any) *state.Store {
	t.Helper()
	api := capi.API{Pools: schema.GroupVersion{Group: capi.IPAMGroup, Version: "v1alpha2"}}
	informer := func(example runtime.Object) cache.SharedIndexInformer {
		return cache.NewSharedIndexInformer(nil, example, 0, cache.Indexers{})
	}
	informers := state.Informers{
		Clusters: informer(&capi.Cluster{}), ClusterClasses: informer(&capi.ClusterClass{}),
		Claims: informer(&capi.Claim{}), Addresses: informer(&capi.Address{}),
		Pools: []state.Pools{{Resource: api.GlobalPools(), SharedIndexInformer: informer(&capi.Pool{})}},
	}
	store, err := state.NewStore(informers)
	require.NoError(t, err)
	class := &capi.ClusterClass{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "metal"}}
	for _, object := range append([]any{class}, objects...) {
		switch o := object.(type) {
		case *capi.ClusterClass:
			err = informers.ClusterClasses.GetStore().Add(o)
		case *capi.Cluster:
			err = informers.Clusters.GetStore().Add(o)
		case *capi.Address:
			err = informers.Addresses.GetStore().Add(o)
		case *capi.Pool:
			o.SetGroupVersionKind(api.GlobalPools().GroupVersionKind)
			err = informers.Pools[0].GetStore().Add(o)
		}
		require.NoError(t, err)
	}
	return store
}

func pool(name, role string, free int, addresses ...string) *capi.Pool {
	return &capi.Pool{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{names.ClusterClass: "metal", names.Role: role},
		},
		Spec:   capi.PoolSpec{Addresses: addresses, Prefix: 24},
		Status: capi.PoolStatus{IPAddresses: &capi.PoolCapacity{Total: free, Free: free}},
	}
}

func cluster(name string) *capi.Cluster {
	c := &capi.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}}
	c.Spec.Topology.ClassRef.Name = "metal"
	return c
}

func address(pool, value string) *capi.Address {
	return &capi.Address{
		ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "a" +
			value, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)), ResourceVersion: "7"},
		Spec: capi.AddressSpec{
			Address: value, ClaimRef: capi.NameReference{Name: "someone"},
			PoolRef: capi.PoolReference{APIGroup: capi.IPAMGroup, Kind: capi.KindGlobalPool, Name: pool},
		},
	}
}

// reasonOf returns the reason and the address of the control plane in an outcome.
func reasonOf(outcome simulate.Outcome) string {
	for _, role := range outcome.Plan.Status.Roles {
		if role.Role == names.RoleControlPlane {
			return role.Reason + " " + role.Address
		}
	}
	return ""
}

func TestRun(t *testing.T) {
	elsewhere := cluster("elsewhere")
	elsewhere.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: "10.0.0.1", Port: 6443}
	byHand := cluster("new")
	byHand.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: "lb", Port: 6443}
	for name, test := range map[string]struct {
		objects  []any
		manifest *capi.Cluster
		want     string
	}{
		"if the pool is new, should get its first address": {
			[]any{pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9")},
			cluster("new"),
			"IPAddressAssigned 10.0.0.1",
		},
		"if the pool holds its network address, should not get that": {
			[]any{pool("cp", names.RoleControlPlane, 254, "10.0.0.0/24")}, cluster("new"), "IPAddressAssigned 10.0.0.1",
		},
		"if some are taken, should get the lowest of the others": {
			[]any{
				pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9"), address("cp", "10.0.0.1"),
				address("cp", "10.0.0.3"),
			},
			cluster("new"), "IPAddressAssigned 10.0.0.2",
		},
		"if another pool gave it to someone, should conflict": {
			[]any{pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9"), address("overlapping", "10.0.0.1")},
			cluster("new"), "AddressConflict 10.0.0.1",
		},
		"if a Cluster carries it, should conflict": {
			[]any{pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9"), elsewhere},
			cluster("new"),
			"AddressConflict 10.0.0.1",
		},
		"if the pool is full, should wait": {
			[]any{pool("cp", names.RoleControlPlane, 0, "10.0.0.1"), address("cp", "10.0.0.1")},
			cluster("new"),
			"PoolExhausted ",
		},
		"if the addresses of the pool are not known, should say what it waits for": {
			[]any{pool("cp", names.RoleControlPlane, 5)}, cluster("new"), "WaitingForIPAddress ",
		},
		"if no pool serves it, should say so": {
			[]any{pool("web", names.RoleIngress, 9, "10.0.0.1")}, cluster("new"), "PoolNotFound ",
		},
		"if the manifest brings a host, should keep it": {
			[]any{pool("cp", names.RoleControlPlane, 9, "10.0.0.1")}, byHand, "EndpointProvided lb",
		},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, err := simulate.Run(storeOf(t, test.objects...), test.manifest, settings, now)
			require.NoError(t, err)
			assert.False(t, outcome.Exists)
			assert.Equal(t, test.want, reasonOf(outcome))
		})
	}
}

func TestRunTemplates(t *testing.T) {
	class := &capi.ClusterClass{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "metal"}}
	class.Uses = &capi.ClassUses{
		Variables: map[string]string{"net": "object", "net.vip": "string", "net.port": "integer"},
	}
	withVariables := pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9")
	withVariables.Annotations = map[string]string{names.HostVariable: "net.vip", names.PortVariable: "net.port"}
	outcome, err := simulate.Run(storeOf(t, class, withVariables), cluster("new"), settings, now)
	require.NoError(t, err)
	assert.Equal(t, "IPAddressAssigned 10.0.0.1", reasonOf(outcome))
	var actions []string
	for _, action := range outcome.Actions {
		actions = append(actions, strings.SplitN(action.String(), ":", 2)[0])
	}
	assert.Contains(t, actions, "set variables net.vip=10.0.0.1, net.port=6443")
	assert.Equal(t, []string{"set endpoint 10.0.0.1", "let the control plane go"}, actions[len(actions)-2:],
		"in this order: %v", actions)
}

func TestRunSeveral(t *testing.T) {
	store := storeOf(t, pool("cp", names.RoleControlPlane, 2, "10.0.0.1-10.0.0.2"))
	var states []string
	for _, name := range []string{"a", "b", "c"} {
		outcome, err := simulate.Run(store, cluster(name), settings, now)
		require.NoError(t, err)
		states = append(states, reasonOf(outcome))
	}
	assert.Equal(t, []string{"IPAddressAssigned 10.0.0.1", "IPAddressAssigned 10.0.0.2", "PoolExhausted "}, states,
		"each is seen by the next")
}

func TestRunExisting(t *testing.T) {
	live := cluster("old")
	live.UID, live.CreationTimestamp = "uid", metav1.NewTime(now.Add(-time.Hour))
	live.Spec.ControlPlaneEndpoint = capi.Endpoint{Host: "10.0.0.7", Port: 6443}
	store := storeOf(t, live, pool("cp", names.RoleControlPlane, 9, "10.0.0.1-10.0.0.9"))
	outcome, err := simulate.Run(store, cluster("old"), settings, now)
	require.NoError(t, err)
	assert.True(t, outcome.Exists)
	assert.Equal(t, "EndpointProvided 10.0.0.7", reasonOf(outcome),
		"what a Cluster has it keeps, though the manifest does not name it")
	assert.Equal(t, "10.0.0.7", live.Spec.ControlPlaneEndpoint.Host)
}
