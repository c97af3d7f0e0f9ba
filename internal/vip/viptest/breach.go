package viptest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Breaches returns what a plan would do that no plan may ever do, whatever the snapshot: take an address for a Cluster
// from a pool that is not for its tenant, give up an address that a living Cluster needs, write an address that had to
// be probed first, or report a VIP that is not there. It restates the contract and uses none of the code that decides.
func Breaches(s *vip.Snapshot, plan vip.Plan) []string {
	var found []string
	for _, action := range plan.Actions {
		var broken string
		switch a := action.(type) {
		case vip.CreateClaim:
			broken = foreign(s, a.Role, a.Pool)
		case vip.ReplaceClaim:
			broken = foreign(s, a.Role, a.Pool)
			if broken == "" && a.Claim.Address != "" && inUse(s, a.Role, &a.Claim) {
				broken = "the claim is bound, and its address in use"
			} else if broken == "" && addressOf(s, &a.Claim) != "" && !known(s, a.Claim.Pool) {
				broken = "the claim is bound, and nobody knows its pool"
			}
		case vip.AdoptClaim:
			broken = wrongAdoption(s, a.Role, &a.Claim)
		case vip.RenewOwner:
			if a.Claim.Owner == nil || a.Claim.Owner.UID != s.Cluster.UID {
				broken = "the claim is not the Cluster's"
			} else if a.Claim.Owner.Version == s.ClusterVersion {
				broken = "the claim says so already"
			}
		case vip.DeleteClaim:
			broken = wrongRelease(s, a.Role, &a.Claim)
		}
		if broken != "" {
			found = append(found, fmt.Sprintf("%s: %s, but %s", s.Cluster.Key(), action, broken))
		}
	}
	found = append(found, unprobed(s, plan)...)
	found = append(found, partial(s, plan)...)
	return append(found, premature(s, plan)...)
}

// partial returns the annotations that a plan would write for the first time with fewer addresses than the Cluster
// should have. It skips restored ones, which have all that was there.
func partial(s *vip.Snapshot, plan vip.Plan) []string {
	var found []string
	for _, action := range plan.Actions {
		a, ok := action.(vip.SetAnnotation)
		if !ok || a.Restored || a.Role == names.RoleControlPlane {
			continue
		}
		claims := 0
		for i := range s.Claims {
			owner := s.Claims[i].Owner
			if _, ok := slotOf(&s.Cluster, a.Role, &s.Claims[i]); ok && owner != nil && owner.UID == s.Cluster.UID {
				claims++
			}
		}
		choice := vip.Choose(&s.Cluster, s.Pools, a.Role)
		if got := len(vip.Addrs(a.Role, a.Value)); choice.Pool != nil && got < choice.PerCluster() || got < claims {
			found = append(found, fmt.Sprintf("%s: %s, and that is not all", s.Cluster.Key(), action))
		}
	}
	return found
}

// premature returns the conditions that a plan would write before the Cluster has the VIP that they report. A plan
// that sets variables writes no conditions.
func premature(s *vip.Snapshot, plan vip.Plan) []string {
	written := s.Cluster
	for _, action := range plan.Actions {
		if _, ok := action.(vip.SetVariables); ok {
			return nil
		}
		Write(&written, action)
	}
	var found []string
	for _, change := range plan.Status.Changes {
		value := written.VIPs[change.Role]
		if change.Role == names.RoleControlPlane {
			value = written.Endpoint.Host
		}
		if change.True && change.Reason == names.ReasonIPAddressAssigned && value == "" {
			found = append(found, fmt.Sprintf("%s: %s, and the Cluster does not have it", s.Cluster.Key(), change))
		}
	}
	return found
}

// foreign says why a Cluster may not take an address from a pool: the pool is not for the Cluster, or a more specific
// one is.
func foreign(s *vip.Snapshot, role string, ref vip.PoolRef) string {
	c := &s.Cluster
	at := slices.IndexFunc(s.Pools, func(p vip.Pool) bool {
		return p.Ref == ref && (p.Namespace == "" || p.Namespace == c.Namespace)
	})
	if at < 0 || !isFor(&s.Pools[at], c) {
		return fmt.Sprintf("%s is not for %s", ref, c.Key())
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		serves := slices.Contains(p.Roles, role) && !p.Deleting && !p.Closed && isFor(p, c)
		if serves && specific(p, c) > specific(&s.Pools[at], c) {
			return fmt.Sprintf("%s is for it, and more specific", p.Ref)
		}
	}
	return ""
}

// known reports whether ref, in a claim of the Cluster's namespace, refers to an existing pool.
func known(s *vip.Snapshot, ref vip.PoolRef) bool {
	return slices.ContainsFunc(s.Pools, func(p vip.Pool) bool {
		return p.Ref == ref && (p.Namespace == "" || p.Namespace == s.Cluster.Namespace)
	})
}

// isFor reports whether a pool is for a Cluster by everything but the role.
func isFor(p *vip.Pool, c *vip.Cluster) bool {
	named := slices.ContainsFunc(p.Clusters, func(e types.NamespacedName) bool {
		return e.Namespace == c.Namespace && (e.Name == "*" || e.Name == c.Name)
	})
	class := slices.ContainsFunc(p.Classes, func(e vip.Class) bool {
		return e.Name == "*" && c.Class.Name != "" ||
			e.Name == c.Class.Name && (e.Namespace == "" || e.Namespace == c.Class.Namespace)
	})
	other := slices.ContainsFunc(p.Variables, func(v vip.Variable) bool { return !hasValue(c, v) })
	return class && (named || len(p.Clusters) == 0) && !other && open(p, c)
}

