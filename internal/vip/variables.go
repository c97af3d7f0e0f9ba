package vip

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// variables is what the variables of a Cluster's topology make of the VIP of a role.
type variables struct {
	// values are all values that the role's pool wants in them and that the class declares, save those that somebody
	// gave another value.
	values []Value

	// missing says that one of the values is not there.
	missing bool

	// refused is what the API server said lately against writing them; empty if it did not.
	refused string

	// host is the address that somebody else gave the host variable; empty if nobody did.
	host string

	// port is the port that somebody else gave the port variable; 0 if nobody did.
	port int32

	warnings []Warning
}

// variablesOf compares the variables of the Cluster with what the pool of a claim wants in them.
func (a *allocation) variablesOf(role, address string, claim *Claim) variables {
	var v variables
	pool := a.poolOf(claim)
	if pool == nil || a.ClusterClass == nil {
		return v
	}
	host, port := pool.variablesFor(role)
	if current := a.expect(&v, host, address); current != nil {
		v.host = fmt.Sprint(current)
		v.warn("variable %s has another value than %s, which claim %s holds; remove the variable's value to use the claim's", host, address, claim.Name)
	}
	if current := a.expect(&v, port, strconv.Itoa(int(a.port(0)))); current != nil {
		v.port = portOf(current)
		if v.port != a.port(v.port) {
			v.warn("variable %s has another value than %d, which is the endpoint's port", port, a.port(v.port))
		}
	}
	v.missing = v.missing && v.host == "" // beside another address, ours has no port
	return v
}

func (v *variables) warn(format string, args ...any) {
	v.warnings = append(v.warnings, Warning{Reason: names.EventVariableNotWritten, Message: fmt.Sprintf(format, args...)})
}

// variablesFor returns the paths of the variables that receive what the pool gives to a role. A pool of several roles
// means those of the control plane.
func (p *Pool) variablesFor(role string) (host, port string) {
	switch {
	case role == names.RoleControlPlane:
		return p.HostVariable, p.PortVariable
	case slices.Contains(p.Roles, names.RoleControlPlane):
		return "", ""
	}
	return p.HostVariable, ""
}

// expect adds a value to those that are wanted, in the type that the class declares; nothing if the class does not declare
// the variable. It returns the value that somebody else gave to it, or nil.
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
	v.values = append(v.values, Value{Path: path, Value: value})
	return nil
}

// typed returns a text as a schema's type wants it.
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

// Unreadable stands for a value that is too large to be looked at.
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

// same reports whether a variable has the value that is wanted. Two spellings of one address are the same.
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

// isPlaceholder reports whether a value stands for none: users write one into a variable that the class requires.
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
