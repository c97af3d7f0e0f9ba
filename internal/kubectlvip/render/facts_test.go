package render_test

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
	"github.com/gorizond/capi-vip-allocator/internal/vip/viptest"
)

// running is an operator that runs; stopped is one that does not.
func running() view.Operator {
	return view.Operator{
		State:     view.OperatorRunning,
		Says:      "manager-0 leads and renewed Lease capi-vip-allocator-system/capi-vip-allocator-leader 2s ago",
		Namespace: "capi-vip-allocator-system", Deployment: "capi-vip-allocator-controller-manager", Version: "v0.1.0",
		ServiceAccount: "capi-vip-allocator", SettingsKnown: true,
	}
}

func stopped() view.Operator {
	o := running()
	o.State, o.Says = view.OperatorNotRunning, "nobody holds Lease capi-vip-allocator-system/capi-vip-allocator-leader"
	return o
}

// of returns the facts of one Cluster and the pools of its snapshot.
func of(options ...viptest.Option) *view.Facts {
	s := viptest.Snapshot(options...)
	f := &view.Facts{Now: viptest.Now, Snapshots: []vip.Snapshot{s}, Operator: running()}
	for i := range s.Pools {
		f.Pools = append(f.Pools, view.PoolFacts{Pool: s.Pools[i]})
	}
	return f
}

// more applies changes to facts.
func more(f *view.Facts, changes ...func(*view.Facts)) *view.Facts {
	for _, change := range changes {
		change(f)
	}
	return f
}

// carried writes to the Cluster what the plan for it says.
func carried(options ...viptest.Option) *view.Facts {
	return of(append(options, viptest.Carry)...)
}

func cluster(change func(*vip.Cluster)) viptest.Option { return viptest.With(change) }

