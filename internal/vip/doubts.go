package vip

import (
	"fmt"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Doubts returns what is valid in the configuration of a pool but probably misspelled, each in a sentence: a
// ClusterClass that does not exist although one with nearly the same name does, and what DoubtedRoles returns. It
// returns at most maxDoubts. Pools are those that serve where the pool does, with or without the pool itself; classes
// are all that exist.
func Doubts(pool *Pool, pools []Pool, classes []Class) []string {
	var doubts []string
	for _, entry := range pool.Classes {
		if meant, ok := entry.Meant(classes); ok {
			doubts = append(doubts,
				fmt.Sprintf("%s: there is no ClusterClass %s; did you mean %s?", names.ClusterClass, entry, meant))
		}
	}
	doubts = append(doubts, DoubtedRoles(pool, pools)...)
	return doubts[:min(len(doubts), maxDoubts)]
}

// DoubtedRoles returns, each in a sentence, the roles of a pool that are nearly those of another one. All Clusters of
// the class get a VIP for each.
func DoubtedRoles(pool *Pool, pools []Pool) []string {
	var doubts []string
	for _, role := range pool.Roles {
		if role == names.RoleControlPlane || role == names.RoleIngress {
			continue
		}
		if twin, other := twinOf(role, pool, pools); other != nil {
			doubts = append(doubts, fmt.Sprintf("%s: %s is nearly the role %s of %s; "+
				"they are two, and Clusters get a VIP for each", names.Role, role, twin, other.Ref))
		}
	}
	return doubts
}

// maxDoubts is how many doubts of a pool are reported.
const maxDoubts = 6

// Meant returns the class that an entry of a pool was probably meant to name, if it names none that exists.
func (c Class) Meant(classes []Class) (Class, bool) {
	if c.Among(classes) {
		return Class{}, false
	}
	var meant Class
	for _, class := range classes {
		_, near := names.Meant(c.Name, []string{class.Name})
		if near && (c.Namespace == "" || c.Namespace == class.Namespace) &&
			(meant.Name == "" || class.Name < meant.Name) {
			meant = Class{Namespace: c.Namespace, Name: class.Name}
		}
	}
	return meant, meant.Name != ""
}

// twinOf returns a nearly identical role and the other pool that has it; if several pools do, the one that ranks
// first.
func twinOf(role string, pool *Pool, pools []Pool) (string, *Pool) {
	var twin string
	var first *Pool
	for i := range pools {
		other := &pools[i]
		if other.Ref == pool.Ref && other.Namespace == pool.Namespace || first != nil && rank(first, other) < 0 {
			continue
		}
		if at := slices.IndexFunc(other.Roles, func(twin string) bool { return names.AreTwins(role, twin) }); at >= 0 {
			twin, first = other.Roles[at], other
		}
	}
	return twin, first
}
