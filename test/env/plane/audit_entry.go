package plane

import (
	"slices"
	"strings"
	"time"
)

// Entry is one request in the audit log.
type Entry struct {
	// Time is when the API server received the request.
	Time time.Time
	// Duration is the time from then until the answer was complete, or until a watch began.
	Duration time.Duration
	// User is the name of the user; a service account's begins with system:serviceaccount:.
	User string
	// UserAgent as sent by the client.
	UserAgent string
	// Verb is the verb of the API, such as get, patch or watch.
	Verb string
	// Group, Resource and Subresource are empty for requests that are not about objects.
	Group, Version, Resource, Subresource string
	// Namespace and Name of the object; a create has no name.
	Namespace, Name string
	// URI is the path of the request with its parameters.
	URI string
	// Code is the status code of the answer.
	Code int
}

// Entries are requests in the order of their answers.
type Entries []Entry

// Filter returns the entries for which keep is true.
func (e Entries) Filter(keep func(Entry) bool) Entries {
	var kept Entries
	for i := range e {
		if keep(e[i]) {
			kept = append(kept, e[i])
		}
	}
	return kept
}

// Writes returns the requests meant to change something, whether or not they did.
func (e Entries) Writes() Entries {
	return e.Filter(Entry.IsWrite)
}

// ByUserAgent returns the requests of clients whose user agent begins with the prefix.
func (e Entries) ByUserAgent(prefix string) Entries {
	return e.Filter(func(entry Entry) bool { return strings.HasPrefix(entry.UserAgent, prefix) })
}

// ByUser returns the requests of one user.
func (e Entries) ByUser(user string) Entries {
	return e.Filter(func(entry Entry) bool { return entry.User == user })
}

// CountBy counts the entries by a key, such as Entry.Request.
func (e Entries) CountBy(key func(Entry) string) map[string]int {
	counts := map[string]int{}
	for i := range e {
		counts[key(e[i])]++
	}
	return counts
}

// IsWrite reports whether the request was meant to change something. Reviews are created but change nothing.
func (e Entry) IsWrite() bool {
	if e.Group == "authentication.k8s.io" || e.Group == "authorization.k8s.io" {
		return false
	}
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb)
}

// Request is what was asked for, without the object: verb, resource and subresource.
func (e Entry) Request() string {
	if e.Resource == "" {
		path, _, _ := strings.Cut(e.URI, "?")
		return e.Verb + " " + path
	}
	request := e.Verb + " " + e.Resource
	if e.Group != "" {
		request += "." + e.Group
	}
	if e.Subresource != "" {
		request += "/" + e.Subresource
	}
	return request
}
