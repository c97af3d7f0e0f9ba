package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// source is a state to scrape.
type source struct {
	pools   []vip.Pool
	states  map[RoleState]int
	orphans int
}

func (s source) Pools() []vip.Pool                { return s.pools }
func (s source) ClusterStates() map[RoleState]int { return s.states }
func (s source) OrphanedClaims() int              { return s.orphans }

func TestState(t *testing.T) {
	registry := prometheus.NewRegistry()
	state := NewState(registry)
	assert.Zero(t, testutil.CollectAndCount(state), "a standby has no state")

	state.Use(source{
		pools: []vip.Pool{
			{Ref: vip.PoolRef{Kind: "InClusterIPPool", Name: "p"}, Namespace: "team", Capacity: vip.Capacity{
				Known: true, Total: 10, Used: 4, Free: 6, OutOfRange: 1,
			}},
			{Ref: vip.PoolRef{Kind: "GlobalInClusterIPPool", Name: "new"}},
		},
		states:  map[RoleState]int{{Role: "ingress", Reason: names.ReasonPoolExhausted}: 3},
		orphans: 2,
	})
	require.NoError(t, testutil.CollectAndCompare(state, strings.NewReader(`
# HELP capi_vip_clusters Clusters by role and by the reason of the role's condition.
# TYPE capi_vip_clusters gauge
capi_vip_clusters{reason="PoolExhausted",role="ingress"} 3
# HELP capi_vip_orphaned_claims Claims of the allocator's that hold or ask for an address for no Cluster that exists.
# TYPE capi_vip_orphaned_claims gauge
capi_vip_orphaned_claims 2
# HELP capi_vip_pool_addresses Addresses of the pools that are configured for the allocator, by state: total, used, free, out_of_range.
# TYPE capi_vip_pool_addresses gauge
capi_vip_pool_addresses{kind="InClusterIPPool",pool="p",pool_namespace="team",state="free"} 6
capi_vip_pool_addresses{kind="InClusterIPPool",pool="p",pool_namespace="team",state="out_of_range"} 1
capi_vip_pool_addresses{kind="InClusterIPPool",pool="p",pool_namespace="team",state="total"} 10
capi_vip_pool_addresses{kind="InClusterIPPool",pool="p",pool_namespace="team",state="used"} 4
`)))

	state.Use(nil)
	assert.Zero(t, testutil.CollectAndCount(state), "what is gone leaves no stale series")
}

func TestEventFor(t *testing.T) {
	pool := vip.PoolRef{Kind: "GlobalInClusterIPPool", Name: "p"}
	for name, test := range map[string]struct {
		action vip.Action
		want   string
	}{
		"if the endpoint is set, should say that a VIP was allocated": {
			vip.SetEndpoint{Endpoint: vip.Endpoint{Host: "10.0.0.1", Port: 6443}, Claim: "c", Pool: pool},
			"Normal VIPAllocated control plane endpoint 10.0.0.1:6443 set, from GlobalInClusterIPPool/p by claim c",
		},
		"if the control plane's annotation comes with it, should say nothing more": {
			vip.SetAnnotation{Role: "control-plane", Value: "10.0.0.1"}, "",
		},
		"if the ingress annotation is set, should say so": {
			vip.SetAnnotation{Role: "ingress", Value: "10.0.0.2", Claim: "c", Pool: pool},
			"Normal IngressAnnotationSet annotation vip.capi.gorizond.io/ingress=10.0.0.2 set, " +
				"from GlobalInClusterIPPool/p by claim c",
		},
		"if another role is served, should say that a VIP was allocated": {
			vip.SetAnnotation{Role: "storage", Value: "10.0.0.3", Claim: "c", Pool: pool},
			"Normal VIPAllocated annotation vip.capi.gorizond.io/storage=10.0.0.3 set, " +
				"from GlobalInClusterIPPool/p by claim c",
		},
		"if any annotation is restored, should say so": {
			vip.SetAnnotation{Role: "control-plane", Value: "10.0.0.1", Claim: "c", Restored: true},
			"Normal AnnotationRestored annotation vip.capi.gorizond.io/control-plane=10.0.0.1 restored, from claim c",
		},
		"if no claim stands for it, should say where it comes from": {
			vip.SetAnnotation{Role: "control-plane", Value: "10.0.0.1", Restored: true},
			"Normal AnnotationRestored annotation vip.capi.gorizond.io/control-plane=10.0.0.1 restored, " +
				"from the endpoint in use",
		},
		"if VIPs are released, should name them": {
			vip.RemoveFinalizer{Released: []string{"10.0.0.1 (control-plane)", "10.0.0.2 (ingress)"}},
			"Normal VIPReleased 10.0.0.1 (control-plane), 10.0.0.2 (ingress) released",
		},
		"if a Cluster goes that never had a VIP, should say nothing": {vip.RemoveFinalizer{}, ""},
		"if a claim is created, should leave that to the log":        {vip.CreateClaim{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			event, ok := EventFor(test.action)
			assert.Equal(t, test.want != "", ok)
			if ok {
				assert.Equal(t, test.want, event.Type+" "+event.Reason+" "+event.Message)
			}
		})
	}
}

func TestEventForChange(t *testing.T) {
	change := func(ready bool, reason string) vip.Change {
		return vip.Change{Condition: vip.Condition{True: ready, Reason: reason, Message: "why"}}
	}
	event, ok := EventForChange(change(false, names.ReasonPoolExhausted))
	assert.True(t, ok)
	assert.Equal(t, Event{"Warning", "PoolExhausted", "why"}, event)
	_, ok = EventForChange(change(true, names.ReasonIPAddressAssigned))
	assert.False(t, ok, "good news has its own event")
	_, ok = EventForChange(change(false, names.ReasonReleasing))
	assert.False(t, ok, "a deletion is nothing to warn of")
}

func TestEventForPool(t *testing.T) {
	_, ok := EventForPool(vip.Pool{}, nil)
	assert.False(t, ok)
	event, ok := EventForPool(vip.Pool{Problems: []string{"a", "b"}}, []string{"c"})
	assert.True(t, ok)
	assert.Equal(t, Event{"Warning", names.EventInvalidPoolConfiguration, "a; b; c"}, event)
	event, _ = EventForPool(vip.Pool{Closed: true, Problems: []string{"a"}}, nil)
	assert.Equal(t, "the pool serves nobody new until this is corrected: a", event.Message)
	event, ok = EventForPool(vip.Pool{}, []string{"c"})
	assert.True(t, ok, "what is probably misspelled is worth a word by itself")
	assert.Equal(t, "c", event.Message)
}
