package ui

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/serve"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

// still is a source of pages that never change.
type still struct{ facts *view.Facts }

// Atlas implements serve.Source.
func (s still) Atlas() (*view.Atlas, error) { return view.NewAtlas(s.facts), nil }

// Plan implements serve.Source.
func (s still) Plan([]byte) ([]view.ClusterPlan, error) { return nil, nil }

func span(from, to string) vip.Range {
	return vip.Range{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)}
}

// largest returns the facts of the largest pool whose addresses are drawn one by one. Most are held, and the first
// rows contain every state.
func largest() *view.Facts {
	pool := view.PoolFacts{
		Pool:  viptest.Pool("cp", names.RoleControlPlane),
		Space: []vip.Range{span("10.0.0.0", "10.0.3.255")}, Excluded: []vip.Range{span("10.0.0.96", "10.0.0.111")},
		Reserved: []vip.Range{span("10.0.0.0", "10.0.0.0"), span("10.0.3.255", "10.0.3.255")},
		Gateway:  netip.MustParseAddr("10.0.0.1"),
	}
	pool.Capacity = vip.Capacity{Known: true, Total: 1005, Used: held, Free: 1005 - held}
	pool.Offers = []vip.Range{span("10.0.0.2", "10.0.0.95"), span("10.0.0.112", "10.0.3.254")}
	f := &view.Facts{
		Now: viptest.Now, Pools: []view.PoolFacts{pool}, Operator: view.Operator{State: view.OperatorRunning},
	}
	free := span("10.0.0.64", "10.0.0.111") // the last of them are excluded
	value := pool.Offers[0].From
	for i := range held {
		if value == free.From {
			value = free.To.Next()
		}
		name := fmt.Sprintf("cluster-%d", i)
		claim := names.ClaimName(name, names.RoleControlPlane)
		f.Claims = append(f.Claims, view.ClaimFacts{Cluster: name, Claim: vip.Claim{
			Namespace: viptest.Namespace, Name: claim, UID: types.UID(claim), Role: names.RoleControlPlane,
			Pool: viptest.GlobalRef("cp"), Address: claim,
		}})
		f.Addresses = append(f.Addresses, view.AddressFacts{
			Address: vip.Address{
				Namespace: viptest.Namespace, Name: claim, Claim: claim, Value: value.String(),
				Born: vip.Born{At: viptest.Ago(time.Hour)},
			},
			Pool:     viptest.GlobalRef("cp"),
			Deleting: i%50 == 0,
		})
		value = value.Next()
	}
	f.Addresses[held-1].Value = "10.9.9.9"
	f.Claims = append(f.Claims, view.ClaimFacts{Cluster: "waits", Claim: vip.Claim{
		Namespace: viptest.Namespace, Name: "vip-cp-waits", Role: names.RoleControlPlane, Pool: viptest.GlobalRef("cp"),
		Created: viptest.Ago(time.Minute),
	}})
	f.Snapshots = append(f.Snapshots, viptest.Snapshot(viptest.With(func(c *vip.Cluster) {
		c.Name, c.Endpoint.Host = "by-hand", "10.0.0.20"
	})))
	return f
}

// held is how many addresses of the largest pool are held.
const held = 900

// serving serves a source until the test ends, and returns the address.
func serving(t *testing.T, source serve.Source) *url.URL {
	t.Helper()
	server, err := serve.Listen(t.Context(), "127.0.0.1:0", source)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	address, err := url.Parse(server.URL())
	require.NoError(t, err)
	return address
}

// TestLargestMap: the largest possible map can be used with eyes, ears and keyboard.
func TestLargestMap(t *testing.T) {
	program(t)
	b := open(t, serving(t, still{largest()}))
	b.visit("/pool?kind=GlobalInClusterIPPool&name=cp")
	for _, state := range view.AddressStates() {
		b.do(chromedp.WaitVisible(".map ." + state))
	}
	b.audit("largest")
	b.inTheDark("largest")
	b.fits("largest")

	at := func() string {
		var label string
		b.do(chromedp.Evaluate(`document.activeElement.getAttribute("aria-label")`, &label))
		address, _, _ := strings.Cut(label, ":")
		return address
	}
	var stops int
	b.do(chromedp.Evaluate(`document.querySelectorAll(".map a:not([tabindex='-1'])").length`, &stops))
	assert.Equal(t, 1, stops, "the map is one stop of the tab key")
	b.do(chromedp.Focus(`.map a[tabindex="0"]`))
	assert.Equal(t, "10.0.0.2", at())
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	assert.Equal(t, "10.0.0.3", at())
	b.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	assert.Equal(t, "10.0.0.2", at(), "there is none before the first")
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`tr:target`))
	b.fine()
}
