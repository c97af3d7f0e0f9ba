package capi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// clusters reads which Clusters the pool is for. Unlike a list of namespaces it is all or nothing: a Cluster that is left
// out of its reservation would get an address of a less specific pool, and keep it.
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
		return nil, fmt.Errorf("it has more than the %d entries that are read; use a second pool, or namespace/*", MaxPoolClusters)
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
