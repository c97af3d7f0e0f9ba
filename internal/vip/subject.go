package vip

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
)

// AnyCluster is the name in a pool's entry that stands for all Clusters of a namespace.
const AnyCluster = "*"

// Variable is the value that a pool wants a variable of the Cluster's topology to have. Path is the variable's name,
// or a dotted path into it; Value is a string, or a number or boolean as JSON writes it.
type Variable struct{ Path, Value string }

// String returns path=value.
func (v Variable) String() string { return v.Path + "=" + v.Value }

// subject is the Cluster that a pool is sought for. It caches what it reads of the Cluster's variables, since hundreds
// of pools may ask for the same ones.
type subject struct {
	*Cluster
	readings map[string]reading
}

// reading is the value at the path of a variable: nothing, a scalar, or something that cannot be compared. A number
// that is not written in its shortest form has two texts.
type reading struct {
	texts   [2]string
	found   bool
	number  bool
	unknown bool
}

// is reports whether a scalar is what a pool asks for. It compares numbers by value: the API server does not keep how
// they were written.
func (r reading) is(wanted string) bool {
	if slices.Contains(r.texts[:], wanted) {
		return true
	}
	return r.number && json.Valid([]byte(wanted)) && shortest(json.Number(wanted)) == r.texts[1]
}

// naming is how a pool's list of Clusters relates to a Cluster.
type naming int

const (
	namesNobody    naming = iota // of the Cluster's namespace
	namesOthers                  // of the namespace
	namesNamespace               // namespace/*
	namesCluster                 // the Cluster itself
	namesNone                    // there is no list
)

// naming looks up the Cluster in the pool's list. A Cluster learns nothing of what a pool reserves for other
// namespaces.
func (p *Pool) naming(c *Cluster) naming {
	if len(p.Clusters) == 0 {
		return namesNone
	}
	best := namesNobody
	for i := range p.Clusters {
		entry := &p.Clusters[i]
		switch {
		case entry.Namespace != c.Namespace:
		case entry.Name == c.Name:
			return namesCluster
		case entry.Name == AnyCluster:
			best = namesNamespace
		default:
			best = max(best, namesOthers)
		}
	}
	return best
}

// agrees reports whether the Cluster's variables have all the values that a pool asks for. It returns unknown if it
// cannot tell, because one of them is too large to be kept and none has another value.
func (s *subject) agrees(wanted []Variable) (agrees, unknown bool) {
	for i := range wanted {
		switch read := s.read(wanted[i].Path); {
		case read.unknown:
			unknown = true
		case !read.found || !read.is(wanted[i].Value):
			return false, false
		}
	}
	return !unknown, unknown
}

// read returns the value at a dotted path.
func (s *subject) read(path string) reading {
	read, known := s.readings[path]
	if known {
		return read
	}
	name, rest, _ := strings.Cut(path, ".")
	if raw, ok := s.Variables[name]; ok && len(raw) == 0 {
		read = reading{unknown: true}
	} else if ok {
		read = readingOf(decode(raw), rest)
	}
	if s.readings == nil {
		s.readings = map[string]reading{}
	}
	s.readings[path] = read
	return read
}

// decode reads JSON and keeps numbers as they are written; it returns nil for invalid JSON.
func decode(raw []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil
	}
	return value
}

// readingOf reads the scalar at a dotted path below a value. Null, lists and objects do not count, nor does the
// placeholder for a text that is longer than any pool asks for.
func readingOf(value any, path string) reading {
	for path != "" {
		object, ok := value.(map[string]any)
		if !ok {
			return reading{}
		}
		var field string
		field, path, _ = strings.Cut(path, ".")
		value = object[field]
	}
	switch value := value.(type) {
	case string:
		return reading{texts: [2]string{value, value}, found: value != Unreadable}
	case bool:
		text := strconv.FormatBool(value)
		return reading{texts: [2]string{text, text}, found: true}
	case json.Number:
		return reading{texts: [2]string{value.String(), shortest(value)}, found: true, number: true}
	}
	return reading{}
}

// exact is the number below which a float64 holds every integer.
const exact = 1 << 53

// shortest returns a number as a person would write it: 7 for 7.0 and 7e0.
func shortest(number json.Number) string {
	value, err := number.Float64()
	if err != nil || value >= exact || value <= -exact {
		return number.String()
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}
