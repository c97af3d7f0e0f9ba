package viptest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Provide lets the IPAM provider take one step, and reports whether there was one to take. Like the in-cluster
// provider it has one worker, hands out the lowest free address of a pool, tracks used addresses for each pool
// separately, and leaves the claims of paused Clusters alone.
func (w *World) Provide() bool {
	for _, k := range w.queue() {
		claim := w.claims[k]
		if cluster := w.owner(claim); cluster != nil && cluster.Paused {
			continue
		}
		if w.release(k, claim) || w.assign(claim) {
			w.count()
			return true
		}
	}
	return false
}

// queue returns the keys of the claims, the oldest first.
func (w *World) queue() []string {
	keys := sorted(w.claims)
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Compare(w.order[w.claims[a].UID], w.order[w.claims[b].UID])
	})
	return keys
}

func (w *World) owner(claim *vip.Claim) *vip.Cluster {
	for _, state := range w.clusters {
		if claim.Owner != nil && state.UID == claim.Owner.UID {
			return &state.Cluster
		}
	}
	return nil
}

func (w *World) poolOf(claim *vip.Claim) *PoolState {
	for _, pool := range w.pools {
		if pool.Ref == claim.Pool && (pool.Namespace == "" || pool.Namespace == claim.Namespace) {
			return pool
		}
	}
	return nil
}

// release ends a claim in deletion and gives its address back.
func (w *World) release(k string, claim *vip.Claim) bool {
	if !claim.Deleting {
		return false
	}
	if pool := w.poolOf(claim); pool != nil && w.Now.Before(claim.DeletedAt.Add(pool.Grace)) {
		return false
	}
	delete(w.claims, k)
	for _, at := range sorted(w.address) {
		if address := w.address[at]; address.Namespace == claim.Namespace && address.Claim == claim.Name {
			delete(w.address, at)
			w.logf("ipam: releases %s of claim %s", address.Value, claim.Name)
			return true
		}
	}
	w.logf("ipam: drops claim %s", claim.Name)
	return true
}

// assign creates an address for a claim, or binds the claim to the address that was created for it.
func (w *World) assign(claim *vip.Claim) bool {
	pool := w.poolOf(claim)
	if claim.Deleting || claim.Address != "" || pool == nil {
		return false
	}
	k := key(claim.Namespace, claim.Name)
	if _, ok := w.address[k]; !ok {
		value := w.free(pool)
		if value == "" {
			return false
		}
		w.address[k] = &addressState{
			Address: vip.Address{
				Namespace: claim.Namespace, Name: claim.Name, Value: value, Claim: claim.Name, ClaimUID: claim.UID,
				Born: vip.Born{At: w.second(), Serial: w.next()},
			},
			pool: claim.Pool, at: w.Now,
		}
		w.logf("ipam: makes %s for claim %s", value, claim.Name)
		return true
	}
	claim.Address = claim.Name
	claim.ResourceVersion = strconv.FormatUint(w.next(), 10)
	w.logf("ipam: binds claim %s", claim.Name)
	return true
}

// used returns the addresses of a pool that are assigned.
func (w *World) used(pool *PoolState) map[string]bool {
	used := map[string]bool{}
	for _, address := range w.address {
		if address.pool == pool.Ref && (pool.Namespace == "" || pool.Namespace == address.Namespace) {
			used[address.Value] = true
		}
	}
	return used
}

func (w *World) free(pool *PoolState) string {
	used := w.used(pool)
	for _, value := range pool.Range {
		if !used[value] {
			return value
		}
	}
	return ""
}

// count updates the status of all pools.
func (w *World) count() {
	for _, pool := range w.pools {
		used := len(w.used(pool))
		pool.KeepsReleased = pool.Grace > 0
		pool.Capacity = vip.Capacity{Known: true, Total: len(pool.Range), Used: used, Free: len(pool.Range) - used}
	}
}

// Change is an administrator's change to a pool.
func (w *World) Change(pool *PoolState, what string, change func(*PoolState)) {
	change(pool)
	w.count()
	w.logf("admin: %s pool %s", what, pool.Ref)
}

// Wait lets time pass.
func (w *World) Wait(d time.Duration) { w.Now = w.Now.Add(d) }

// Jump sets how far the allocator's clock is ahead of everyone else's.
func (w *World) Jump(skew time.Duration) {
	w.skew = skew
	w.logf("clock: the allocator's is %s ahead", skew)
}

// Assigned returns the assigned addresses with the claims that hold them.
func (w *World) Assigned() []string {
	var lines []string
	for _, k := range sorted(w.address) {
		lines = append(lines, fmt.Sprintf("%s %s", k, w.address[k].Value))
	}
	return lines
}

// Held returns the claims whose address their Cluster carries, each in its current state and with its address.
func (w *World) Held() []string {
	var lines []string
	for _, k := range sorted(w.claims) {
		claim := w.claims[k]
		cluster, address := w.owner(claim), w.address[key(claim.Namespace, claim.Address)]
		if cluster == nil || address == nil || claim.Deleting {
			continue
		}
		if vip.CarriedIn(claim.Role, cluster.Endpoint.Host, cluster.VIPs, vip.ParseAddr(address.Value)) != "" {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", k, claim.UID, claim.Pool, address.Value))
		}
	}
	return lines
}
