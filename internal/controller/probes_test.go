package controller

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/probe"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// told is a prober that answers when the test says so.
type told struct{ asked []func(probe.Result, string) }

func (a *told) Ask(_ string, _ netip.Addr, _ []uint16, done func(probe.Result, string)) {
	a.asked = append(a.asked, done)
}

// answer answers the first question that is open.
func (a *told) answer(result probe.Result, why string) {
	done := a.asked[0]
	a.asked = a.asked[1:]
	done(result, why)
}

func TestProbesAreRemembered(t *testing.T) {
	const retry = 10 * time.Second
	addr, cluster, now := netip.MustParseAddr("10.0.0.10"), key("a"), time.Unix(1e9, 0)
	registry := prometheus.NewRegistry()
	network, woken := &told{}, 0
	p := newProbes(newMemory(), Config{
		RetryInterval: retry, Logger: slog.New(slog.DiscardHandler), Metrics: telemetry.NewMetrics(registry, "", ""),
	},
		network, func(woke types.NamespacedName) {
			assert.Equal(t, cluster, woke)
			woken++
		})
	p.now = func() time.Time { return now }
	ask := func(ports ...uint16) { p.ask(cluster, []vip.Probe{{Address: addr, Ports: ports}}) }

	ask(6443)
	ask(6443)
	require.Len(t, network.asked, 1, "one at a time")
	assert.Empty(t, p.known(cluster))
	network.answer(probe.InUse, "")
	assert.Equal(t, 1, woken)
	assert.Equal(t, vip.Probed{Ports: []uint16{6443}}, p.known(cluster)[addr])

	for _, pause := range []time.Duration{
		retry, 2 * retry, 4 * retry, 8 * retry, 16 * retry, longestProbePause, longestProbePause,
	} {
		now = now.Add(pause - time.Millisecond)
		assert.False(t, p.known(cluster)[addr].Again, "%s", pause)
		now = now.Add(time.Millisecond)
		assert.True(t, p.known(cluster)[addr].Again, "%s", pause)
		ask(6443)
		assert.False(t, p.known(cluster)[addr].Again, "it is asked for")
		network.answer(probe.InUse, "")
	}
	assert.Equal(t, 1, woken, "the same answer is no news")
	ask(6443)
	network.answer(probe.Unknown, "permission denied")
	assert.Equal(t, "permission denied", p.known(cluster)[addr].Failed)
	ask(6443)
	network.answer(probe.Free, "")
	assert.Equal(t, 3, woken)
	assert.Equal(t, vip.Probed{Ports: []uint16{6443}, Free: true}, p.known(cluster)[addr])
	count, err := testutil.GatherAndCount(registry, "capi_vip_probes_total")
	require.NoError(t, err)
	assert.Equal(t, 3, count, "one for each result")
}

func TestProbesAreForgotten(t *testing.T) {
	addr, cluster := netip.MustParseAddr("10.0.0.10"), key("a")
	network := &told{}
	p := newProbes(newMemory(), Config{
		Logger: slog.New(slog.DiscardHandler), Metrics: telemetry.NewMetrics(prometheus.NewRegistry(), "", ""),
	},
		network, func(types.NamespacedName) {})
	ask := func(ports ...uint16) { p.ask(cluster, []vip.Probe{{Address: addr, Ports: ports}}) }

	ask(22)
	ask(6443)
	require.Len(t, network.asked, 2)
	network.answer(probe.InUse, "")
	assert.Empty(t, p.known(cluster), "the answer to what was asked before does not count")
	network.answer(probe.Free, "")
	assert.Len(t, p.known(cluster), 1)

	p.note(cluster, vip.Status{Slots: []vip.RoleStatus{{Slot: "ingress", Address: "10.0.0.10"}}})
	assert.Len(t, p.known(cluster), 1, "a role has the address")
	unusable{p.memory}.note(cluster, vip.Status{
		Slots: []vip.RoleStatus{{Slot: "ingress", Phase: vip.PhaseInUse, Address: addr.String()}},
	})
	p.note(cluster, vip.Status{Slots: []vip.RoleStatus{{Slot: "ingress", Phase: vip.PhaseDeleting}}})
	assert.Len(t, p.known(cluster), 1, "a role may get it again")
	ask(22)
	unusable{p.memory}.note(cluster, vip.Status{Slots: []vip.RoleStatus{{Slot: "ingress"}}})
	p.note(cluster, vip.Status{Slots: []vip.RoleStatus{{Slot: "ingress", Address: "10.0.0.11"}}})
	assert.Empty(t, p.records)
	network.answer(probe.InUse, "")
	assert.Empty(t, p.records, "nobody wants to know any more")
	ask(22)
	p.forget(cluster)
	assert.Empty(t, p.records)
}
