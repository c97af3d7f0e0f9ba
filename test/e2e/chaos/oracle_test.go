package chaos

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// asItHasToBe returns what breaks the contract when all is quiet: each Cluster has what the pools can give it, or
// says why not; nothing exists that nobody needs; and the pools' counts are right.
func (c *chaos) asItHasToBe() error {
	for _, k := range c.clusters {
		if err := c.clusterIsRight(k); err != nil {
			return fmt.Errorf("Cluster %s: %w", k.name, err)
		}
	}
	if err := c.nothingLeaked(); err != nil {
		return err
	}
	c.report.checked("all is as it has to be when quiet", 1)
	return nil
}

func (c *chaos) clusterIsRight(k *cluster) error {
	cluster := c.Cluster(c.name, k.name)
	switch {
	case k.state == absent || k.state == leaving && !k.stays():
		if cluster != nil {
			return fmt.Errorf("is still there, with the finalizers %v", cluster.GetFinalizers())
		}
		return nil
	case cluster == nil && k.state == leaving && !k.held:
		return nil // it was deleted before Cluster API had put its finalizer on
	case cluster == nil:
		return errors.New("is not there")
	case k.foreign != "":
		return k.foreignIsRight(cluster)
	case k.state == leaving:
		return c.leavingIsRight(k, cluster)
	case cluster.GetDeletionTimestamp() != nil:
		return errors.New("is being deleted, and nobody asked for it")
	case k.paused:
		return nil // nobody touches it, whatever is missing
	}
	return errors.Join(c.controlPlaneIsRight(k, cluster), c.ingressIsRight(k, cluster), c.finalizerIsRight(cluster))
}

// foreignIsRight checks that it has nothing of ours except for what its owner wrote.
func (k *cluster) foreignIsRight(seen *harness.Cluster) error {
	bare := &harness.Cluster{Unstructured: seen.DeepCopy()}
	annotations := bare.GetAnnotations()
	maps.DeleteFunc(annotations, func(key, value string) bool { return value != "" && k.squats[key] == value })
	bare.SetAnnotations(annotations)
	if bare.HasFinalizer() || len(bare.Carried()) > 0 || bare.Condition(ingress) != nil {
		return fmt.Errorf("is not ours, and has %v, %v, %v", bare.GetFinalizers(), bare.Carried(), bare.Conditions())
	}
	return nil
}

// leavingIsRight checks that what is used until Cluster API has finished stays allocated.
func (c *chaos) leavingIsRight(k *cluster, cluster *harness.Cluster) error {
	if !cluster.InUse() || k.fresh {
		return nil
	}
	for _, role := range []string{controlPlane, ingress} {
		address := cluster.VIP(role)
		if k.lost[role] || k.byHand != "" || k.tampered || address == "" ||
			c.bound(c.claim(cluster, role)) == "" && c.Claim(c.name, names.ClaimName(k.name, role)) != nil {
			continue
		}
		claim := c.claim(cluster, role)
		if claim == nil || claim.GetDeletionTimestamp() != nil {
			return fmt.Errorf("is still in use, and its claim for role %s is not there or in deletion", role)
		}
	}
	return nil
}

// controlPlaneIsRight checks endpoint, annotation, claim and condition of the control plane.
func (c *chaos) controlPlaneIsRight(k *cluster, cluster *harness.Cluster) error {
	host, claim, said := cluster.Endpoint().Host, c.claim(cluster, controlPlane), reason(cluster, controlPlane)
	bound := c.bound(claim)
	switch {
	case host != "" && host == k.byHand:
		if said != "" && said != names.ReasonEndpointProvided && said != names.ReasonAddressConflict {
			return fmt.Errorf("has a host that was set by hand, and says %s", said)
		}
		return nil
	case host == "" || bound != host:
		return c.isWithout(k, cluster, host, claim, bound, said)
	case said != names.ReasonIPAddressAssigned:
		return fmt.Errorf("has its endpoint, and says %q", said)
	case cluster.VIP(controlPlane) != host:
		return fmt.Errorf("has the endpoint %s and the annotation %q", host, cluster.VIP(controlPlane))
	}
	if c.flavor == takesVariable && !hasVariable(cluster, host) {
		return errors.New("its variable does not have the VIP")
	}
	if _, ok := cluster.GetAnnotations()[names.TopologyGate]; ok {
		return errors.New("has its endpoint, and the gate is still there")
	}
	return nil
}

