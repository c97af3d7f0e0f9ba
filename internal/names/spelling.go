package names

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// The keys of the domain that are read on pools, as labels and as annotations.
var (
	PoolLabels      = []string{ClusterClass, Role}
	PoolAnnotations = []string{
		ClusterClass, Role, Priority, Namespaces, Clusters, Variables, Probe, PerCluster, HostVariable, PortVariable,
	}
)

// IsOurs reports whether a key of a label or annotation is of the domain, or was probably meant to be: its domain is
// at most two letters off, or the slash after it is missing.
func IsOurs(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	return domain == Domain || ok && near(domain, Domain, 2) || !ok && strings.HasPrefix(key, Domain)
}

// Meant returns which of the known names a name was probably meant to be, and whether there is one. They differ in at
// most two letters (one, if the known name has fewer than eight), or only in upper case, dashes or the order of
// letters.
func Meant(name string, known []string) (string, bool) {
	if slices.Contains(known, name) {
		return "", false
	}
	i := slices.IndexFunc(known, func(other string) bool { return !variant(name, other) && near(name, other, 2) })
	if i < 0 {
		return "", false
	}
	return known[i], true
}

// MeantRole returns the standard role that a role was probably meant to be, and whether there is one. Deliberate
// variants, such as "ingress-internal" and "ingress2", are not misspelled.
func MeantRole(role string) (string, bool) {
	return Meant(role, []string{RoleControlPlane, RoleIngress})
}

// AreTwins reports whether two roles differ so little that one is probably a misspelling of the other. "east" and
// "west" do not, nor do "internal" and "external".
func AreTwins(a, b string) bool {
	return a != b && !variant(a, b) && near(a, b, 1)
}

// near reports whether two names differ only in upper case, dashes and the order of letters, or in at most the given
// number of letters, and no more than one in four.
func near(name, known string, letters int) bool {
	name, known = plain(name), plain(known)
	letters = min(letters, len(known)/4)
	if difference := len(name) - len(known); name == "" || difference > letters || -difference > letters {
		return false
	}
	return sorted(name) == sorted(known) || levenshtein.ComputeDistance(name, known) <= letters
}

// plain returns a name without what is easily got wrong: upper case and separators.
func plain(name string) string {
	return separators.Replace(strings.ToLower(name))
}

var separators = strings.NewReplacer("-", "", "_", "", ".", "")

func sorted(name string) string {
	letters := []byte(name)
	slices.Sort(letters)
	return string(letters)
}

// counter matches the end of a name that is one of several: "-a", "2", "-v6".
var counter = regexp.MustCompile(`(-[a-z]|-?v?\d+)$`)

// variant reports whether one of two names is the other with a deliberate ending, or both are a third name with one.
func variant(a, b string) bool {
	return strings.HasPrefix(a, b+"-") || strings.HasPrefix(b, a+"-") ||
		counter.ReplaceAllString(a, "") == counter.ReplaceAllString(b, "")
}
