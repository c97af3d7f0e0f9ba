package chaos

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// largest is how many addresses a pool has at most, so that pools never grow into each other.
const largest = 8

// onPool makes an operation on one of the matching pools. The provider's webhooks must be running for it, and Cluster
// API's for claims.
func onPool(name string, weight int, such func(*pool) bool, do func(*chaos, *rapid.T, *pool)) operation {
	choose := func(c *chaos) []*pool {
		var chosen []*pool
		for _, p := range c.pools {
			if such(p) {
				chosen = append(chosen, p)
			}
		}
		return chosen
	}
	return operation{
		name: name, weight: weight,
		possible: func(c *chaos) bool { return !c.down[plane.IPAM] && !c.down[plane.CAPI] && len(choose(c)) > 0 },
		do:       func(c *chaos, rt *rapid.T) { do(c, rt, pick(rt, choose(c), "pool")) },
	}
}

func poolOperations() []operation {
	anyPool := func(*pool) bool { return true }
	return []operation{
		onPool("relabel a pool", 4, anyPool, (*chaos).relabel),
		onPool("rank a pool", 2, anyPool, (*chaos).rank),
		onPool("grow a pool", 4, func(p *pool) bool { return p.size < largest }, (*chaos).grow),
		onPool("shrink a pool", 2, func(p *pool) bool { return p.size > 1 }, (*chaos).shrink),
		onPool("take a pool's addresses", 4, func(p *pool) bool { return len(p.guests) == 0 }, (*chaos).fill),
		onPool("give a pool's addresses back", 6, func(p *pool) bool { return len(p.guests) > 0 }, (*chaos).drain),
		onPool("pause a pool", 2, func(p *pool) bool { return !p.paused }, (*chaos).pausePool),
	}
}

func (c *chaos) poolObject(p *pool) harness.NewPool {
	object := harness.NewPool{
		Namespace: p.namespace, Name: p.name, Class: c.served(p), Role: strings.Join(p.roles, ","),
		Addresses: []string{c.addresses(p)},
	}
	if c.flavor == takesVariable && slices.Contains(p.roles, controlPlane) {
		object.Annotations = map[string]string{names.HostVariable: variable}
	}
	return object
}

// served returns the class that a pool is meant to serve.
func (c *chaos) served(p *pool) string {
	if p.wanted {
		return c.name
	}
	return "nobody"
}

func (c *chaos) addresses(p *pool) string {
	return fmt.Sprintf("%[1]s.%[2]d-%[1]s.%[3]d", c.subnet, p.first, p.first+p.size-1)
}

// offers returns the addresses of a pool one by one.
func (c *chaos) offers(p *pool) []string {
	offers := make([]string, p.size)
	for n := range offers {
		offers[n] = fmt.Sprintf("%s.%d", c.subnet, p.first+n)
	}
	return offers
}

func (c *chaos) relabel(_ *rapid.T, p *pool) {
	p.wanted = !p.wanted
	serve := map[string]any{"metadata": map[string]any{"labels": map[string]any{names.ClusterClass: c.served(p)}}}
	if c.userPool(p, "serve "+c.served(p), serve) {
		p.serves = p.wanted
	}
}

func (c *chaos) rank(rt *rapid.T, p *pool) {
	priority := strconv.Itoa(between(rt, -1, 2, "priority"))
	c.userPool(p, "priority "+priority, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{names.Priority: priority}},
	})
}

func (c *chaos) grow(_ *rapid.T, p *pool) {
	p.size = min(p.size+2, largest)
	c.resize(p)
}

// shrink takes addresses from a pool; the provider refuses to give up addresses in use.
func (c *chaos) shrink(_ *rapid.T, p *pool) {
	p.size = max(p.size-2, 1)
	c.resize(p)
}

func (c *chaos) resize(p *pool) {
	c.userPool(p, "addresses "+c.addresses(p), map[string]any{
		"spec": map[string]any{"addresses": []any{c.addresses(p)}},
	})
}

// fill uses up addresses of a pool with claims that belong to no Cluster.
func (c *chaos) fill(rt *rapid.T, p *pool) {
	number := between(rt, 1, p.size, "addresses")
	var claims []harness.Object
	for i := range number {
		name := fmt.Sprintf("guest-%s-%d", p.name, i)
		p.guests = append(p.guests, name)
		claims = append(claims, harness.NewClaim{
			Namespace: c.name, Name: name, Pool: p.name, Namespaced: p.namespace != "",
		})
	}
	c.user(fmt.Sprintf("take %d addresses of pool %s", number, p.name), func(ctx context.Context) error {
		return c.Ensure(ctx, claims...)
	})
}

func (c *chaos) drain(_ *rapid.T, p *pool) {
	c.user("give the addresses of pool "+p.name+" back", func(ctx context.Context) error {
		return c.removeGuests(ctx, p)
	})
	p.guests = nil
}

func (c *chaos) removeGuests(ctx context.Context, p *pool) error {
	for _, guest := range p.guests {
		if err := harness.Delete(ctx, c.Claims(c.name), guest); err != nil {
			return err
		}
	}
	return nil
}

// pausePool keeps the provider from assigning and taking back addresses until the next quiet.
func (c *chaos) pausePool(_ *rapid.T, p *pool) {
	p.paused, c.disturbed = true, true
	c.userPool(p, "pause", map[string]any{"metadata": map[string]any{"annotations": map[string]any{names.Paused: ""}}})
}

// unpausePool ends the pause. It also gives the pool all its addresses, or the provider might refuse it.
func (c *chaos) unpausePool(p *pool) {
	p.paused, p.size = false, largest
	c.userPool(p, "unpause", map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{names.Paused: nil}},
		"spec":     map[string]any{"addresses": []any{c.addresses(p)}},
	})
}

// userPool patches a pool, and reports whether the provider accepted it.
func (c *chaos) userPool(p *pool, what string, patch map[string]any) (taken bool) {
	c.user(fmt.Sprintf("edit pool %s: %s", p.name, what), func(ctx context.Context) error {
		err := harness.Merge(ctx, c.Pools(p.namespace), p.name, patch)
		if apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsInvalid(err) {
			c.logf("  refused: %v", err)
			return nil
		}
		taken = err == nil
		return err
	})
	return taken
}