// isWithout checks a Cluster that has no endpoint, or whose claim is not bound to the endpoint in use.
func (c *chaos) isWithout(
	k *cluster, cluster *harness.Cluster, host string, claim *harness.Claim, bound, said string,
) error {
	pools := c.serving(controlPlane)
	switch {
	case claim != nil && claim.GetDeletionTimestamp() != nil:
		return errors.New("its claim is in deletion")
	case claim == nil && host != "" && k.tampered && k.lost[controlPlane] && said == names.ReasonEndpointProvided:
		return nil // nothing shows any more where the host came from
	case bound != "" && host != "":
		if said != names.ReasonAddressConflict || !k.lost[controlPlane] {
			return fmt.Errorf("its claim has %s, its endpoint is %s, and it says %q", bound, host, said)
		}
		return nil
	case bound != "" && said == names.ReasonAddressConflict && c.heldByOther(cluster, claim, bound):
		return nil
	case bound != "" && c.neverServed(cluster, claim, said, controlPlane):
		return nil
	case bound != "" && said == names.ReasonWaitingForTopology && k.follows && lostByClusterAPI(cluster):
		return nil
	case bound != "":
		return fmt.Errorf("its claim has %s, it has no endpoint and says %q", bound, said)
	case claim == nil && (c.blocked(k, said) || c.wouldRecur(k, pools, said, controlPlane)):
		return nil
	}
	return c.waits(claim, pools, said, controlPlane)
}

// lostByClusterAPI reports whether Cluster API cannot read its own objects of the Cluster. If a Cluster is deleted
// while Cluster API creates them, and another of its name follows at once, Cluster API may write the first one's
// references to the second, and the garbage collector deletes what they name.
func lostByClusterAPI(cluster *harness.Cluster) bool {
	return slices.ContainsFunc(cluster.Conditions(), func(condition metav1.Condition) bool {
		return condition.Type == names.TopologyReconciled && condition.Status == metav1.ConditionFalse &&
			strings.Contains(condition.Message, "not found")
	})
}

// blocked reports whether an ownerless claim is in the way, and the Cluster says so.
func (c *chaos) blocked(k *cluster, said string) bool {
	claim := c.Claim(c.name, names.ClaimName(k.name, controlPlane))
	return claim != nil && claim.Owner() == "" && c.unserved(claim, said, controlPlane)
}

// neverServed reports whether the pool of a Cluster's own claim went away before the VIP was written, and no other
// could take its place. What was written once stays.
func (c *chaos) neverServed(cluster *harness.Cluster, claim *harness.Claim, said, role string) bool {
	wrote := strings.Contains(cluster.GetAnnotations()[names.Claims], string(claim.GetUID()))
	return !wrote && len(c.serving(role)) == 0 && c.unserved(claim, said, role)
}

// unserved reports whether the pool of a claim does not serve the role, so that its address may not be written, and
// the Cluster says so.
func (c *chaos) unserved(claim *harness.Claim, said, role string) bool {
	p := c.poolNamed(claim.Pool())
	return said == names.ReasonClaimConflict && (p == nil || !p.serves || !slices.Contains(p.roles, role))
}

// wouldRecur reports whether the claim was deleted by hand and none follows, since a new one might get an address
// that another pool has given to someone else.
func (c *chaos) wouldRecur(k *cluster, pools []*pool, said, role string) bool {
	recurs := func(a *harness.Address) bool {
		return slices.ContainsFunc(pools, func(p *pool) bool {
			return p.name != a.Pool() && slices.Contains(c.offers(p), a.Value())
		})
	}
	return k.lost[role] && said == names.ReasonAddressConflict && slices.ContainsFunc(c.AddressesIn(c.name), recurs)
}

// waits checks a role without an address: no pool serves it, or all that do are full.
func (c *chaos) waits(claim *harness.Claim, pools []*pool, said, role string) error {
	if len(pools) == 0 {
		if role == controlPlane && said != names.ReasonPoolNotFound {
			return fmt.Errorf("no pool serves role %s, and it says %q", role, said)
		}
		return nil
	}
	for _, p := range pools {
		if capacity, known := c.Capacity(p.namespace, p.name); !known || capacity.Free > 0 {
			return fmt.Errorf("has no address for role %s, says %q, and pool %s reports %+v",
				role, said, p.name, capacity)
		}
	}
	if claim == nil || said != names.ReasonPoolExhausted {
		return fmt.Errorf("all pools for role %s are full, and it says %q (claim: %t)", role, said, claim != nil)
	}
	return nil
}

// ingressIsRight checks annotation, claim and condition of the ingress.
func (c *chaos) ingressIsRight(k *cluster, cluster *harness.Cluster) error {
	claim, said := c.claim(cluster, ingress), reason(cluster, ingress)
	bound := c.bound(claim)
	switch {
	case claim != nil && claim.GetDeletionTimestamp() != nil:
		return errors.New("its claim for ingress is in deletion")
	case claim == nil && c.wouldRecur(k, c.serving(ingress), said, ingress):
		return nil
	case bound == "":
		return c.waits(claim, c.serving(ingress), said, ingress)
	case c.neverServed(cluster, claim, said, ingress):
		return nil
	case said == names.ReasonAddressConflict &&
		(c.heldByOther(cluster, claim, bound) || cluster.Endpoint().Host == bound):
		return nil
	case said != names.ReasonIPAddressAssigned || cluster.VIP(ingress) != bound:
		return fmt.Errorf("its claim for ingress has %s, the annotation says %q and the condition %q",
			bound, cluster.VIP(ingress), said)
	}
	return nil
}

