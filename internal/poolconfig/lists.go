package poolconfig

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Roles returns the valid roles that the pool serves, each once.
func (k *Keys) Roles() []string { return k.roles(func(error) {}) }

// ClassKeys returns the names of the ClusterClasses the pool serves, without their namespaces, for an index; for a
// pool that serves all, only vip.AnyClass.
func (k *Keys) ClassKeys() []string {
	var keys []string
	known := map[string]bool{}
	for _, class := range k.classes(func(error) {}) {
		if class.Name == vip.AnyClass {
			return []string{vip.AnyClass}
		}
		if !known[class.Name] {
			known[class.Name] = true
			keys = append(keys, class.Name)
		}
	}
	return keys
}

// classes returns the classes that the pool serves, and reports entries that name none.
func (k *Keys) classes(problem func(error)) []vip.Class {
	entries, _ := k.list(names.ClusterClass)
	var classes []vip.Class
	for _, entry := range entries {
		class, err := parseClass(entry)
		if err != nil {
			problem(err)
			continue
		}
		classes = append(classes, class)
	}
	return classes
}

// roles returns the roles that the pool serves, each once, and reports entries that cannot be one.
func (k *Keys) roles(problem func(error)) []string {
	entries, _ := k.list(names.Role)
	var roles []string
	for _, role := range entries {
		if err := validateRole(role); err != nil {
			problem(err)
			continue
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// validateRole says why a pool cannot serve a role. One that is nearly a standard role is a misspelling, and would
// give every Cluster of the class a VIP that nobody wanted; so would a word for yes or no.
func validateRole(role string) error {
	meant, misspelled := names.MeantRole(role)
	err := names.ValidateRole(role)
	switch {
	case misspelled:
		return fmt.Errorf("role %q is too near to %s; did you mean that?", role, meant)
	case err == nil && (role == names.SeeAnnotation || role == "false"):
		return fmt.Errorf("%q is not a role; remove the label to serve none", role)
	}
	return err
}

// list returns the entries that a label gives, or the annotation that the label refers to, and whether there are more
// than are read.
func (k *Keys) list(key string) (entries []string, more bool) {
	most := MaxPoolClasses
	if key == names.Role {
		most = MaxPoolRoles
	}
	value := k.Labels[key]
	if value == names.SeeAnnotation {
		value = k.Annotations[key]
	}
	if len(value) > MaxPoolAnnotation {
		return nil, true
	}
	return split(value, most)
}

// split returns the entries of a comma-separated list, without blanks and empty entries, and whether anything follows
// the first most entries, empty ones included.
func split(list string, most int) (entries []string, more bool) {
	for range most {
		var entry string
		entry, list, _ = strings.Cut(list, ",")
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries, strings.Trim(list, ", \t\r\n") != ""
}

// parseClass reads "name", "namespace/name", or "*" for any class of any namespace.
func parseClass(entry string) (vip.Class, error) {
	class := vip.Class{Name: entry}
	if entry == vip.AnyClass {
		return class, nil
	}
	said := vip.Cut(entry, maxProblem/2)
	if namespace, name, ok := strings.Cut(entry, "/"); ok {
		class = vip.Class{Namespace: namespace, Name: name}
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			return class, fmt.Errorf("%q does not begin with the name of a namespace", said)
		}
	}
	if len(validation.IsDNS1123Subdomain(class.Name)) > 0 {
		return class, fmt.Errorf("%q is not the name of a ClusterClass, nor namespace/name, nor * for any", said)
	}
	return class, nil
}