// explained returns Clusters in every state, keyed by what is wrong with them.
func explained() map[string]*view.Facts {
	notRunning := func(f *view.Facts) { f.Operator = stopped() }
	return map[string]*view.Facts{
		"ready":               of(viptest.Served()),
		"new":                 of(viptest.WithPools()),
		"new and no operator": more(of(viptest.WithPools()), notRunning),
		"decided and no operator": more(
			of(viptest.WithPools(), viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10")), notRunning,
		),
		"endpoint provided": carried(viptest.WithPools(), cluster(func(c *vip.Cluster) {
			c.Endpoint = vip.Endpoint{Host: "lb.example.com", Port: 6443}
		})),
		"manual host in a pool": of(viptest.WithPools(func(p *vip.Pool) {
			p.Offers = []vip.Range{{From: netip.MustParseAddr("10.0.0.1"), To: netip.MustParseAddr("10.0.0.99")}}
		}), cluster(func(c *vip.Cluster) { c.Endpoint = vip.Endpoint{Host: "10.0.0.50", Port: 6443} })),
		"waiting for the provider": more(carried(viptest.WithPools(), viptest.WithClaim(names.RoleControlPlane, "cp"),
			viptest.WithClaim(names.RoleIngress, "web")),
			func(f *view.Facts) { f.Pools[0].Paused = true }),
		"waiting and the provider says why": carried(viptest.WithPools(),
			viptest.WithClaim(names.RoleControlPlane, "cp", func(c *vip.Claim) {
				c.Trouble = &vip.Trouble{Reason: "PoolNotReady", Message: "the pool has no gateway"}
			})),
		"tiers": of(viptest.WithPools(), viptest.WithPool("vlan-7", names.RoleControlPlane, func(p *vip.Pool) {
			p.Variables = []vip.Variable{{Path: "network", Value: "vlan-7"}}
		}), viptest.WithPool("vlan-8", names.RoleControlPlane, func(p *vip.Pool) {
			p.Variables = []vip.Variable{{Path: "network", Value: "vlan-8"}}
		}), viptest.WithPool("reserved", names.RoleIngress, func(p *vip.Pool) {
			p.Clusters = []types.NamespacedName{{Namespace: viptest.Namespace, Name: viptest.ClusterName}}
		}), cluster(func(c *vip.Cluster) { c.Variables = map[string][]byte{"network": []byte(`"vlan-7"`)} })),
		"pool not found": more(of(
			viptest.WithPool("other-class", names.RoleControlPlane, func(p *vip.Pool) {
				p.Classes = []vip.Class{{Name: "vsphere"}}
			}),
			viptest.WithPool("other-namespace", names.RoleControlPlane, func(p *vip.Pool) {
				p.Namespaces = []string{"tenant-b"}
			}),
			viptest.WithPool("leaving", names.RoleControlPlane, func(p *vip.Pool) { p.Deleting = true }),
			viptest.WithPool("broken", names.RoleControlPlane, func(p *vip.Pool) {
				p.Classes, p.Problems = nil, []string{
					names.ClusterClass + ": \"My Class\" is not the name of a ClusterClass, nor namespace/name",
				}
			}),
			viptest.WithPool("closed", names.RoleControlPlane, func(p *vip.Pool) {
				p.Closed, p.Problems = true,
					[]string{names.Domain + "/namespace: there is no such annotation; did you mean namespaces?"}
			}),
			viptest.WithPool("unlabelled", "", func(p *vip.Pool) { p.Classes, p.Roles = nil, nil }),
			viptest.WithPool("no-role", "", func(p *vip.Pool) { p.Roles = nil }),
			viptest.WithPool("web", names.RoleIngress),
		), func(f *view.Facts) {
			for i := range 4 {
				f.Pools = append(f.Pools, view.PoolFacts{Pool: viptest.Pool(fmt.Sprintf("spare-%d", i), "storage")})
			}
		}),
		"several addresses": more(of(viptest.WithPool("web", names.RoleIngress, func(p *vip.Pool) { p.PerCluster = 3 }),
			viptest.WithBound(names.RoleIngress, "web", "10.0.0.20"), slot("ingress.2", "10.0.0.21"),
			slot("ingress.3", "10.0.0.22"), viptest.Carry)),
		"several addresses, one in use": more(of(viptest.WithPool("web", names.RoleIngress, func(p *vip.Pool) {
			p.PerCluster = 2
		}),
			viptest.WithBound(names.RoleIngress, "web", "10.0.0.20"), slot("ingress.2", "10.0.0.21"),
			viptest.WithHolder("10.0.0.21", "prod", names.Annotation(names.RoleIngress)))),
		"address in use": func() *view.Facts {
			s := viptest.Snapshot(viptest.WithPools(func(p *vip.Pool) { p.Probe = []uint16{6443} }),
				viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
				func(s *vip.Snapshot) {
					s.Cluster.Conditions = []vip.Condition{{
						Type: names.ConditionType(names.RoleControlPlane), Reason: names.ReasonAddressInUse,
						Message: "in use",
					}}
				})
			s.Probed = view.Probed(&s)
			return more(of(func(other *vip.Snapshot) { *other = s }))
		}(),
		"class does not exist": more(of(viptest.WithPools(), func(s *vip.Snapshot) {
			s.ClusterClass, s.Cluster.Class.Name = nil, "bare-metl"
		}), func(f *view.Facts) {
			f.Classes, f.ClassesKnown = []vip.Class{{Namespace: viptest.Namespace, Name: viptest.ClassName}}, true
		}),
		"role nearly right": of(viptest.WithPool("stranger", names.RoleControlPlane, func(p *vip.Pool) {
			p.Classes = []vip.Class{{Name: "vsphere"}}
		}),
			viptest.WithPool("cp", "", func(p *vip.Pool) {
				p.Roles, p.Problems = nil, []string{names.Role + ": role \"control-plan\" is too near to control-plane"}
			})),
		"class nearly right": of(viptest.WithPool("cp", names.RoleControlPlane, func(p *vip.Pool) {
			p.Classes = []vip.Class{{Name: "baremetal"}}
		}),
			viptest.WithPool("stranger", names.RoleControlPlane, func(p *vip.Pool) {
				p.Classes = []vip.Class{{Name: "vsphere"}}
			})),
		"custom role nearly right": carried(viptest.WithPools(), viptest.WithPool("disks", "storge"),
			viptest.WithClaim("storage", "gone"),
			viptest.WithClaim("storge", "disks"), viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
			viptest.WithBound(names.RoleIngress, "web", "10.0.0.20")),
		"asked and no operator": more(of(viptest.WithPools(), viptest.WithClaim(names.RoleControlPlane, "cp"),
			viptest.WithClaim(names.RoleIngress, "web")), notRunning),
		"deleted and no operator": more(
			of(viptest.Served(), cluster(func(c *vip.Cluster) { c.Deleting = true })), notRunning,
		),
		"pool not found and no operator": more(of(), notRunning),
		"pool exhausted": carried(viptest.WithPools(viptest.Full),
			viptest.WithPool("cp-2", names.RoleControlPlane, viptest.Full),
			viptest.WithClaim(names.RoleControlPlane, "cp")),
		"many pools match": of(viptest.WithPool("cp", names.RoleControlPlane, viptest.Full, func(p *vip.Pool) {
			p.Priority = 10
		}),
			viptest.WithPool("cp-2", names.RoleControlPlane), viptest.WithPool("cp-3", names.RoleControlPlane),
			viptest.WithPool("tenant", names.RoleIngress, viptest.Local(viptest.Namespace)),
			viptest.WithPool("shared", names.RoleIngress)),
		"bound to a pool that is not chosen now": of(viptest.Served(),
			viptest.WithPool("better", names.RoleControlPlane, func(p *vip.Pool) { p.Priority = 5 })),
		"address conflict": carried(viptest.WithPools(), viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
			viptest.WithHolder("10.0.0.10", "legacy", "spec.controlPlaneEndpoint")),
		"address differs from the endpoint": of(viptest.Served(), func(s *vip.Snapshot) {
			s.Addresses[0].Value = "10.0.0.11"
		}),
		"claim conflict": carried(viptest.WithPools(),
			viptest.WithClaim(names.RoleControlPlane, "cp", func(c *vip.Claim) {
				c.Owner = &vip.Owner{Kind: "Machine", Name: "worker-1", UID: "other"}
			})),
		"waiting for the templates": carried(viptest.WithPools(),
			viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"), func(s *vip.Snapshot) {
				s.ClusterClass = &vip.ClusterClass{ReadsVIP: true}
			}, viptest.Carry),
		"class not found": of(viptest.WithPools(), viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
			func(s *vip.Snapshot) { s.ClusterClass = nil }),
		"released": of(viptest.Served(), func(s *vip.Snapshot) { s.Claims = nil }, cluster(func(c *vip.Cluster) {
			c.Deleting, c.InUse, c.Lingers = true, false, true
		})),
		"write refused": of(viptest.WithPools(), viptest.WithBound(names.RoleIngress, "web", "10.0.0.20"),
			func(s *vip.Snapshot) {
				action := vip.SetAnnotation{Role: names.RoleIngress, Value: "10.0.0.20"}
				s.Refused = map[vip.Key]string{action.Key(): "forbidden by policy x"}
			}),
		"releasing":                 of(viptest.Served(), cluster(func(c *vip.Cluster) { c.Deleting = true })),
		"deleted with nothing held": of(viptest.WithPools(), cluster(func(c *vip.Cluster) { c.Deleting = true })),
		"paused":                    of(viptest.WithPools(), cluster(func(c *vip.Cluster) { c.Paused = true })),
		"moving": of(viptest.Served(), cluster(func(c *vip.Cluster) {
			c.Moving, c.Deleting = true, true
		})),
		"filtered": of(viptest.WithPools(), func(s *vip.Snapshot) { s.Settings.WatchFilter = "blue" }),
		"elsewhere": more(of(viptest.WithPools()), func(f *view.Facts) {
			f.Operator.WatchesNamespace = "tenant-b"
		}),
		"no topology": of(viptest.WithPools(), cluster(func(c *vip.Cluster) { c.Class = vip.Class{} })),
		"not all could be read": more(of(viptest.WithPools()), func(f *view.Facts) {
			f.Limits = []string{
				"globalinclusterippools cannot be read (Forbidden), so pools may match that are not seen here",
			}
			f.Operator = view.Operator{
				State: view.OperatorUnknown,
				Says:  "it cannot be seen whether the operator runs: Deployments cannot be read (Forbidden)",
			}
		}),
	}
}

