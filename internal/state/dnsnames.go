package state

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// namesOf returns the DNS names that a Cluster would have, by role. They follow from its own name and never change.
func (i *Informers) namesOf(cluster types.NamespacedName) map[string]string {
	view := vip.Cluster{Namespace: cluster.Namespace, Name: cluster.Name}
	byRole := map[string]string{}
	for role := range i.Names.Names {
		if name, err := i.Names.Name(role, &view); err == nil && name != "" {
			byRole[role] = name
		}
	}
	return byRole
}

// nameKeys returns the keys of a Cluster in the index of names: each name, and the domains that it lies below.
func (i *Informers) nameKeys(cluster *capi.Cluster) []string {
	var keys []string
	for _, name := range i.namesOf(cluster.Key()) {
		keys = append(keys, name)
		for _, domain := range domainsOf(name) {
			keys = append(keys, belowKey(domain))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// collidingKeys returns the keys under which the index has everything that collides with a name: the name itself, the
// wildcards above it, and if it is a wildcard, what lies below.
func collidingKeys(name string) []string {
	keys := []string{name}
	for _, domain := range domainsOf(name) {
		keys = append(keys, "*."+domain)
	}
	if domain, ok := strings.CutPrefix(name, "*."); ok {
		keys = append(keys, belowKey(domain))
	}
	return keys
}

// belowKey returns the index key of the names below a domain. No name has a slash.
func belowKey(domain string) string { return "below/" + domain }

// domainsOf returns the domains that a name lies below.
func domainsOf(name string) []string {
	var domains []string
	for _, domain, ok := strings.Cut(name, "."); ok; _, domain, ok = strings.Cut(domain, ".") {
		domains = append(domains, domain)
	}
	return domains
}

// Namesakes returns the other Clusters whose DNS names collide with those of a Cluster, which may be gone: the same
// name, or one below the other's wildcard. It does not ask whether they hold them. Without DNS records it returns
// none.
func (s *Store) Namesakes(cluster types.NamespacedName) []types.NamespacedName {
	if s.dns == nil {
		return nil
	}
	found := map[types.NamespacedName]bool{}
	for _, name := range s.namesOf(cluster) {
		for _, key := range collidingKeys(name) {
			for _, other := range lookup[*capi.Cluster](s.Clusters, byName, key) {
				found[other.Key()] = true
			}
		}
	}
	delete(found, cluster)
	return slices.Collect(maps.Keys(found))
}

// nameHolders returns who holds DNS names that may collide with those of a Cluster.
func (s *Store) nameHolders(cluster *capi.Cluster, now time.Time) []vip.Holder {
	var holders []vip.Holder
	for _, key := range s.Namesakes(cluster.Key()) {
		other, ok := s.clusters.get(key.String(), now)
		if !ok {
			continue
		}
		for role, name := range s.namesOf(key) {
			if s.holdsName(other, role, name, now) {
				holders = append(holders, vip.Holder{Name: name, Created: other.CreationTimestamp.Time, UID: other.UID})
			}
		}
	}
	return holders
}

// holdsName reports whether a Cluster holds the DNS name of a role: its own claim backs the VIP that it carries, or
// its records have the name, which the operator wrote when that was so and removes when it no longer is. A Cluster
// that merely has the right name itself holds nothing, since anyone may create one.
func (s *Store) holdsName(cluster *capi.Cluster, role, name string, now time.Time) bool {
	if records, ok := s.Records(cluster, now); ok {
		dns := records.Snapshot(cluster)
		if !dns.Foreign && slices.ContainsFunc(dns.Records, func(r vip.Record) bool { return r.Name == name }) {
			return true
		}
	}
	return !released(cluster) && s.backed(cluster, role, now)
}

// backed reports whether a Cluster carries the address that its own claim for a role is bound to (ADR 11).
func (s *Store) backed(cluster *capi.Cluster, role string, now time.Time) bool {
	claim, ok := s.Claim(cluster.Namespace, names.ClaimName(cluster.Name, role), now)
	if !ok || claim.OwnerUID() != cluster.UID {
		return false
	}
	address := s.addressOf(claim)
	if address == nil || address.Spec.ClaimRef.Name != claim.Name ||
		address.ClaimUID != "" && address.ClaimUID != claim.UID {
		return false
	}
	addr := vip.ParseAddr(address.Spec.Address)
	return addr.IsValid() && vip.CarriedIn(role, cluster.Spec.ControlPlaneEndpoint.Host, cluster.VIPs(), addr) != ""
}

// Records returns the object with the name of a Cluster's DNS records, whoever owns it.
func (s *Store) Records(cluster *capi.Cluster, now time.Time) (*capi.DNSEndpoint, bool) {
	return s.dns.get(cluster.Namespace+"/"+names.DNSEndpointName(cluster.Name), now)
}
