package capi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

const (
	// maxProblems is how many problems of a pool are told, and maxProblem how many bytes about each: an annotation may hold
	// 256 KiB of them, and an event is to be read.
	maxProblems = 6
	maxProblem  = 160
)

// configure reads the labels and annotations that configure the allocator. What is wrong is left out and said in
// pool.Problems; what is right holds, so that a slip in one role does not take the others away.
func (p *Pool) configure(pool *vip.Pool) {
	problem := func(key string, err error) {
		switch len(pool.Problems) {
		case maxProblems: // said already that there are more
		case maxProblems - 1:
			pool.Problems = append(pool.Problems, "and more")
		default:
			pool.Problems = append(pool.Problems, vip.Cut(fmt.Sprintf("%s: %v", key, err), maxProblem))
		}
	}
	for _, key := range []string{names.ClusterClass, names.Role} {
		if p.Labels[key] == names.SeeAnnotation && len(p.list(key)) == 0 {
			problem(key, errors.New("the label refers to the annotation of the same key, which names nothing"))
		}
	}
	for _, entry := range p.list(names.ClusterClass) {
		class, err := parseClass(entry)
		if err != nil {
			problem(names.ClusterClass, err)
			continue
		}
		pool.Classes = append(pool.Classes, class)
	}
	pool.Roles = p.Roles()
	for _, role := range p.list(names.Role) {
		if err := names.ValidateRole(role); err != nil {
			problem(names.Role, err)
		}
	}
	if text, ok := p.Annotations[names.Priority]; ok {
		priority, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			priority = 0 // and not the largest integer, which stands for one out of range
			problem(names.Priority, fmt.Errorf("%q is not an integer in range; 0 is used", text))
		}
		pool.Priority = priority
	}
	p.configureVariables(pool, problem)
	if text, ok := p.Annotations[names.Namespaces]; ok && p.Namespace == "" {
		pool.Namespaces = split(text)
		if len(pool.Namespaces) == 0 {
			// An empty list must not open a tenant's pool to everybody.
			pool.Classes = nil
			problem(names.Namespaces, errors.New("names no namespace, so the pool serves none; remove the annotation to serve all"))
		}
	}
}

// configureVariables reads which variables receive address and port. A pool of several roles gives one address for each, so
// only those of the control plane can be meant.
func (p *Pool) configureVariables(pool *vip.Pool, problem func(string, error)) {
	endpoint := slices.Contains(pool.Roles, names.RoleControlPlane)
	for key, variable := range map[string]*string{names.HostVariable: &pool.HostVariable, names.PortVariable: &pool.PortVariable} {
		text, ok := p.Annotations[key]
		if !ok {
			continue
		}
		path := strings.TrimSpace(text)
		switch {
		case slices.Contains(strings.Split(path, "."), ""):
			problem(key, fmt.Errorf("%q is not the name of a variable, nor a dotted path into one", text))
		case !endpoint && key == names.PortVariable:
			problem(key, fmt.Errorf("only role %s has a port", names.RoleControlPlane))
		case !endpoint && len(pool.Roles) > 1:
			problem(key, errors.New("the pool serves several roles, and the variable can hold the address of one"))
		default:
			*variable = path
		}
	}
	slices.Sort(pool.Problems) // maps have no order
}

// Roles returns the valid roles that the pool serves, each once.
func (p *Pool) Roles() []string {
	var roles []string
	for _, role := range p.list(names.Role) {
		if names.ValidateRole(role) == nil && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// ClassKeys returns the names of the ClusterClasses the pool serves, without their namespaces, for an index.
func (p *Pool) ClassKeys() []string {
	var keys []string
	for _, entry := range p.list(names.ClusterClass) {
		if class, err := parseClass(entry); err == nil && !slices.Contains(keys, class.Name) {
			keys = append(keys, class.Name)
		}
	}
	return keys
}

// list returns the entries that a label gives, or the annotation that the label refers to.
func (p *Pool) list(key string) []string {
	value := p.Labels[key]
	if value == names.SeeAnnotation {
		return split(p.Annotations[key])
	}
	return split(value)
}

// split returns the entries of a comma-separated list, without blanks and empty entries.
func split(list string) []string {
	entries := strings.Split(list, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return slices.DeleteFunc(entries, func(entry string) bool { return entry == "" })
}

// parseClass reads "name" or "namespace/name".
func parseClass(entry string) (vip.Class, error) {
	var class vip.Class
	class.Name = entry
	if namespace, name, ok := strings.Cut(entry, "/"); ok {
		class = vip.Class{Namespace: namespace, Name: name}
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			return class, fmt.Errorf("%q does not begin with the name of a namespace", entry)
		}
	}
	if len(validation.IsDNS1123Subdomain(class.Name)) > 0 {
		return class, fmt.Errorf("%q is not the name of a ClusterClass, nor namespace/name", entry)
	}
	return class, nil
}