// named renames the Cluster of a snapshot.
func named(namespace, name string, s vip.Snapshot) vip.Snapshot {
	s.Cluster.Namespace, s.Cluster.Name, s.Cluster.UID = namespace, name, "uid-of-"+s.Cluster.UID
	s.Cluster.Class.Namespace = namespace
	return s
}

// fleet returns Clusters of two namespaces and their pools.
func fleet() *view.Facts {
	served := viptest.Snapshot(viptest.Served(), viptest.WithPool("bmc", "storage"),
		viptest.WithBound("storage", "bmc", "10.0.0.30"))
	viptest.Carry(&served)
	full := viptest.Snapshot(viptest.WithPools(viptest.Full))
	f := &view.Facts{Now: viptest.Now, Operator: running(), Snapshots: []vip.Snapshot{
		served,
		named(viptest.Namespace, "paused", viptest.Snapshot(cluster(func(c *vip.Cluster) { c.Paused = true }))),
		named(viptest.Namespace, "full", full),
		named("team-b", "by-hand", viptest.Snapshot(cluster(func(c *vip.Cluster) {
			c.Endpoint = vip.Endpoint{Host: "lb.example.com", Port: 443}
		}))),
		named("team-b", "plain", viptest.Snapshot(cluster(func(c *vip.Cluster) { c.Class = vip.Class{} }))),
		named("team-b", "lost", viptest.Snapshot()),
	}}
	for i := range served.Pools {
		f.Pools = append(f.Pools, view.PoolFacts{Pool: served.Pools[i]})
	}
	f.Pools = append(f.Pools,
		view.PoolFacts{
			Pool: viptest.Pool("full", names.RoleIngress, viptest.Full, func(p *vip.Pool) {
				p.Priority, p.Namespaces = -5, []string{"tenant", "team-b"}
			}),
		},
		view.PoolFacts{Pool: viptest.Pool("nearly", names.RoleIngress, viptest.Local(viptest.Namespace),
			func(p *vip.Pool) {
				p.Capacity = vip.Capacity{Known: true, Total: 1000, Used: 999, Free: 1, OutOfRange: 2}
			}), Paused: true},
		view.PoolFacts{Pool: viptest.Pool("one", names.RoleIngress, func(p *vip.Pool) {
			p.Capacity = vip.Capacity{Known: true, Total: 1, Free: 1}
			p.Clusters = []types.NamespacedName{{Namespace: viptest.Namespace, Name: "berlin"}}
		})},
		view.PoolFacts{Pool: viptest.Pool("some", names.RoleIngress, func(p *vip.Pool) {
			for _, namespace := range []string{"a", "b", "c", "d"} {
				p.Clusters = append(p.Clusters, types.NamespacedName{Namespace: namespace, Name: vip.AnyCluster})
			}
			p.Variables = []vip.Variable{{Path: "network", Value: "vlan-7"}, {Path: "site.name", Value: "berlin"}}
		})},
		view.PoolFacts{
			Pool: viptest.Pool("empty", names.RoleIngress, func(p *vip.Pool) {
				p.Capacity, p.Deleting = vip.Capacity{Known: true}, true
			}),
		},
		view.PoolFacts{
			Pool: vip.Pool{Ref: vip.PoolRef{Group: "ipam.example.com", Kind: "ExamplePool", Name: "foreign"}},
		},
	)
	for i := range served.Claims {
		f.Claims = append(f.Claims, view.ClaimFacts{Claim: served.Claims[i], Cluster: viptest.ClusterName})
		f.Addresses = append(f.Addresses, view.AddressFacts{Address: served.Addresses[i], Pool: served.Claims[i].Pool})
	}
	f.Addresses = append(f.Addresses, view.AddressFacts{
		Address: vip.Address{Namespace: "team-b", Name: "by-hand", Value: "10.0.0.9", Claim: "by-hand", Born: vip.Born{
			At: viptest.Ago(48 * time.Hour),
		}},
		Pool: viptest.GlobalRef("cp"), Deleting: true,
	})
	return f
}