func (c *chaos) finalizerIsRight(cluster *harness.Cluster) error {
	owns := c.claim(cluster, controlPlane) != nil || c.claim(cluster, ingress) != nil
	if owns && !cluster.HasFinalizer() {
		return errors.New("has a claim and not the finalizer")
	}
	if !owns && len(c.serving(controlPlane))+len(c.serving(ingress)) == 0 && len(cluster.Carried()) == 0 &&
		cluster.HasFinalizer() {
		return errors.New("has the finalizer for nothing")
	}
	return nil
}

// nothingLeaked checks that someone needs every claim, every address belongs to a claim, and the pools count them.
func (c *chaos) nothingLeaked() error {
	guests := map[string]bool{}
	for _, p := range c.pools {
		for _, guest := range p.guests {
			guests[guest] = true
		}
	}
	for _, claim := range c.ClaimsIn(c.name) {
		if err := c.claimIsNeeded(claim, guests); err != nil {
			return fmt.Errorf("claim %s: %w", claim.GetName(), err)
		}
	}
	used := map[string]int{}
	for _, address := range c.AddressesIn(c.name) {
		if c.Claim(c.name, address.Claim()) == nil {
			return fmt.Errorf("IPAddress %s has no claim", address.GetName())
		}
		used[address.Pool()]++
	}
	for _, p := range c.pools {
		if capacity, known := c.Capacity(p.namespace, p.name); !known || capacity.Used != used[p.name] {
			return fmt.Errorf("pool %s reports %+v, and %d addresses are from it", p.name, capacity, used[p.name])
		}
	}
	return nil
}

func (c *chaos) claimIsNeeded(claim *harness.Claim, guests map[string]bool) error {
	if claim.Owner() == "" {
		orphan := slices.ContainsFunc(c.clusters, func(k *cluster) bool {
			return k.orphaned && claim.GetName() == names.ClaimName(k.name, controlPlane)
		})
		if !guests[claim.GetName()] && !orphan {
			return errors.New("nobody owns it")
		}
		return nil
	}
	for _, k := range c.clusters {
		cluster := c.Cluster(c.name, k.name)
		if cluster == nil || cluster.GetUID() != claim.Owner() {
			continue
		}
		role := claim.Role()
		switch {
		case claim.GetName() != names.ClaimName(k.name, role):
			return fmt.Errorf("has role %q", role)
		case claim.GetDeletionTimestamp() != nil && !k.paused && k.state == alive:
			return errors.New("is in deletion")
		case role != controlPlane && role != ingress:
			return fmt.Errorf("is for role %q, which no pool serves", role)
		}
		return nil
	}
	return fmt.Errorf("its owner %s does not exist", claim.Owner())
}

// claim returns the claim that a Cluster owns for a role, or nil.
func (c *chaos) claim(cluster *harness.Cluster, role string) *harness.Claim {
	claim := c.Claim(c.name, names.ClaimName(cluster.GetName(), role))
	if claim == nil || claim.Owner() != cluster.GetUID() {
		return nil
	}
	return claim
}

// bound returns the address of a bound claim, or "".
func (c *chaos) bound(claim *harness.Claim) string {
	if claim == nil || claim.Address() == "" {
		return ""
	}
	address := c.Address(c.name, claim.Address())
	if address == nil || address.Claim() != claim.GetName() {
		return ""
	}
	return address.Value()
}

// heldByOther reports whether another Cluster carries an address, or another IPAddress assigns it.
func (c *chaos) heldByOther(cluster *harness.Cluster, claim *harness.Claim, value string) bool {
	for _, other := range c.ClustersIn(c.name) {
		if other.GetUID() != cluster.GetUID() && !other.Released() && slices.Contains(other.Carried(), value) {
			return true
		}
	}
	return slices.ContainsFunc(c.AddressesIn(c.name), func(a *harness.Address) bool {
		return a.Value() == value && a.GetName() != claim.Address()
	})
}

// reason returns the reason of a role's condition, or "" if there is none. It appends a status that does not match
// the reason.
func reason(cluster *harness.Cluster, role string) string {
	condition := cluster.Condition(role)
	if condition == nil {
		return ""
	}
	good := condition.Reason == names.ReasonIPAddressAssigned || condition.Reason == names.ReasonEndpointProvided
	if good != (condition.Status == metav1.ConditionTrue) {
		return condition.Reason + " " + string(condition.Status)
	}
	return condition.Reason
}

func hasVariable(cluster *harness.Cluster, value string) bool {
	variables, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "topology", "variables")
	return slices.ContainsFunc(variables, func(item any) bool {
		fields, _ := item.(map[string]any)
		return fields["name"] == variable && fields["value"] == value
	})
}
