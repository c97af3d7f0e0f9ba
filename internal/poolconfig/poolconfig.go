// Package poolconfig says what the labels and annotations of a pool mean: whom it serves, with what, and what is wrong
// with them.
package poolconfig

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The limits of what is read of one pool: otherwise anyone who may write one could slow down every decision that
// reads it.
const (
	// MaxPoolClasses, MaxPoolRoles, MaxPoolNamespaces, MaxPoolClusters, MaxPoolVariables and MaxPoolProbe are how many
	// entries of a list are read.
	MaxPoolClasses    = 128
	MaxPoolRoles      = 16
	MaxPoolNamespaces = 256
	MaxPoolClusters   = 256
	MaxPoolVariables  = 16
	MaxPoolProbe      = 8

	// MaxPoolAnnotation is the longest annotation that is read at all, in bytes.
	MaxPoolAnnotation = 32 << 10
)

const (
	// MaxProblems is how many problems of a pool are reported, and maxProblem how many bytes on each: an annotation
	// may hold 256 KiB of them, and an event has to be readable.
	MaxProblems = 6
	maxProblem  = 160

	// maxEntry is how many bytes of an entry are quoted, so that the remedy after it has room.
	maxEntry = 40
)

// Keys are the labels and annotations of a pool, and where it is.
type Keys metav1.ObjectMeta

// Of returns the Keys of a pool.
func Of(pool *metav1.ObjectMeta) *Keys { return (*Keys)(pool) }

// Configure sets on pool what its labels and annotations say. It leaves out what is wrong and reports it in
// pool.Problems; what is right holds, so that a slip in one role does not take the others away. Where leaving
// something out could give addresses to the wrong Clusters, or the wrong addresses, it also closes the pool.
func (k *Keys) Configure(pool *vip.Pool) {
	c := &configuration{view: k, pool: pool}
	c.keys(k.Labels, "label", names.PoolLabels)
	c.keys(k.Annotations, "annotation", names.PoolAnnotations)
	c.lists()
	c.priority()
	c.variables()
	c.namespaces()
	c.clusters()
	c.selectors()
	c.probe()
	c.perCluster()
	pool.Closed = len(c.closing) > 0
	pool.Problems = slices.Concat(c.closing, c.harmless)
	if len(pool.Problems) > MaxProblems {
		pool.Problems = append(pool.Problems[:MaxProblems-1], "and more")
	}
}

// configuration is what is being read of a pool.
type configuration struct {
	view *Keys
	pool *vip.Pool

	// closing are the problems that close the pool; harmless are those that do not, since leaving something out only
	// gives less.
	closing, harmless []string
}

func (c *configuration) closes(key string, err error)  { say(&c.closing, key, err) }
func (c *configuration) reports(key string, err error) { say(&c.harmless, key, err) }

func say(problems *[]string, key string, err error) {
	if len(*problems) <= MaxProblems {
		*problems = append(*problems, vip.Cut(fmt.Sprintf("%s: %v", key, err), maxProblem))
	}
}

// keys finds keys that mean nothing where they are: a pool with a misspelled restriction would be open to all.
func (c *configuration) keys(values map[string]string, kind string, known []string) {
	for _, key := range Ours(values) {
		if slices.Contains(known, key) {
			continue
		}
		if len(c.closing) > MaxProblems {
			return // enough to report
		}
		meant, near := names.Meant(key, names.PoolAnnotations)
		if restricts := cmp.Or(meant, key); restricts == names.Clusters || restricts == names.Variables {
			c.pool.Unread = true // it fails to name Clusters or variables
		}
		switch {
		case slices.Contains(names.PoolAnnotations, key):
			c.closes(key, fmt.Errorf("it is read as an annotation, and stands there as a %s", kind))
		case near:
			c.closes(key,
				fmt.Errorf("there is no such %s; did you mean %s?", kind, strings.TrimPrefix(meant, names.Domain+"/")))
		default:
			c.closes(key, fmt.Errorf("there is no such %s", kind))
		}
	}
}

