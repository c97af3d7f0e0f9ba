package poolconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// clusters reads which Clusters the pool is for. Unlike a list of namespaces it is all or nothing: a Cluster that is
// left out of its reservation would get an address of a less specific pool, and keep it.
func (c *configuration) clusters() {
	const key = names.Clusters
	text, ok := c.view.Annotations[key]
	if !ok {
		return
	}
	clusters, err := parseClusters(text)
	own := c.view.Namespace
	foreign := func(entry types.NamespacedName) bool { return own != "" && entry.Namespace != own }
	switch {
	case err != nil:
	case len(clusters) == 0:
		err = errors.New("names no Cluster, so the pool serves none; remove the annotation to serve all")
	case !slices.ContainsFunc(clusters, func(entry types.NamespacedName) bool { return !foreign(entry) }):
		err = fmt.Errorf("a pool of a namespace can serve that one only, and %s is not named; add %s/*", own, own)
	case slices.ContainsFunc(clusters, foreign):
		c.reports(key, errors.New("a pool of a namespace serves Clusters of that one only; remove the others"))
	}
	if err != nil {
		c.pool.Unread = true
		c.closes(key, err)
		return
	}
	c.pool.Clusters = slices.DeleteFunc(clusters, foreign)
}

// parseClusters reads a list of namespace/name and namespace/*, each once.
func parseClusters(text string) ([]types.NamespacedName, error) {
	if len(text) > MaxPoolAnnotation {
		return nil, errTooLong
	}
	entries, more := split(text, MaxPoolClusters)
	if more {
		return nil, fmt.Errorf("it has more than the %d entries that are read; use a second pool, or namespace/*",
			MaxPoolClusters)
	}
	var clusters []types.NamespacedName
	for _, entry := range entries {
		namespace, name, _ := strings.Cut(entry, "/")
		valid := name == vip.AnyCluster || len(validation.IsDNS1123Subdomain(name)) == 0
		if len(validation.IsDNS1123Label(namespace)) > 0 || !valid {
			return nil, fmt.Errorf("%q is no Cluster; write namespace/name or namespace/*", vip.Cut(entry, maxEntry))
		}
		if cluster := (types.NamespacedName{Namespace: namespace, Name: name}); !slices.Contains(clusters, cluster) {
			clusters = append(clusters, cluster)
		}
	}
	return clusters, nil
}

// selectors reads what values the variables of a Cluster must have. It is all or nothing as well: with one left out,
// the pool would serve Clusters of other networks.
func (c *configuration) selectors() {
	text, ok := c.view.Annotations[names.Variables]
	if !ok {
		return
	}
	variables, err := parseVariables(text)
	if err == nil && len(variables) == 0 {
		err = errors.New("names no variable, so the pool serves none; remove the annotation to serve all")
	}
	if err != nil {
		c.pool.Unread = true
		c.closes(names.Variables, err)
		return
	}
	c.pool.Variables = variables
}

// parseVariables reads a list of path=value, each path once.
func parseVariables(text string) ([]vip.Variable, error) {
	if len(text) > MaxPoolAnnotation {
		return nil, errTooLong
	}
	entries, more := split(text, MaxPoolVariables)
	if more {
		return nil, fmt.Errorf("it has more than the %d entries that are read; use fewer", MaxPoolVariables)
	}
	var variables []vip.Variable
	for _, entry := range entries {
		variable, err := parseVariable(entry)
		if err != nil {
			return nil, err
		}
		same := func(other vip.Variable) bool { return other.Path == variable.Path }
		switch i := slices.IndexFunc(variables, same); {
		case i < 0:
			variables = append(variables, variable)
		case variables[i] != variable:
			return nil, fmt.Errorf("%q can have one value only; use a pool for each", vip.Cut(variable.Path, maxEntry))
		}
	}
	return variables, nil
}

// parseVariable reads path=value. The value may contain any character but a comma, and has no quotes around it.
func parseVariable(entry string) (vip.Variable, error) {
	said := vip.Cut(entry, maxEntry)
	path, value, ok := strings.Cut(entry, "=")
	variable := vip.Variable{Path: strings.TrimSpace(path), Value: strings.TrimSpace(value)}
	switch {
	case !ok || variable.Value == "":
		return variable, fmt.Errorf("%q has no value; write path=value", said)
	case !isPath(variable.Path):
		return variable, fmt.Errorf("%q does not name a variable, nor a dotted path into one; write path=value", said)
	case len(variable.Value) > maxVariable:
		return variable, fmt.Errorf("%q has a value of more than %d bytes; select by a shorter one", said, maxVariable)
	case strings.ContainsAny(variable.Value[:1], "\"'`{["):
		return variable, fmt.Errorf("%q has a value that is quoted, or no text, number or boolean; write path=value",
			said)
	}
	return variable, nil
}

// maxVariable is the longest value that is compared, in bytes: Trim keeps nothing of a longer text on a Cluster.
const maxVariable = validation.DNS1123SubdomainMaxLength

// probe reads which ports are tried before an address is first written. It is all or nothing: whoever asks for a
// probe wants no address to be written without one.
func (c *configuration) probe() {
	text, ok := c.view.Annotations[names.Probe]
	if !ok {
		return
	}
	ports, err := parsePorts(text)
	if err != nil {
		c.closes(names.Probe, err)
		return
	}
	c.pool.Probe = ports
}

// parsePorts reads a list of ports, each once and in order.
func parsePorts(text string) ([]uint16, error) {
	if len(text) > MaxPoolAnnotation {
		return nil, errTooLong
	}
	entries, more := split(text, MaxPoolProbe)
	if more {
		return nil, fmt.Errorf("it has more than the %d ports that are tried", MaxPoolProbe)
	}
	var ports []uint16
	for _, entry := range entries {
		port, err := strconv.ParseUint(entry, 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("%q is no port; write numbers from 1 to 65535", vip.Cut(entry, maxEntry))
		}
		ports = append(ports, uint16(port))
	}
	if len(ports) == 0 {
		return nil, errors.New("names no port; remove the annotation to have nothing tried")
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}
