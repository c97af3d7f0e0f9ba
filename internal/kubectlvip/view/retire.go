package view

import (
	"fmt"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Retirement is what is left of a role that pools do not serve any more.
type Retirement struct {
	Role string `json:"role"`
	// Clusters are those that have something of the role which nobody gives them now.
	Clusters []Retired `json:"clusters"`
	// Kept are those that keep what they have of it, each with the reason.
	Kept []Kept `json:"kept"`
}

// Retired is what a Cluster has of a role.
type Retired struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Claim is the claim to delete, and Pool where its address goes back to; empty if there is none.
	Claim string `json:"claim,omitempty"`
	Pool  string `json:"pool,omitempty"`
	// Annotation is the key to remove, and Address what stands in it; empty if it is not there.
	Annotation string `json:"annotation,omitempty"`
	Address    string `json:"address,omitempty"`
}

// Kept is a Cluster that nothing is taken from.
type Kept struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Why       string `json:"why"`
}

// Retire finds what Clusters have of a role that no pool serves them in: in one namespace or all, of one class (name
// or namespace/name) or all. A pool closed by a mistake still serves, since it is about to be corrected.
func Retire(f *Facts, namespace, class, role string) Retirement {
	r := Retirement{Role: role, Clusters: []Retired{}, Kept: []Kept{}}
	for i := range f.Snapshots {
		s := &f.Snapshots[i]
		c := &s.Cluster
		if namespace != "" && c.Namespace != namespace ||
			class != "" && class != c.Class.Name && class != c.Class.String() || c.Deleting {
			continue
		}
		retired := holding(s, role)
		if len(retired) == 0 {
			continue
		}
		if why := f.keeps(s, role); why != "" {
			r.Kept = append(r.Kept, Kept{Namespace: c.Namespace, Name: c.Name, Why: why})
			continue
		}
		r.Clusters = append(r.Clusters, retired...)
	}
	return r
}

// holding returns what a Cluster has of a role: its annotation with the first claim, and each further claim.
func holding(s *vip.Snapshot, role string) []Retired {
	var all []Retired
	for number := range names.MostAddresses {
		retired := Retired{Namespace: s.Cluster.Namespace, Name: s.Cluster.Name}
		if claim := s.ClaimFor(names.Slot(role, number+1)); claim != nil && !claim.Deleting && !foreign(s, claim) {
			retired.Claim, retired.Pool = claim.Name, claim.Pool.String()
		}
		if address, carries := s.Cluster.VIPs[role]; carries && number == 0 {
			retired.Annotation, retired.Address = names.Annotation(role), address
		}
		if retired.Claim != "" || retired.Annotation != "" {
			all = append(all, retired)
		}
	}
	return all
}

// keeps says why a Cluster keeps what it has of a role; empty if it need not.
func (f *Facts) keeps(s *vip.Snapshot, role string) string {
	if s.Cluster.Paused || s.Cluster.Moving {
		return "it is paused, or being moved, so nobody may touch it"
	}
	pools := f.poolsInSight(s.Cluster.Namespace)
	for i, verdict := range vip.Explain(&s.Cluster, poolsOf(pools), role) {
		if serving(verdict) || verdict == vip.VerdictClosed {
			return poolName(&pools[i].Pool) + " is labelled to serve it; take the role off the pool first"
		}
	}
	if claim := s.ClaimFor(role); claim != nil && foreign(s, claim) {
		return fmt.Sprintf("claim %s belongs to something else", claim.Name)
	}
	return ""
}

// foreign reports whether a claim is owned by something other than this very Cluster.
func foreign(s *vip.Snapshot, claim *vip.Claim) bool {
	return claim.Owner != nil && claim.Owner.UID != s.Cluster.UID
}