// fine is a cluster with nothing wrong.
func fine() *view.Facts {
	f := of(viptest.Served())
	f.Classes, f.ClassesKnown = []vip.Class{{Namespace: viptest.Namespace, Name: viptest.ClassName}}, true
	f.Platform = view.Platform{
		Plugin: "v0.1.3", Kubernetes: "v1.34.1",
		APIs: "cluster.x-k8s.io/v1beta2, ipam.cluster.x-k8s.io/v1beta2, pools v1alpha2",
	}
	s := &f.Snapshots[0]
	for i := range s.Claims {
		f.Claims = append(f.Claims, view.ClaimFacts{Claim: s.Claims[i], Cluster: viptest.ClusterName})
		f.Addresses = append(f.Addresses, view.AddressFacts{Address: s.Addresses[i], Pool: s.Claims[i].Pool})
	}
	return f
}

func bareCluster() *view.Facts {
	return &view.Facts{
		Now: viptest.Now,
		Platform: view.Platform{Plugin: "devel", Kubernetes: "v1.34.1", Missing: []string{
			"InClusterIPPool and GlobalInClusterIPPool (ipam.cluster.x-k8s.io v1alpha2)",
		}},
		Operator: view.Operator{
			State: view.OperatorUnknown, Says: "neither a Deployment nor a Lease of the operator was found",
		},
	}
}

