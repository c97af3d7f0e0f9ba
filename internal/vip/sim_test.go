package vip_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// pick returns a number below n, decided by a seed or by a property test.
type pick func(n int) int

// randomWorld returns a world with pools that may overlap and a few Clusters.
func randomWorld(pick pick) (*viptest.World, []*viptest.PoolState) {
	w := viptest.NewWorld()
	var variable string
	switch pick(5) {
	case 0:
		w.Class = &vip.ClusterClass{ReadsVIP: true}
	case 1:
		w.Class, variable = &vip.ClusterClass{Variables: map[string]string{viptest.HostVariable: "string"}},
			viptest.HostVariable
	case 2:
		w.Class = nil
	}
	var pools []*viptest.PoolState
	for i := range 1 + pick(4) {
		role := []string{cp, ingress, "storage"}[pick(3)]
		var addresses []string
		for j, first := 0, pick(6); j <= pick(5); j++ {
			addresses = append(addresses, fmt.Sprintf("10.0.0.%d", first+j+1))
		}
		pool := viptest.Pool(fmt.Sprintf("pool-%d", i), role, priority(pick(2)))
		switch pick(6) {
		case 0:
			viptest.Local("tenant")(&pool)
		case 1:
			pool.Namespaces = []string{"tenant"}
		case 2:
			pool.Roles = []string{cp, ingress}
		}
		restrict(&pool, pick)
		if pick(4) == 0 {
			pool.Probe = []uint16{22, 6443}
		}
		if slices.Contains(pool.Roles, cp) {
			pool.HostVariable = variable
		}
		if pick(3) == 0 {
			pool.PerCluster = 2 + pick(2)
		}
		state := w.AddPool(pool, addresses...)
		if pick(4) == 0 {
			w.Change(state, "sets a grace period on", func(p *viptest.PoolState) { p.Grace = 5 * time.Second })
		}
		pools = append(pools, state)
	}
	if pick(2) == 0 {
		w.Stranger(fmt.Sprintf("10.0.0.%d", 1+pick(8)), true)
	}
	for range 1 + pick(3) {
		addRandomCluster(w, pick, true)
	}
	w.Crowd = 20 * pick(2)
	return w, pools
}

// networks are the values of the variable by which pools and Clusters of the world may match.
var networks = []string{"vlan-7", "vlan-8"}

// restrict sets which Clusters some pools are for, so that pools of every tier occur.
func restrict(pool *vip.Pool, pick pick) {
	switch pick(8) {
	case 0:
		pool.Clusters = []types.NamespacedName{{Namespace: "tenant", Name: "a"}}
	case 1:
		pool.Clusters = []types.NamespacedName{
			{Namespace: "tenant", Name: vip.AnyCluster}, {Namespace: "other", Name: "b"},
		}
	case 2, 3:
		pool.Variables = []vip.Variable{{Path: "network", Value: networks[pick(2)]}}
	case 4:
		pool.Classes = []vip.Class{{Name: vip.AnyClass}}
	}
}

// joins puts a Cluster into a network.
func joins(pick pick) func(*vip.Cluster) {
	network := strconv.Quote(networks[pick(2)])
	return func(c *vip.Cluster) {
		variables := maps.Clone(c.Variables)
		if variables == nil {
			variables = map[string][]byte{}
		}
		variables["network"] = []byte(network)
		c.Variables = variables
	}
}

func addRandomCluster(w *viptest.World, pick pick, manual bool) {
	namespace, name := []string{"tenant", "other"}[pick(2)], []string{"a", "b", "c"}[pick(3)]
	w.AddCluster(namespace, name, func(c *vip.Cluster) {
		switch pick(8) {
		case 0:
			c.Class.Name = "vsphere"
		case 1:
			c.Endpoint.Port = 9345
		case 2:
			// An address set by hand is there before anything is decided, and lies in the range of some pool.
			if manual && namespace == "other" && name == "a" {
				c.Endpoint = vip.Endpoint{Host: "10.0.0.3", Port: 6443}
			}
		case 3, 4, 5:
			joins(pick)(c)
		}
	})
}

