package view

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// holders are those who have an address.
type holders struct {
	// objects are the IPAddresses that assign it and the Clusters that carry it.
	objects []string
	// addresses is how many IPAddresses assign it.
	addresses int
	// clusters are the Clusters that carry it, and those that the IPAddresses are for.
	clusters []types.NamespacedName
}

func (h *holders) cluster(key types.NamespacedName) {
	if !slices.Contains(h.clusters, key) {
		h.clusters = append(h.clusters, key)
	}
}

// shared reports whether more than one has the address. A Cluster that carries the address of its own IPAddress counts
// once; so does an address that someone reserved by a claim for no Cluster and then typed into one.
func (h *holders) shared() bool { return h.addresses > 1 || len(h.clusters) > 1 }

// checkDuplicates finds addresses that are assigned twice or held by more than one Cluster.
func checkDuplicates(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	for addr, h := range f.holders() {
		if !h.shared() {
			continue
		}
		found = append(found, Finding{
			Severity: SeverityError, Object: addr.String(), Message: "is held by " + h.names(),
			Do: "exclude it from all pools but one, and give one of the holders another address",
		})
	}
	slices.SortFunc(found, func(a, b Finding) int { return vip.ParseAddr(a.Object).Compare(vip.ParseAddr(b.Object)) })
	return found
}

func (f *Facts) holders() map[netip.Addr]*holders {
	all := map[netip.Addr]*holders{}
	of := func(value, object string) *holders {
		addr := vip.ParseAddr(value)
		if !addr.IsValid() {
			return &holders{}
		}
		if all[addr] == nil {
			all[addr] = &holders{}
		}
		all[addr].objects = append(all[addr].objects, object)
		return all[addr]
	}
	claims := f.claims()
	for i := range f.Addresses {
		address := &f.Addresses[i]
		h := of(address.Value, "IPAddress "+address.Namespace+"/"+address.Name)
		h.addresses++
		claim := claims[address.claimKey()]
		if claim != nil && claim.Cluster != "" {
			h.cluster(types.NamespacedName{Namespace: claim.Namespace, Name: claim.Cluster})
		}
	}
	for i := range f.Snapshots {
		c := &f.Snapshots[i].Cluster
		if c.Deleting && !c.InUse {
			continue // Cluster API has finished with it
		}
		for _, addr := range carried(c) {
			of(addr.String(), "Cluster "+c.Key().String()).cluster(c.Key())
		}
	}
	return all
}

// carried returns the addresses that a Cluster carries.
func carried(c *vip.Cluster) []netip.Addr {
	addrs := vip.Addrs(names.RoleControlPlane, c.Endpoint.Host)
	for role, value := range c.VIPs {
		addrs = append(addrs, vip.Addrs(role, value)...)
	}
	return addrs
}

// checkOrphans finds claims of the allocator that hold an address for nobody.
func checkOrphans(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	clusters := f.clusters()
	for i := range f.Claims {
		claim := &f.Claims[i]
		if claim.Role == "" || claim.Deleting {
			continue
		}
		finding := Finding{Severity: SeverityWarning, Object: "IPAddressClaim " + claim.Namespace + "/" + claim.Name}
		switch key := (types.NamespacedName{Namespace: claim.Namespace, Name: claim.Cluster}); {
		case claim.Owner == nil && clusters[key] != nil:
			finding.Message = fmt.Sprintf("has the label %s and no owner; Cluster %s exists and did not adopt it",
				names.Role, claim.Cluster)
			finding.Do = "kubectl vip explain -n " + claim.Namespace + " " + claim.Cluster
		case claim.Owner == nil:
			finding.Message = fmt.Sprintf("has the label %s and no owner, and there is no Cluster %s",
				names.Role, cmp.Or(claim.Cluster, "for it"))
			finding.Do = "delete it, unless the Cluster is about to be restored from a backup"
		case claim.Owner.Kind == "Cluster" && !ownerExists(clusters, claim):
			finding.Message = "belongs to Cluster " + claim.Owner.Name + ", which does not exist (any more)"
			finding.Do = "the garbage collector should have taken it; delete it"
		default:
			continue
		}
		found = append(found, finding)
	}
	return found
}

// checkOrphanedAddresses finds IPAddresses whose claim is gone. The provider releases an address with its claim and
// never looks at it again, so one that it missed stays taken for ever.
func checkOrphanedAddresses(f *Facts, _ *Permissions) []Finding {
	var found []Finding
	claims, all := f.claims(), f.holders()
	for i := range f.Addresses {
		address := &f.Addresses[i]
		if claims[address.claimKey()] != nil {
			continue
		}
		finding := Finding{
			Severity: SeverityWarning, Object: "IPAddress " + address.Namespace + "/" + address.Name,
			Message: fmt.Sprintf("keeps %s from %s for claim %s, which does not exist",
				address.Value, address.Pool, address.Claim),
			Do: "delete it and take its finalizers off, unless its claim is about to be restored from a backup",
		}
		if h := all[vip.ParseAddr(address.Value)]; h != nil && len(h.clusters) > 0 {
			finding.Message += "; Cluster " + h.clusters[0].String() + " carries the address"
			finding.Do = fmt.Sprintf("kubectl vip explain -n %s %s", h.clusters[0].Namespace, h.clusters[0].Name)
		}
		found = append(found, finding)
	}
	return found
}

// ownerExists reports whether the Cluster that owns a claim exists, with the same UID.
func ownerExists(clusters map[types.NamespacedName]*vip.Cluster, claim *ClaimFacts) bool {
	owner := clusters[types.NamespacedName{Namespace: claim.Namespace, Name: claim.Owner.Name}]
	return owner != nil && owner.UID == claim.Owner.UID
}

// names lists those who have the address, each once.
func (h *holders) names() string {
	objects := slices.Clone(h.objects)
	slices.Sort(objects)
	return strings.Join(slices.Compact(objects), " and ")
}