// offers gives a pool a range.
func offers(from, to string) func(*vip.Pool) {
	return func(p *vip.Pool) {
		p.Offers = []vip.Range{{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)}}
	}
}

// troubled is a cluster with everything wrong that check can find.
func troubled() *view.Facts {
	f := fine()
	f.Operator = stopped()
	f.Operator.Others = []string{"old/capi-vip-allocator"}
	f.Platform.Plugin = "v0.2.0"
	f.Limits = []string{
		"only namespace tenant could be read, so conflicts with Clusters and addresses of others are not seen",
	}
	pool := func(name string, change ...func(*vip.Pool)) view.PoolFacts {
		return view.PoolFacts{Pool: viptest.Pool(name, names.RoleIngress, change...)}
	}
	f.Pools = append(f.Pools,
		pool("a", offers("10.1.0.1", "10.1.0.20")), pool("b", offers("10.1.0.10", "10.1.0.30")),
		pool("c", offers("10.1.0.20", "10.1.0.20"), viptest.Local("team-b")),
		pool("six", offers("fd00::1", "fd00::20")),
		pool("full", viptest.Full), pool("none", func(p *vip.Pool) { p.Capacity = vip.Capacity{Known: true} }),
		pool("shrunk", func(p *vip.Pool) { p.Capacity.OutOfRange = 2 }),
		pool("misnamed", func(p *vip.Pool) { p.Classes = []vip.Class{{Namespace: "nowhere", Name: "gone"}} }),
		pool("no-class", func(p *vip.Pool) { p.Classes = nil }), pool("no-role", func(p *vip.Pool) { p.Roles = nil }),
		pool("typo", func(p *vip.Pool) {
			p.Closed, p.Problems = true,
				[]string{names.Domain + "/namespace: there is no such annotation; did you mean namespaces?"}
		}),
		pool("unread", func(p *vip.Pool) {
			p.Problems = []string{names.Role + `: the annotation is not read, because the label is not "true"`}
		}),
		pool("twin", func(p *vip.Pool) { p.Roles = []string{"storage"} }), pool("twins", func(p *vip.Pool) {
			p.Roles = []string{"storge"}
		}),
		pool("near-class", func(p *vip.Pool) { p.Classes = []vip.Class{{Name: viptest.ClassName + "s"}} }),
		view.PoolFacts{Pool: viptest.Pool("paused", names.RoleIngress), Paused: true},
	)
	manual := viptest.Snapshot(viptest.WithPools(offers("10.0.0.1", "10.0.0.99")), cluster(func(c *vip.Cluster) {
		c.Endpoint = vip.Endpoint{Host: "10.0.0.50", Port: 6443}
	}))
	twin := viptest.Snapshot(cluster(func(c *vip.Cluster) { c.Endpoint = vip.Endpoint{Host: "10.0.0.10", Port: 6443} }))
	f.Snapshots = append(f.Snapshots,
		named("team-b", "manual", manual), named("team-b", "twin", twin), named("team-b", "lost", viptest.Snapshot()),
		named("team-b", "full", viptest.Snapshot(viptest.WithPools(viptest.Full))),
	)
	claim := func(name, cluster string, owner *vip.Owner) view.ClaimFacts {
		return view.ClaimFacts{Cluster: cluster, Claim: viptest.Claim("ingress", "web", func(c *vip.Claim) {
			c.Name, c.Owner = name, owner
		})}
	}
	f.Claims = append(f.Claims,
		claim("vip-ingress-gone", "gone", &vip.Owner{Kind: "Cluster", Name: "gone", UID: "x"}),
		claim("vip-ingress-restored", "restored", nil),
		claim("vip-storage-prod", viptest.ClusterName, nil),
	)
	address := func(name, value string) view.AddressFacts {
		return view.AddressFacts{
			Address: vip.Address{Namespace: viptest.Namespace, Name: name, Value: value, Claim: name},
			Pool:    viptest.GlobalRef("a"),
		}
	}
	f.Addresses = append(f.Addresses, address("vip-ingress-gone", "10.0.0.20"), address("leaked", "10.0.0.30"),
		address("vip-cp-manual", "10.0.0.50"))
	return f
}