// happen makes one thing happen.
func happen(w *viptest.World, pools []*viptest.PoolState, pick pick) {
	clusters := append(w.Clusters(), "tenant/none")
	k := clusters[pick(len(clusters))]
	switch n := pick(40); {
	case n < 8:
		w.Decide(k)
	case n < 16:
		if flights := w.InFlight(); len(flights) > 0 {
			w.Step(flights[pick(len(flights))])
		}
	case n < 20:
		w.Provide()
	case n < 22:
		w.Wait(time.Duration(1+pick(40)) * 100 * time.Millisecond)
	case n == 22:
		w.Crash()
	case n == 23:
		addRandomCluster(w, pick, false)
	case n == 24:
		w.Delete(k)
	case n == 25:
		w.Finish(k)
	case n == 26:
		role := []string{cp, ingress}[pick(2)]
		w.Edit(k, "removes annotation "+role+" of", annotation(role, ""))
	case n == 27:
		if pick(2) == 0 {
			w.Edit(k, "changes the network of", joins(pick))
			return
		}
		w.Edit(k, "changes annotation ingress of", annotation(ingress, "changed"))
	case n == 28:
		w.Edit(k, "pauses or unpauses", func(c *vip.Cluster) { c.Paused = !c.Paused })
	case n == 29:
		w.Edit(k, "sets the endpoint of", func(c *vip.Cluster) {
			if c.Endpoint.Host == "" {
				c.Endpoint = vip.Endpoint{Host: "by-hand.example.com", Port: 6443}
			}
		})
	case n == 39:
		w.Stranger(fmt.Sprintf("10.0.0.%d", 1+pick(8)), pick(2) == 0)
		w.Again()
	case n > 37:
		w.Build(k)
	case n > 35:
		w.TakePort(k)
	case n > 31:
		w.Render(k, n == 35)
	case n == 30:
		w.LoseClaim(k, []string{cp, ingress, names.Slot(ingress, 2)}[pick(3)])
	default:
		pool := pools[pick(len(pools))]
		switch pick(5) {
		case 4:
			w.Change(pool, "says how many addresses Clusters get on", func(p *viptest.PoolState) {
				p.PerCluster = pick(4)
			})
		case 3:
			w.Change(pool, "says anew whom to serve on", func(p *viptest.PoolState) {
				p.Classes, p.Clusters, p.Variables = []vip.Class{{Name: viptest.ClassName}}, nil, nil
				restrict(&p.Pool, pick)
			})
		case 0:
			w.Change(pool, "adds an address to", func(p *viptest.PoolState) {
				p.Range = append(p.Range, fmt.Sprintf("10.0.0.%d", 100+len(p.Range)))
			})
		case 1:
			w.Change(pool, "relabels", func(p *viptest.PoolState) {
				p.Roles = []string{[]string{cp, ingress, "storage"}[pick(3)]}
			})
		case 2:
			w.Change(pool, "hides or shows", func(p *viptest.PoolState) {
				if len(p.Classes) > 0 {
					p.Classes = nil
					return
				}
				p.Classes = []vip.Class{{Name: viptest.ClassName}}
			})
		}
	}
}

// atRest lets the world come to rest and returns everything that is wrong with it then.
func atRest(w *viptest.World) []string {
	for _, k := range w.Clusters() {
		if c := w.Cluster(k); c.Paused {
			w.Edit(k, "unpauses", func(c *vip.Cluster) { c.Paused = false })
		}
		w.Finish(k)
	}
	if !w.Settle() {
		return append(w.Violations, "the world does not come to rest")
	}
	w.CheckRest()
	return w.Violations
}

// story makes things happen in a world in a fixed order.
type story func(w *viptest.World)

func pools(w *viptest.World) {
	w.AddPool(viptest.Pool("cp", cp), "10.0.0.1", "10.0.0.2")
	w.AddPool(viptest.Pool("web", ingress), "10.0.1.1", "10.0.1.2")
}

func rest(t *testing.T, w *viptest.World) {
	t.Helper()
	require.True(t, w.Settle(), "the world does not come to rest:\n%s", w.Log.String())
}

