package ui

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const team = "team"

// cities are the Clusters that get their VIPs.
var cities = []string{
	"aachen", "berlin", "bonn", "bremen", "dresden", "erfurt", "essen", "freiburg", "hamburg", "hanover", "jena",
	"kassel", "kiel", "leipzig", "mainz",
	"munich", "potsdam", "rostock", "schwerin", "stuttgart", "ulm", "weimar", "wiesbaden",
}

// objects are what exists at first: pools of different sizes, one that overlaps another; Clusters that get their
// VIPs, one that gets none, and one whose endpoint was entered by hand.
func objects() []harness.Object {
	list := []harness.Object{
		harness.NewClass{Namespace: team, Name: "metal"},
		harness.NewClass{Namespace: team, Name: "lost"},
		harness.NewPool{
			Name: "cp", Class: "metal", Role: names.RoleControlPlane, Addresses: []string{"10.0.0.0/26"}, Prefix: 26,
			Excluded: []string{"10.0.0.48-10.0.0.55"}, Spec: map[string]any{"gateway": "10.0.0.1"},
		},
		harness.NewPool{
			Name: "web", Class: "metal", Role: names.RoleIngress, Addresses: []string{"10.4.0.0/16"}, Prefix: 16,
		},
		harness.NewPool{
			Name: "twin", Class: "other", Role: names.RoleIngress, Addresses: []string{"10.0.0.32-10.0.0.47"},
		},
		harness.NewCluster{Namespace: team, Name: "nopool", Class: "lost"},
		harness.NewCluster{Namespace: team, Name: "by-hand", Host: "10.0.0.40", Port: 6443},
	}
	for _, city := range cities {
		list = append(list, harness.NewCluster{Namespace: team, Name: city, Class: "metal"})
	}
	return list
}

// scene is a plane with the operator and the objects.
type scene struct {
	*harness.World
	kubeconfig string
}

func start(t *testing.T) *scene {
	t.Helper()
	stack, err := plane.StackFromEnv()
	require.NoError(t, err)
	p, err := plane.Start(t.Context(), plane.Options{Stack: stack, Log: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(p.Stop(), harness.CleanBuilds())) })
	require.NoError(t, harness.Grant(t.Context(), p))
	world, err := harness.NewWorld(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(world.Close)
	kubeconfig, err := p.Kubeconfig(plane.Admin())
	require.NoError(t, err)
	s := &scene{world, kubeconfig}
	require.NoError(t, s.CreateNamespace(t.Context(), team))
	require.NoError(t, s.Create(t.Context(), objects()...))
	operator, err := harness.StartOperator(t.Context(), p, harness.OperatorOptions{Args: []string{
		// The Lease must outlast the API server's absence.
		"--leader-elect=true", "--leader-elect-lease-duration=2m", "--leader-elect-renew-deadline=100s",
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := operator.Stop(ctx)
		require.NoError(t, err)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, world.Await(ctx, func() error { // by then the operator also has its Lease
		for _, city := range cities {
			if c := world.Cluster(team, city); c == nil || c.VIP(names.RoleIngress) == "" || c.Endpoint().Host == "" {
				return harness.ErrNotYet
			}
		}
		return nil
	}))
	return s
}

// TestUI looks at every page as a person would.
func TestUI(t *testing.T) {
	program(t)
	s := start(t)
	address, stop := pages(t, s.kubeconfig)
	b := open(t, address)
	b.awaits(fmt.Sprintf("%d Ready", len(cities)), true)
	assert.Contains(t, b.foot(), "Operator: Running")
	b.audit("pools")
	b.photo("pools")
	b.inTheDark("pools")
	b.fits("pools")
	var focused string
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`document.activeElement.textContent`, &focused))
	assert.Equal(t, "Skip to the content", focused)

	b.do(chromedp.Click(`//a[text()="cp"]`), chromedp.WaitVisible(`.map`))
	b.audit("pool")
	b.photo("map")
	b.inTheDark("pool")
	b.fits("pool")
	b.do(chromedp.Click(`.map .cell.conflict`), chromedp.WaitVisible(`tr:target`))
	b.awaits("10.0.0.40", true)
	b.visit("/pool?kind=GlobalInClusterIPPool&name=web")
	b.audit("blocks")
	b.do(chromedp.Click(`.block a`), chromedp.WaitVisible(`.map .held`))
	b.visit("/overlaps")
	assert.Contains(t, b.text(), "10.0.0.32-10.0.0.47")
	b.audit("overlaps")

	b.follows(s)
	b.explains()
	b.plans(s)
	b.fine()
	b.loses(s, stop)
}

// loses stops the API server for a while, and then the server of the pages itself.
func (b *browser) loses(s *scene, stop func() int) {
	b.visit("/")
	require.NoError(b.t, s.Plane.KillComponent(plane.APIServer))
	b.awaits("The API server does not answer.", true)
	b.audit("lost")
	require.NoError(b.t, s.Plane.StartComponent(b.t.Context(), plane.APIServer))
	b.awaits("The API server does not answer.", false)
	b.fine()
	assert.Equal(b.t, kubectlvip.ExitFine, stop())
	b.do(chromedp.Poll(`document.getElementById("connection").innerText.startsWith("Connection lost at ")`, nil,
		chromedp.WithPollingTimeout(patience)))
}

// follows checks that a Cluster appears and disappears without reloading the page.
func (b *browser) follows(s *scene) {
	b.visit("/clusters")
	b.do(chromedp.Evaluate(`window.before = true`, nil))
	require.NoError(b.t, s.Create(b.t.Context(), harness.NewCluster{Namespace: team, Name: "paris", Class: "metal"}))
	b.awaits("team/paris", true)
	b.audit("clusters")
	b.photo("clusters")
	b.fits("clusters")
	require.NoError(b.t, harness.Delete(b.t.Context(), s.Clusters(team), "paris"))
	b.awaits("team/paris", false)
	var same bool
	b.do(chromedp.Evaluate(`window.before === true`, &same))
	assert.True(b.t, same, "it is the page of before")
}

func (b *browser) explains() {
	b.visit("/")
	b.do(chromedp.Click(`.tiles .bad[href*="PoolNotFound"]`), chromedp.WaitVisible(`form.filter`))
	b.do(chromedp.Click(`//a[text()="team/nopool"]`), chromedp.WaitVisible(`pre.text`))
	b.awaits("PoolNotFound", true)
	assert.Contains(b.t, b.text(), "Label a pool")
	b.audit("cluster")
	b.photo("cluster")
	b.fits("cluster")
}

// plans asks what a Cluster would get, and checks that it does not exist afterwards.
func (b *browser) plans(s *scene) {
	manifest, err := yaml.Marshal(
		harness.NewCluster{Namespace: team, Name: "lyon", Class: "metal"}.Manifests(s.Version)[0],
	)
	require.NoError(b.t, err)
	b.visit("/plan")
	b.do(chromedp.SetValue(`#manifest`, string(manifest)), chromedp.Click(`form.plan button`),
		chromedp.WaitVisible(`pre.text`))
	assert.Contains(b.t, b.text(), "It would get its VIPs.")
	b.audit("plan")
	b.photo("plan")
	b.fits("plan")
	assert.Nil(b.t, s.Cluster(team, "lyon"))
}