// open reports whether a pool is for the Cluster's namespace.
func open(p *vip.Pool, c *vip.Cluster) bool {
	if p.Namespace != "" {
		return p.Namespace == c.Namespace
	}
	return len(p.Namespaces) == 0 || slices.Contains(p.Namespaces, c.Namespace)
}

// hasValue reports whether a variable of the Cluster, or a field of it, is a string, a number or a boolean with the
// value that the pool asks for.
func hasValue(c *vip.Cluster, want vip.Variable) bool {
	path := strings.Split(want.Path, ".")
	var value any
	if json.Unmarshal(c.Variables[path[0]], &value) != nil {
		return false
	}
	for _, field := range path[1:] {
		object, _ := value.(map[string]any)
		value = object[field]
	}
	switch value.(type) {
	case string, float64, bool:
		return fmt.Sprint(value) == want.Value
	}
	return false
}

// specific ranks pools that are for a Cluster as the table in docs/pools.md does: a higher number comes first.
func specific(p *vip.Pool, c *vip.Cluster) int {
	local := 0
	if p.Namespace != "" {
		local = 1
	}
	switch {
	case slices.Contains(p.Clusters, c.Key()):
		return 8 + local
	case len(p.Variables) > 0:
		return 6 + local
	case local > 0:
		return 4
	case slices.ContainsFunc(p.Classes, func(e vip.Class) bool { return e.Name == c.Class.Name }):
		return 2
	}
	return 0
}

// wrongAdoption says why a claim may not be adopted: it has an owner, or its pool is not for the Cluster's namespace
// and the Cluster does not already carry its address, as after a restore.
func wrongAdoption(s *vip.Snapshot, role string, claim *vip.Claim) string {
	address := addressOf(s, claim)
	mayHave := slices.ContainsFunc(s.Pools, func(p vip.Pool) bool {
		return p.Ref == claim.Pool && open(&p, &s.Cluster)
	})
	carries := address != "" && (slices.Contains(vip.Addrs(role, s.Cluster.VIPs[role]), vip.ParseAddr(address)) ||
		role == names.RoleControlPlane && vip.SameAddr(s.Cluster.Endpoint.Host, address))
	switch {
	case claim.Owner != nil:
		return "the claim is someone's"
	case mayHave, carries:
		return ""
	}
	return fmt.Sprintf("%s is not for namespace %s", claim.Pool, s.Cluster.Namespace)
}

// wrongRelease says why a claim may not be deleted: it is neither the Cluster's nor an ownerless one that the Cluster
// could adopt while it goes; its address was written and machines may still use it; or the Cluster lives and needs it.
// A living Cluster can give up only one claim: that of its control plane, when someone else has given it a host and
// nothing says that the claim's address was ever in use.
func wrongRelease(s *vip.Snapshot, role string, claim *vip.Claim) string {
	c, address := &s.Cluster, addressOf(s, claim)
	slot, _ := slotOf(c, role, claim)
	recorded := c.Written[slot] != ""
	written := c.VIPs[role] != "" || role == names.RoleControlPlane && c.Endpoint.Host != ""
	switch {
	case claim.Owner == nil && (!c.Deleting || wrongAdoption(s, role, claim) != ""),
		claim.Owner != nil && claim.Owner.UID != c.UID:
		return "the claim is not the Cluster's"
	case c.Deleting && c.InUse && (c.HasFinalizer || written || recorded):
		return "machines may still use the address"
	case c.Deleting:
		return ""
	case claim.Name != names.ClaimName(c.Name, names.RoleControlPlane):
		return "the Cluster lives"
	case c.Endpoint.Host == "":
		return "the Cluster has no endpoint"
	case inUse(s, role, claim):
		return "the address is in use"
	case claim.Address != "" && address == "":
		return "nobody knows its address"
	}
	return ""
}

// inUse reports whether the Cluster uses the address of a claim, or was given it.
func inUse(s *vip.Snapshot, role string, claim *vip.Claim) bool {
	c, address := &s.Cluster, addressOf(s, claim)
	slot, _ := slotOf(c, role, claim)
	return c.Written[slot] == claim.UID || inVariable(c, address) ||
		slices.Contains(vip.Addrs(role, c.VIPs[role]), vip.ParseAddr(address)) ||
		role == names.RoleControlPlane && vip.SameAddr(c.Endpoint.Host, address)
}

// inVariable reports whether HostVariable holds an address, so that templates may have it.
func inVariable(c *vip.Cluster, address string) bool {
	return vip.SameAddr(strings.Trim(string(c.Variables[HostVariable]), `"`), address)
}

// addressOf returns the address that a claim is bound to or is about to be bound to, or "".
func addressOf(s *vip.Snapshot, claim *vip.Claim) string {
	for _, address := range s.Addresses {
		owned := address.ClaimUID == "" || address.ClaimUID == claim.UID
		if owned && address.Claim == claim.Name && address.Name == cmp.Or(claim.Address, claim.Name) {
			return address.Value
		}
	}
	return ""
}
