package chaos

import (
	"context"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// faults are what goes wrong beside the users' operations. What does not pass by itself lasts until the next quiet.
func faults() []operation {
	fault := func(name string, weight int, do func(*chaos, context.Context) error) operation {
		return operation{name: name, weight: weight, fault: true, do: func(c *chaos, _ *rapid.T) {
			c.disturb(name, do)
		}}
	}
	leader := func(name string, weight int, do func(*replica)) operation {
		return fault(name, weight, func(c *chaos, _ context.Context) error {
			do(c.fleet.leader())
			return nil
		})
	}
	all := []operation{
		fault("end the leader", 2, func(c *chaos, ctx context.Context) error {
			leader := c.fleet.leader()
			if leader.isFrozen() {
				return nil // a frozen process would not notice
			}
			_, err := leader.current().Stop(ctx)
			return err
		}),
		fault("kill the leader", 2, func(c *chaos, _ context.Context) error {
			return c.fleet.leader().current().Kill()
		}),
		fault("kill all replicas", 1, func(c *chaos, _ context.Context) error {
			for _, r := range c.fleet.replicas {
				if err := r.current().Kill(); err != nil {
					return err
				}
			}
			return nil
		}),
		fault("kill all replicas, for long", 1, func(c *chaos, _ context.Context) error {
			for _, r := range c.fleet.replicas {
				if err := r.keepAway(); err != nil {
					return err
				}
			}
			return nil
		}),
		fault("freeze the leader", 1, func(c *chaos, _ context.Context) error { return c.fleet.leader().freeze() }),
		leader("lose requests and answers of the leader", 2, func(r *replica) {
			r.proxy.Inject(harness.Faults{Refuse: 0.15, Drop: 0.25})
		}),
		leader("double writes of the leader", 2, func(r *replica) { r.proxy.Inject(harness.Faults{Double: 0.6}) }),
		leader("delay requests of the leader", 2, func(r *replica) {
			r.proxy.Inject(harness.Faults{Delay: 0.5, Longest: time.Second})
		}),
		leader("lose, double and delay requests of the leader", 1, func(r *replica) {
			r.proxy.Inject(harness.Faults{
				Refuse: 0.1, Drop: 0.15, Double: 0.3, Delay: 0.3, Longest: 500 * time.Millisecond,
			})
		}),
		leader("cut the leader off", 1, func(r *replica) { r.proxy.Cut(true) }),
		leader("cut the watches of the leader", 2, func(r *replica) { r.proxy.CutWatches() }),
		leader("silence the watches of the leader", 1, func(r *replica) { r.proxy.StallWatches() }),
	}
	for _, kind := range []string{"clusters", "ipaddressclaims", "ipaddresses"} {
		all = append(all, leader("hold back the leader's watch of "+kind, 1, func(r *replica) { r.proxy.Lag(kind) }))
	}
	for _, component := range []plane.Component{plane.IPAM, plane.CAPI, plane.ControllerManager} {
		all = append(all, operation{
			name: "kill " + string(component), weight: 1, fault: true,
			possible: func(c *chaos) bool { return !c.down[component] },
			do: func(c *chaos, _ *rapid.T) {
				c.down[component] = true
				c.disturb("kill "+string(component), func(c *chaos, _ context.Context) error {
					return c.Plane.KillComponent(component)
				})
			},
		})
	}
	for _, component := range []plane.Component{plane.APIServer, plane.Etcd} {
		all = append(all, operation{
			name: "kill and start " + string(component), weight: 1, fault: true,
			possible: func(c *chaos) bool { return c.severe },
			do: func(c *chaos, _ *rapid.T) {
				c.severe = false // once per case
				c.disturb("kill and start "+string(component), func(c *chaos, ctx context.Context) error {
					if err := c.Plane.KillComponent(component); err != nil {
						return err
					}
					return c.Plane.StartComponent(ctx, component)
				})
			},
		})
	}
	return append(all, operation{
		name: "repair everything", weight: 2, possible: func(c *chaos) bool { return c.disturbed },
		do: func(c *chaos, _ *rapid.T) { c.repair() },
	})
}

// disturb logs and injects a fault.
func (c *chaos) disturb(what string, do func(*chaos, context.Context) error) {
	c.disturbed = true
	c.logf("FAULT: %s", what)
	c.try(func(ctx context.Context) error {
		if err := do(c, ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// repair ends all faults and starts what is down.
func (c *chaos) repair() {
	if c.failure != nil {
		return
	}
	c.logf("repair everything")
	c.try(func(ctx context.Context) error {
		for _, status := range c.Plane.Status() { // in the order in which they depend on each other
			if status.Running {
				continue
			}
			if !c.down[status.Name] {
				c.logf("  %s has ended by itself", status.Name)
			}
			if err := c.Plane.StartComponent(ctx, status.Name); err != nil {
				return err
			}
		}
		clear(c.down)
		for _, r := range c.fleet.replicas {
			if err := r.comeBack(); err != nil {
				return err
			}
		}
		return nil
	})
	for _, p := range c.pools {
		if p.paused {
			c.unpausePool(p)
		}
	}
}
