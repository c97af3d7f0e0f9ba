package vip

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// DNSSettings say how VIPs are named.
type DNSSettings struct {
	// BaseDomain is the domain below which Clusters are named; empty for no names.
	BaseDomain string

	// Names are the patterns of the names by role, with the placeholders {cluster}, {namespace} and {baseDomain}.
	Names map[string]string
}

// DNS is what is known of a Cluster's DNS records.
type DNS struct {
	// Served says that records can be written.
	Served bool

	// Exists says that an object has the name of the Cluster's records; Foreign that it belongs to someone else;
	// Orphaned that it is labelled as the Cluster's but has no owner, as after a restore from a backup.
	Exists, Foreign, Orphaned bool

	// OwnerVersion is the apiVersion in the object's ownerReference to the Cluster; empty if it has none.
	OwnerVersion string

	// Records are the records in the object.
	Records []Record

	// Holders are other Clusters whose names may collide with the Cluster's; those that do not collide do no harm.
	Holders []Holder
}

// Holder is another Cluster that holds a DNS name: it carries a VIP under the name that its claim backs, or its
// records contain the name.
type Holder struct {
	Name    string
	Created time.Time
	UID     types.UID
}

// Record is a DNS name and the address it resolves to.
type Record struct{ Name, Type, Target string }

// Compare orders records by name, type and target.
func (r Record) Compare(other Record) int {
	return cmp.Or(cmp.Compare(r.Name, other.Name), cmp.Compare(r.Type, other.Type), cmp.Compare(r.Target, other.Target))
}

// Name returns the DNS name of a role of a Cluster, or "" if the role gets none. It fails if the pattern does not
// produce a valid name for the Cluster.
func (s DNSSettings) Name(role string, c *Cluster) (string, error) {
	pattern := s.Names[role]
	if s.BaseDomain == "" || pattern == "" {
		return "", nil
	}
	if strings.Contains(c.Name, ".") { // "www.prod" would lie below the wildcard of a Cluster "prod"
		return "", fmt.Errorf("the Cluster's name %q has a dot, and a DNS name needs a Cluster name of one label",
			c.Name)
	}
	of := strings.NewReplacer("{cluster}", c.Name, "{namespace}", c.Namespace, "{baseDomain}", s.BaseDomain)
	name := of.Replace(pattern)
	if err := names.ValidateDNSName(name); err != nil {
		return "", err
	}
	return name, nil
}

// taken reports whether an older Cluster holds a name, one below it or a wildcard above it. Of two Clusters exactly
// one is older, so two operators cannot disagree about who yields.
func (a *allocation) taken(name string) bool {
	return slices.ContainsFunc(a.DNS.Holders, func(h Holder) bool {
		age := cmp.Or(h.Created.Compare(a.cluster.Created), cmp.Compare(h.UID, a.cluster.UID))
		return age < 0 && Overlap(h.Name, name)
	})
}

// Overlap reports whether two DNS names are equal, or one lies below the other's wildcard. A wildcard covers names of
// any depth (RFC 4592), including other wildcards.
func Overlap(a, b string) bool { return a == b || below(a, b) || below(b, a) }

func below(name, wildcard string) bool {
	domain, ok := strings.CutPrefix(wildcard, "*")
	return ok && strings.HasSuffix(name, domain)
}

// dns returns the actions that bring the Cluster's records in line with the VIPs it carries. If a VIP cannot have a
// name, it appends the reason to the message of the role.
func (a *allocation) dns(outcomes []outcome) []Action {
	if a.Settings.DNS.BaseDomain == "" || !a.DNS.Served {
		return nil
	}
	var records []Record
	for i := range outcomes {
		o := &outcomes[i]
		name, err := a.Settings.DNS.Name(o.Role, a.cluster)
		carried := a.carriedOrRestored(o)
		switch {
		case len(carried) == 0 || err == nil && name == "":
		case err != nil:
			o.Message += "; it has no DNS name: " + err.Error()
		case a.DNS.Foreign:
			o.Message += "; it has no DNS name: the DNSEndpoint at the name of the Cluster's belongs to someone else"
		default:
			records = append(records, a.recordsOf(o, name, carried)...)
		}
	}
	slices.SortFunc(records, Record.Compare)
	switch {
	case a.DNS.Foreign || slices.Equal(records, a.DNS.Records) && !a.DNS.Orphaned && !a.outdated(a.DNS.OwnerVersion):
		return nil
	case len(records) == 0:
		return []Action{DeleteRecords{Why: "the Cluster carries no VIP with a name"}}
	}
	return []Action{SetRecords{Records: records}}
}

// recordsOf returns the records of a role under its name.
func (a *allocation) recordsOf(o *outcome, name string, carried []netip.Addr) []Record {
	var records []Record
	for _, addr := range carried {
		record := newRecord(name, addr)
		// An existing name stays as long as the Cluster carries the VIP; a new one is added once the VIP is complete.
		if o.Ready && a.backs(o, addr) || slices.Contains(a.DNS.Records, record) {
			records = append(records, record)
		}
	}
	if len(records) > 0 && a.taken(name) {
		o.nameTaken = true
		o.Message += fmt.Sprintf("; it has no DNS name: %s collides with a name of an older Cluster; "+
			"it gets the name when that one goes; create this Cluster under another name, "+
			"or put {namespace} into the pattern of the names as a label of its own", name)
		return nil
	}
	return records
}

// backs reports whether a claim of a role is bound to an address.
func (a *allocation) backs(o *outcome, addr netip.Addr) bool {
	return slices.ContainsFunc(o.slots(), func(s RoleStatus) bool { return a.boundTo(a.ClaimFor(s.Slot)) == addr })
}

// carriedOrRestored returns the VIPs that the Cluster carries for a role, including those in an annotation that is
// being restored, so that a name in use does not go and come back with the annotation.
func (a *allocation) carriedOrRestored(o *outcome) []netip.Addr {
	for _, action := range o.value {
		if annotation, ok := action.(SetAnnotation); ok && annotation.Restored {
			return Addrs(o.Role, annotation.Value)
		}
	}
	return Addrs(o.Role, a.cluster.VIPs[o.Role])
}

// withdraw returns the action that deletes the records of a Cluster before its addresses go back.
func (a *allocation) withdraw() []Action {
	if !a.DNS.Exists || a.DNS.Foreign {
		return nil
	}
	return []Action{DeleteRecords{Why: "the addresses go back"}}
}

func newRecord(name string, addr netip.Addr) Record {
	record := Record{Name: name, Type: "A", Target: addr.String()}
	if addr.Is6() {
		record.Type = "AAAA"
	}
	return record
}