// planned returns a Cluster that would be served, one that would wait, and one that exists.
func planned() []view.ClusterPlan {
	operator := running()
	first := viptest.Snapshot(viptest.WithPools())
	bound := viptest.Snapshot(viptest.WithPools(), viptest.WithBound(names.RoleControlPlane, "cp", "10.0.0.10"),
		viptest.WithBound(names.RoleIngress, "web", "10.0.0.20"))
	actions := slices.Concat(vip.Decide(first).Actions, vip.Decide(bound).Actions)
	full := viptest.Snapshot(viptest.WithPool("cp", names.RoleControlPlane, viptest.Full),
		viptest.WithClaim(names.RoleControlPlane, "cp"))
	return []view.ClusterPlan{
		view.PlanOf(bound, false, actions, &operator),
		view.PlanOf(full, false, []vip.Action{
			vip.CreateClaim{Role: names.RoleControlPlane, Name: "vip-cp-prod", Pool: viptest.GlobalRef("cp")},
		}, &operator),
		view.PlanOf(viptest.Snapshot(viptest.Served()), true, nil, &operator),
		view.PlanOf(viptest.Snapshot(cluster(func(c *vip.Cluster) { c.Class = vip.Class{} })), false, nil, &operator),
		view.PlanOf(viptest.Snapshot(viptest.WithPools(), cluster(func(c *vip.Cluster) { c.Paused = true })), false,
			nil, &operator),
	}
}

// slot adds a bound claim for another ingress address.
func slot(slot, address string) viptest.Option {
	return viptest.WithBound(slot, "web", address, func(c *vip.Claim) { c.Role = names.RoleIngress })
}
