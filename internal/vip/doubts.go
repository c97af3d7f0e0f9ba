package vip

import (
	"fmt"
	"slices"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// Doubts returns what in the configuration of a pool is valid and probably misspelled all the same, each in a sentence: a
// ClusterClass that does not exist beside one whose name is nearly the same, and a role beside nearly the same one of
// another pool. Pools are those that serve where the pool does, itself among them or not; classes are all that exist.
func Doubts(pool *Pool, pools []Pool, classes []Class) []string {
	var doubts []string
	for _, entry := range pool.Classes {
		if name, ok := entry.nearestOf(classes); ok {
			doubts = append(doubts, fmt.Sprintf("%s: there is no ClusterClass %s; did you mean %s?", names.ClusterClass, entry, name))
		}
	}
	for _, role := range pool.Roles {
		if role == names.RoleControlPlane || role == names.RoleIngress {
			continue
		}
		if twin, other := twinOf(role, pool, pools); other != nil {
			doubts = append(doubts, fmt.Sprintf("%s: %s is nearly the role %s of %s, and another one; Clusters get a VIP for each", names.Role, role, twin, other.Ref))
		}
	}
	return doubts
}

// nearestOf returns the class that an entry was probably meant to name, if it names none that exists.
func (c Class) nearestOf(classes []Class) (Class, bool) {
	if slices.ContainsFunc(classes, func(class Class) bool { return class.matches(c) }) {
		return Class{}, false
	}
	i := slices.IndexFunc(classes, func(class Class) bool {
		_, near := names.Meant(c.Name, []string{class.Name})
		return near && (c.Namespace == "" || c.Namespace == class.Namespace)
	})
	if i < 0 {
		return Class{}, false
	}
	return Class{Namespace: c.Namespace, Name: classes[i].Name}, true
}

// twinOf returns a role that is nearly the same and the other pool that has it.
func twinOf(role string, pool *Pool, pools []Pool) (string, *Pool) {
	for i := range pools {
		other := &pools[i]
		if other.Ref == pool.Ref && other.Namespace == pool.Namespace {
			continue
		}
		if at := slices.IndexFunc(other.Roles, func(twin string) bool { return names.AreTwins(role, twin) }); at >= 0 {
			return other.Roles[at], other
		}
	}
	return "", nil
}