func TestStories(t *testing.T) {
	stories := map[string]story{
		"life": func(w *viptest.World) {
			pools(w)
			k := w.AddCluster("tenant", "prod")
			rest(t, w)
			w.Edit(k, "removes annotation ingress of", annotation(ingress, ""))
			rest(t, w)
			w.Delete(k)
			rest(t, w)
			w.Finish(k)
			rest(t, w)
			assert.Empty(t, w.Assigned())
		},
		"exhausted": func(w *viptest.World) {
			cpPool := w.AddPool(viptest.Pool("cp", cp), "10.0.0.1")
			w.AddCluster("tenant", "first")
			rest(t, w)
			w.AddCluster("tenant", "second")
			rest(t, w)
			w.AddPool(viptest.Pool("more", cp), "10.0.2.1")
			rest(t, w)
			w.AddCluster("tenant", "third")
			rest(t, w)
			w.Change(cpPool, "adds an address to", func(p *viptest.PoolState) { p.Range = append(p.Range, "10.0.0.2") })
			rest(t, w)
		},
		"overlap": func(w *viptest.World) {
			w.AddPool(viptest.Pool("global", cp), "10.0.0.1", "10.0.0.2")
			w.AddPool(viptest.Pool("local", cp, viptest.Local("tenant")), "10.0.0.1", "10.0.0.2")
			w.AddCluster("other", "a")
			w.AddCluster("tenant", "b")
			rest(t, w)
			w.Delete("other/a")
			w.Finish("other/a")
			rest(t, w)
		},
		"claim-lost": func(w *viptest.World) {
			pools(w)
			a := w.AddCluster("tenant", "a")
			rest(t, w)
			w.LoseClaim(a, cp)
			rest(t, w)
			w.LoseClaim(a, cp)
			w.Provide()
			w.AddCluster("tenant", "b")
			w.Decide("tenant/b")
			for range 8 {
				w.Step("tenant/b")
				w.Provide()
			}
			rest(t, w)
		},
		"recreated-in-grace": func(w *viptest.World) {
			pool := w.AddPool(viptest.Pool("cp", cp), "10.0.0.1", "10.0.0.2")
			w.Change(pool, "sets a grace period on", func(p *viptest.PoolState) { p.Grace = 20 * time.Second })
			k := w.AddCluster("tenant", "prod")
			rest(t, w)
			w.Delete(k)
			w.Finish(k)
			for range 4 {
				w.Decide(k)
				w.Step(k)
			}
			w.AddCluster("tenant", "prod")
			rest(t, w)
		},
		"stranger": func(w *viptest.World) {
			pool := w.AddPool(viptest.Pool("cp", cp, func(p *vip.Pool) { p.Probe = []uint16{6443} }),
				"10.0.0.1", "10.0.0.2")
			w.Stranger("10.0.0.1", true)
			a := w.AddCluster("tenant", "a")
			rest(t, w)
			w.AddCluster("tenant", "b")
			rest(t, w)
			w.Crash()
			rest(t, w)
			w.Stranger("10.0.0.1", false)
			w.Again()
			rest(t, w)
			w.Stranger("10.0.0.1", true) // by now this is the Cluster itself
			w.Edit(a, "removes annotation control-plane of", annotation(cp, ""))
			w.Crash()
			rest(t, w)
			w.Change(pool, "adds an address to", func(p *viptest.PoolState) { p.Range = append(p.Range, "10.0.0.3") })
			rest(t, w)
		},
		"provided-late": func(w *viptest.World) {
			pools(w)
			k := w.AddCluster("tenant", "prod")
			w.Decide(k)
			for range 3 {
				w.Step(k)
			}
			w.Edit(k, "sets the endpoint of", host("api.example.com", 6443))
			rest(t, w)
		},
	}
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			w := viptest.NewWorld()
			tell(w)
			w.CheckRest()
			assert.Empty(t, w.Violations)
			golden(t, name, w)
		})
	}
}

func TestSeeds(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			w, pools := randomWorld(random.IntN)
			for range 150 {
				happen(w, pools, random.IntN)
			}
			assert.Empty(t, atRest(w))
			golden(t, fmt.Sprintf("seed-%d", seed), w)
		})
	}
}

// golden compares what happened in a world with its golden file.
func golden(t *testing.T, name string, w *viptest.World) {
	t.Helper()
	var b strings.Builder
	b.WriteString(w.Log.String())
	b.WriteString("at rest:\n")
	for _, k := range w.Clusters() {
		b.WriteString("         " + w.Rest(k) + "\n")
	}
	for _, line := range w.Assigned() {
		b.WriteString("         " + line + "\n")
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	assert.Equal(t, string(want), b.String())
}
