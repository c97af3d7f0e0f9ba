package measure

import (
	"net/http"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// These are the users of the providers in the audit log.
const (
	CAPIUser = "system:serviceaccount:capi-system:capi-manager"
	IPAMUser = "system:serviceaccount:capi-ipam-in-cluster-system:manager"
)

// ObjectWrites returns the writes that change the plane's objects: all but those of leases and events.
func ObjectWrites(entries plane.Entries) plane.Entries {
	return entries.Writes().Filter(func(e plane.Entry) bool { return e.Resource != "leases" && e.Resource != "events" })
}

// OperatorWrites counts the operator's writes by request, and how many of them were refused.
func OperatorWrites(entries plane.Entries) (writes map[string]int, refused int) {
	ours := ObjectWrites(entries.ByUser(harness.User))
	return ours.CountBy(plane.Entry.Request), len(ours.Filter(failed))
}

func failed(e plane.Entry) bool { return e.Code >= http.StatusBadRequest }

// Conflicts counts a user's 409 responses, by request.
func Conflicts(entries plane.Entries, user string) map[string]int {
	return entries.ByUser(user).Filter(func(e plane.Entry) bool {
		return e.Code == http.StatusConflict
	}).CountBy(plane.Entry.Request)
}

// Total sums counts.
func Total(counts map[string]int) int {
	sum := 0
	for _, count := range counts {
		sum += count
	}
	return sum
}

// Share is how long the operator took for one Cluster, as seen by the API server: from the response that bound the
// claim to the receipt of the endpoint's write (Reaction), and from there to its response (Request).
type Share struct {
	Reaction, Request time.Duration
}

// All is the sum of both.
func (s Share) All() time.Duration { return s.Reaction + s.Request }

// Shares returns the operator's share for each Cluster of a namespace.
func Shares(entries plane.Entries, namespace string) []Share {
	bound, written := map[string]time.Time{}, map[string]plane.Entry{}
	for _, e := range entries {
		switch {
		case e.Namespace != namespace || failed(e) || e.Verb != "patch" && e.Verb != "update":
		case e.User == IPAMUser && e.Resource == "ipaddressclaims" && e.Subresource == "status":
			if _, seen := bound[e.Name]; !seen {
				bound[e.Name] = e.Time.Add(e.Duration)
			}
		case e.User == harness.User && e.Resource == "clusters" && e.Subresource == "" &&
			!strings.Contains(e.URI, "force=true"):
			// The finalizer is applied by force; what remains is the patch with the results.
			if _, seen := written[e.Name]; !seen {
				written[e.Name] = e
			}
		}
	}
	var list []Share
	for cluster, write := range written {
		if at, ok := bound[names.ClaimName(cluster, names.RoleControlPlane)]; ok {
			list = append(list, Share{Reaction: write.Time.Sub(at), Request: write.Duration})
		}
	}
	return list
}