// Ours returns the keys that are the allocator's or were meant to be, sorted.
func Ours(values map[string]string) []string {
	var keys []string
	for key := range values {
		if names.IsOurs(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// lists reads which classes and roles the pool serves.
func (c *configuration) lists() {
	for key, most := range map[string]int{names.ClusterClass: MaxPoolClasses, names.Role: MaxPoolRoles} {
		label, labelled := c.view.Labels[key]
		text, annotated := c.view.Annotations[key]
		switch entries, more := c.view.list(key); {
		case !labelled && annotated:
			c.reports(key, fmt.Errorf("the annotation is read only beside a label of the same key with the value %q",
				names.SeeAnnotation))
		case annotated && label != names.SeeAnnotation:
			c.reports(key, fmt.Errorf("the annotation is not read, because the label is not %q", names.SeeAnnotation))
		case annotated && len(text) > MaxPoolAnnotation:
			c.closes(key, errTooLong)
		case label == names.SeeAnnotation && len(entries) == 0:
			c.reports(key, errors.New("the label refers to the annotation of the same key, which names nothing"))
		case more:
			c.reports(key, fmt.Errorf("only the first %d entries are read", most))
		}
	}
	slices.Sort(c.closing) // maps have no order
	slices.Sort(c.harmless)
	c.pool.Classes = c.view.classes(func(err error) { c.reports(names.ClusterClass, err) })
	c.pool.Roles = c.view.roles(func(err error) { c.reports(names.Role, err) })
}

var errTooLong = fmt.Errorf("it is longer than the %d bytes that are read, so nothing of it is", MaxPoolAnnotation)

// priority reads the rank of the pool. An unreadable one does not fall back to the default: claims never move, so
// Clusters would stay where they were not meant to go.
func (c *configuration) priority() {
	text, ok := c.view.Annotations[names.Priority]
	if !ok {
		return
	}
	priority, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		priority = 0 // not the largest integer, which Atoi returns for one out of range
		c.closes(names.Priority, fmt.Errorf("%q is not an integer in range", vip.Cut(text, maxProblem/2)))
	}
	c.pool.Priority = priority
}

// variables reads which variables receive address and port. A pool of several roles gives one address for each, so
// the variables can only be the control plane's. A bad or ambiguous path closes the pool: Clusters would be built
// without the VIP in their variables.
func (c *configuration) variables() {
	endpoint := slices.Contains(c.pool.Roles, names.RoleControlPlane)
	read := func(key string, variable *string) {
		text, ok := c.view.Annotations[key]
		path := strings.TrimSpace(text)
		switch {
		case !ok:
		case !isPath(path):
			c.closes(key,
				fmt.Errorf("%q is not the name of a variable, nor a dotted path into one", vip.Cut(text, maxProblem/2)))
		case !endpoint && key == names.PortVariable:
			c.reports(key, fmt.Errorf("only role %s has a port", names.RoleControlPlane))
		case !endpoint && len(c.pool.Roles) > 1:
			c.closes(key, errors.New("the pool serves several roles, and the variable can hold the address of one"))
		default:
			*variable = path
		}
	}
	read(names.HostVariable, &c.pool.HostVariable)
	read(names.PortVariable, &c.pool.PortVariable)
}

// isPath reports whether a text can be the name of a variable, or a dotted path into one.
func isPath(text string) bool {
	return len(text) <= validation.DNS1123SubdomainMaxLength && !slices.Contains(strings.Split(text, "."), "")
}

// namespaces reads which namespaces a global pool serves. A list that names nothing must not open the pool to
// everyone.
func (c *configuration) namespaces() {
	const key = names.Namespaces
	text, ok := c.view.Annotations[key]
	switch {
	case !ok:
		return
	case len(text) > MaxPoolAnnotation:
		c.closes(key, errTooLong)
		return
	}
	entries, more := split(text, MaxPoolNamespaces)
	if more {
		c.reports(key, fmt.Errorf("only the first %d entries are read", MaxPoolNamespaces))
	}
	var namespaces []string
	for _, namespace := range entries {
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			c.reports(key, fmt.Errorf("%q is not the name of a namespace", vip.Cut(namespace, maxProblem/2)))
			continue
		}
		namespaces = append(namespaces, namespace)
	}
	switch own := c.view.Namespace; {
	case own == "" && len(namespaces) == 0:
		c.closes(key, errors.New("names no namespace, so the pool serves none; remove the annotation to serve all"))
	case own == "":
		c.pool.Namespaces = namespaces
	case !slices.Contains(namespaces, own):
		c.closes(key, fmt.Errorf("a pool of a namespace can serve that one only, and %s is not named", own))
	case len(namespaces) > 1:
		c.reports(key, errors.New("a pool of a namespace serves that one only"))
	}
}
