package controller

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/probe"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// longestProbePause is the longest pause between two probes of an address on which someone answers.
const longestProbePause = 5 * time.Minute

// asker probes an address in the background.
type asker interface {
	Ask(namespace string, addr netip.Addr, ports []uint16, done func(result probe.Result, why string))
}

// probes runs the probes that decisions ask for, and remembers their results for as long as a role has the address.
type probes struct {
	*memory
	cfg    Config
	prober asker
	// wake triggers a new decision about a Cluster.
	wake func(cluster types.NamespacedName)
	now  func() time.Time
}

// probed is what is known of an address, if known is set.
type probed struct {
	vip.Probed
	asked, known bool
	// tries counts the probes of the address; next is when the next one is due.
	tries int
	next  time.Time
}

func newProbes(m *memory, cfg Config, prober asker, wake func(types.NamespacedName)) *probes {
	return &probes{memory: m, cfg: cfg, prober: prober, wake: wake, now: time.Now}
}

// known returns what is known of a Cluster's addresses.
func (p *probes) known(cluster types.NamespacedName) (known map[netip.Addr]vip.Probed) {
	p.of(cluster, func(r *recollection) {
		for addr, one := range r.probed {
			if !one.known {
				continue
			}
			if known == nil {
				known = map[netip.Addr]vip.Probed{}
			}
			answer := one.Probed
			answer.Again = !one.Free && !one.asked && !p.now().Before(one.next)
			known[addr] = answer
		}
	})
	return known
}

// ask starts probes of addresses, one at a time for each.
func (p *probes) ask(cluster types.NamespacedName, wanted []vip.Probe) {
	for _, want := range wanted {
		if p.begin(cluster, want) {
			p.prober.Ask(cluster.Namespace, want.Address, want.Ports, func(result probe.Result, why string) {
				p.cfg.Metrics.Probed(string(result))
				if p.answer(cluster, want, result, why) {
					p.cfg.Logger.Info("probed an address", clusterAttr(cluster),
						slog.String("address", want.Address.String()), slog.String("pool", want.Pool.String()),
						slog.String("result", string(result)), slog.String("why", why))
					p.wake(cluster)
				}
			})
		}
	}
}

// begin notes that an address is about to be probed; it returns false if a probe of these ports is already running.
func (p *probes) begin(cluster types.NamespacedName, want vip.Probe) (begins bool) {
	p.of(cluster, func(r *recollection) {
		one := r.probed[want.Address]
		if one == nil || !slices.Equal(one.Ports, want.Ports) {
			if r.probed == nil {
				r.probed = map[netip.Addr]*probed{}
			}
			one = &probed{Probed: vip.Probed{Ports: want.Ports}}
			r.probed[want.Address] = one
		}
		begins, one.asked = !one.asked, true
	})
	return begins
}

// answer records the result of a probe, and reports whether it is news. It drops a result that nobody wants any more.
func (p *probes) answer(cluster types.NamespacedName, want vip.Probe, result probe.Result, why string) (news bool) {
	p.of(cluster, func(r *recollection) {
		one := r.probed[want.Address]
		if one == nil || !slices.Equal(one.Ports, want.Ports) {
			return
		}
		before, known := one.Probed, one.known
		one.Free, one.Failed, one.asked, one.known = result == probe.Free, "", false, true
		if result == probe.Unknown {
			one.Failed = why
		}
		pause := longestProbePause
		if shift := one.tries; shift < 10 {
			pause = min(p.cfg.RetryInterval<<shift, longestProbePause)
		}
		one.tries++
		one.next = p.now().Add(pause)
		news = !known || before.Free != one.Free || before.Failed != one.Failed
	})
	return news
}

// note drops what is known of addresses that no slot of the Cluster has or may get again.
func (p *probes) note(cluster types.NamespacedName, status vip.Status) {
	p.of(cluster, func(r *recollection) {
		for addr := range r.probed {
			has := func(slot vip.RoleStatus) bool {
				return vip.ParseAddr(slot.Address) == addr || r.unusable[slot.Slot] == addr
			}
			if !slices.ContainsFunc(status.Slots, has) {
				delete(r.probed, addr)
			}
		}
	})
}
