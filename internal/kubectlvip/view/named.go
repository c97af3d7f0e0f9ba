package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// NotThereError says that something named on the command line does not exist, and what may have been meant.
type NotThereError struct{ What, Name, Where, Meant string }

// Error implements error.
func (e *NotThereError) Error() string {
	text := fmt.Sprintf("there is no %s %q %s", e.What, e.Name, e.Where)
	if e.Meant != "" {
		text += fmt.Sprintf("; did you mean %s?", e.Meant)
	}
	return text
}

// NamedClusters returns the Clusters that the arguments name, each once and in the order named. Without arguments it
// returns all of the namespace, or of all namespaces if that is empty. An argument is the name of a Cluster of the
// namespace, or namespace/name as a list prints it; cluster/name and cluster.cluster.x-k8s.io/name, as kubectl prints
// it, are names too.
func NamedClusters(a *Atlas, namespace string, arguments []string) ([]Cluster, error) {
	all := a.Clusters()
	if len(arguments) == 0 {
		return inNamespace(all, namespace), nil
	}
	named := []Cluster{}
	for _, argument := range arguments {
		found, err := clustersNamed(all, namespace, argument)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			same := func(other Cluster) bool { return other.Namespace == c.Namespace && other.Name == c.Name }
			if !slices.ContainsFunc(named, same) {
				named = append(named, c)
			}
		}
	}
	return named, nil
}

// Among returns the Clusters of all that are also in wanted.
func Among(all, wanted []Cluster) []Cluster {
	return slices.DeleteFunc(slices.Clone(all), func(c Cluster) bool {
		return !slices.ContainsFunc(wanted, func(w Cluster) bool {
			return w.Namespace == c.Namespace && w.Name == c.Name
		})
	})
}

func inNamespace(all []Cluster, namespace string) []Cluster {
	clusters := []Cluster{}
	for i := range all {
		if namespace == "" || all[i].Namespace == namespace {
			clusters = append(clusters, all[i])
		}
	}
	return clusters
}

// clustersNamed finds the Clusters that one argument names. Without a namespace there may be several.
func clustersNamed(all []Cluster, namespace, argument string) ([]Cluster, error) {
	find := func(namespace, name string) (found []Cluster) {
		for _, c := range inNamespace(all, namespace) {
			if c.Name == name {
				found = append(found, c)
			}
		}
		return found
	}
	name := argument
	if prefix, rest, ok := strings.Cut(argument, "/"); ok {
		if found := find(prefix, rest); len(found) > 0 {
			return found, nil
		}
		name = rest
		kind, _, _ := strings.Cut(prefix, ".")
		if !slices.Contains([]string{"cluster", "clusters"}, strings.ToLower(kind)) {
			namespace = prefix
		}
	}
	if found := find(namespace, name); len(found) > 0 {
		return found, nil
	}
	return nil, notThere(all, namespace, name)
}

// notThere says what may have been meant: a Cluster of the namespace with a similar name, else one of the same name in
// another namespace.
func notThere(all []Cluster, namespace, name string) error {
	e := &NotThereError{What: "Cluster", Name: name, Where: "in any namespace"}
	var near, elsewhere []string
	for i := range all {
		switch c := &all[i]; {
		case c.Name == name:
			elsewhere = append(elsewhere, c.Namespace+"/"+c.Name)
		case namespace == "" || c.Namespace == namespace:
			near = append(near, c.Name)
		}
	}
	if namespace != "" {
		e.Where = "in namespace " + namespace
	}
	if meant, ok := names.Meant(name, near); ok {
		e.Meant = meant
	} else if len(elsewhere) > 0 {
		e.Meant = elsewhere[0]
	}
	return e
}

// NamedPools returns the pools that the arguments name, in the order of pools; all if there are no arguments. An
// argument is a pool's name, optionally after its kind, its namespace or both, as printed anywhere.
func NamedPools(pools []Pool, arguments []string) ([]Pool, error) {
	if len(arguments) == 0 {
		return pools, nil
	}
	for _, argument := range arguments {
		if slices.ContainsFunc(pools, func(p Pool) bool { return p.called(argument) }) {
			continue
		}
		e := &NotThereError{What: "pool", Name: argument, Where: "here; kubectl vip pools -A shows all"}
		known := make([]string, len(pools))
		for i := range pools {
			known[i] = pools[i].Name
		}
		e.Meant, _ = names.Meant(argument, known)
		return nil, e
	}
	return slices.DeleteFunc(slices.Clone(pools), func(p Pool) bool {
		return !slices.ContainsFunc(arguments, p.called)
	}), nil
}

// called reports whether an argument names the pool.
func (p Pool) called(argument string) bool {
	for _, prefix := range []string{"", p.Kind + "/", p.Namespace + "/", p.Namespace + "/" + p.Kind + "/"} {
		if argument == prefix+p.Name && prefix != "/" {
			return true
		}
	}
	return false
}
