package vip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// variables compares the variables of a Cluster's topology with the VIP of a role.
type variables struct {
	// values are all values that the role's pool wants in them and that the class declares, except for those that
	// someone set to another value.
	values []Value

	// missing says that one of the values is not there.
	missing bool

	// refused is what the API server recently said in refusing to write them; empty if it did not.
	refused string

	// foreign says that someone else set the host variable to another value. That value is not recorded: it is
	// private.
	foreign bool

	// port is the port to which someone else set the port variable; 0 if nobody did.
	port int32

	warnings []Warning
}

// variablesOf compares the variables of the Cluster with what pools want in them: the pool of its claim and, if that
// no longer serves the Cluster because it was rebased to another class, the pool that does.
func (a *allocation) variablesOf(r *sight) variables {
	var v variables
	if a.ClusterClass == nil {
		return v
	}
	pool := a.poolOf(r.claim)
	if pool != nil {
		a.expectAll(&v, r, pool)
	}
	if next := r.choice.Pool; next != nil && (pool == nil || !pool.servesRole(a.subject, r.role)) {
		a.expectAll(&v, r, next)
	}
	v.missing = v.missing && !v.foreign // next to a foreign address, our port is not written
	return v
}

// expectAll adds the values that a pool wants in the variables.
func (a *allocation) expectAll(v *variables, r *sight, pool *Pool) {
	host, port := pool.variablesFor(r.role)
	if current := a.expect(v, host, r.addr.String()); current != nil {
		v.foreign = true
		v.warn("variable %s has another value than %s, which claim %s holds; "+
			"remove the variable's value to use the claim's", host, r.addr, r.claim.Name)
	}
	if current := a.expect(v, port, strconv.Itoa(int(a.port(0)))); current != nil {
		v.port = portOf(current)
		if v.port != a.port(v.port) {
			v.warn("variable %s has another value than the endpoint's port, which is %d", port, a.port(v.port))
		}
	}
}

func (v *variables) warn(format string, args ...any) {
	v.warnings = append(v.warnings, Warning{
		Reason: names.EventVariableNotWritten, Message: fmt.Sprintf(format, args...),
	})
}

// variablesFor returns the paths of the variables that receive what the pool gives to a role. In a pool with several
// roles they are those of the control plane.
func (p *Pool) variablesFor(role string) (host, port string) {
	switch {
	case role == names.RoleControlPlane:
		return p.HostVariable, p.PortVariable
	case slices.Contains(p.Roles, names.RoleControlPlane):
		return "", ""
	}
	return p.HostVariable, ""
}

// expect adds a wanted value, in the type that the class declares; it adds none if the class does not declare the
// variable. It returns the value that someone else gave the variable, or nil.
func (a *allocation) expect(v *variables, path, want string) any {
	declared, ok := a.ClusterClass.Variables[path]
	if path == "" || !ok {
		return nil
	}
	value, err := typed(want, declared)
	if err != nil {
		v.warn("variable %s of ClusterClass %s: %v", path, a.cluster.Class, err)
		return nil
	}
	current := a.cluster.variable(path)
	switch {
	case same(current, value):
	case isPlaceholder(current):
		v.missing = true
	default:
		return current
	}
	if wanted := (Value{Path: path, Value: value}); !slices.Contains(v.values, wanted) {
		v.values = append(v.values, wanted)
	}
	return nil
}

// typed converts a text to the type that a schema declares.
func typed(text, declared string) (any, error) {
	switch declared {
	case "string":
		return text, nil
	case "integer", "number":
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			return number, nil
		}
	}
	return nil, fmt.Errorf("its type %s cannot hold %s", declared, text)
}

// Unreadable stands for a value that is too large to be read.
const Unreadable = "something large"

// variable returns the value at a dotted path as encoding/json decodes it, or nil if there is none.
func (c *Cluster) variable(path string) any {
	name, rest, _ := strings.Cut(path, ".")
	raw, ok := c.Variables[name]
	if !ok {
		return nil
	}
	if len(raw) == 0 {
		return Unreadable
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return Unreadable
	}
	for rest != "" {
		var field string
		field, rest, _ = strings.Cut(rest, ".")
		object, ok := value.(map[string]any)
		if !ok {
			return value
		}
		value = object[field]
	}
	return value
}

// inVariables reports whether one of the variables contains an address in the form in which the allocator writes it.
// The allocator writes variables before everything else, and the pool may no longer say which one it wrote. Templates
// may be rendered with the address.
func (c *Cluster) inVariables(addr netip.Addr) bool {
	text := []byte(strconv.Quote(addr.String()))
	for _, raw := range c.Variables {
		if bytes.Contains(raw, text) {
			return true
		}
	}
	return false
}

// same reports whether a variable has the wanted value. Two spellings of one address are the same.
func same(current, want any) bool {
	switch want := want.(type) {
	case string:
		text, ok := current.(string)
		return ok && (text == want || SameAddr(text, want))
	case int64:
		number, ok := current.(float64)
		return ok && number == float64(want)
	}
	return false
}

// isPlaceholder reports whether a value stands for none: users put one into a variable that the class requires.
func isPlaceholder(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == "" || value == "0" || ParseAddr(value).IsUnspecified()
	case float64:
		return value == 0
	}
	return false
}

// portOf returns the port that a variable holds, or 0 if it holds none.
func portOf(value any) int32 {
	port, err := strconv.ParseInt(fmt.Sprint(value), 10, 32)
	if err != nil || !validPort(int32(port)) {
		return 0
	}
	return int32(port)
}

func validPort(port int32) bool { return port > 0 && port <= math.MaxUint16 }

// announced returns the path of the variable in which the user gives the control plane an address before there is a
// claim; "" if there is none. The role then needs no address: the class copies the user's to the endpoint.
func (r *sight) announced() string {
	if r.role != names.RoleControlPlane || r.cluster.Endpoint.Host != "" || r.ClusterClass == nil {
		return ""
	}
	path, _ := r.choice.Pool.variablesFor(r.role)
	if _, declared := r.ClusterClass.Variables[path]; !declared || isPlaceholder(r.cluster.variable(path)) {
		return ""
	}
	return path
}
