package capi

import (
	"cmp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// The limits of what is read of one Cluster. Anyone who may create Clusters chooses how large they are, and any
// decision about another Cluster may have to look at them.
const (
	// longestText is the longest annotation value that is read, in bytes: all addresses of a role, with commas.
	longestText = names.MostAddresses * len("0000:0000:0000:0000:0000:0000:0000:0000,")
	// allValues limits the values of all variables together, in bytes.
	allValues = 64 << 10
)

// bound drops from a Cluster what exceeds the limits, and sets Cut if it dropped something. It shortens overlong
// values rather than dropping them: a decision then still sees a value, which is no address.
func (c *Cluster) bound() {
	cut := c.boundConditions()
	cut = c.boundAnnotations() || cut
	cut = c.boundVariables() || cut
	c.Cut = c.Cut || cut
}

// boundConditions keeps the conditions of the standard roles, then the first by type.
func (c *Cluster) boundConditions() bool {
	conditions, cut := c.conditions(), false
	for i := range *conditions {
		condition := &(*conditions)[i]
		if len(condition.Message) > vip.MaxMessage {
			condition.Message, cut = strings.Clone(condition.Message[:vip.MaxMessage]), true
		}
	}
	if len(*conditions) <= vip.MostRoles {
		return cut
	}
	rank := func(condition metav1.Condition) int {
		first := []string{
			names.TopologyReconciled, names.ConditionType(names.RoleControlPlane),
			names.ConditionType(names.RoleIngress),
		}
		if i := slices.Index(first, condition.Type); i >= 0 {
			return i
		}
		return len(first)
	}
	order := make([]int, len(*conditions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := (*conditions)[i], (*conditions)[j]
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Type, b.Type))
	})
	kept, places := make([]metav1.Condition, 0, vip.MostRoles), make([]int, 0, vip.MostRoles)
	for _, i := range order[:vip.MostRoles] {
		kept, places = append(kept, (*conditions)[i]), append(places, c.Status.Places[i])
	}
	*conditions, c.Status.Places = kept, places
	return true
}

// boundAnnotations keeps the topology gate, the record of claims and the annotations of the standard roles, then those
// of roles that the Cluster has a condition for, since they are served, then the first by name.
func (c *Cluster) boundAnnotations() bool {
	cut := false
	var ours []string
	for key, value := range c.Annotations {
		if key == names.Claims {
			if len(value) > longestRecord { // not read anyway, see parseRecord
				c.Annotations[key], cut = "", true
			}
		} else if len(value) > longestText {
			c.Annotations[key] = strings.Clone(value[:longestText])
			cut = cut || strings.HasPrefix(key, names.Domain+"/")
		}
		if strings.HasPrefix(key, names.Domain+"/") {
			ours = append(ours, key)
		}
	}
	if len(ours) > vip.MostRoles {
		for _, last := range c.ranked(ours)[vip.MostRoles:] {
			delete(c.Annotations, last.key)
		}
		cut = true
	}
	return c.boundAddresses(ours) || cut
}

// boundAddresses keeps as many further addresses in annotations as a Cluster may have: where they exceed that, it
// cuts the annotations that matter least to their first address.
func (c *Cluster) boundAddresses(ours []string) bool {
	further := func(key string) int {
		if key == names.Claims || key == names.TopologyGate {
			return 0
		}
		return strings.Count(c.Annotations[key], ",")
	}
	count := 0
	for _, key := range ours {
		count += further(key)
	}
	if count <= vip.MostSlots {
		return false
	}
	count = 0
	for _, one := range c.ranked(ours) {
		if count += further(one.key); count > vip.MostSlots && further(one.key) > 0 {
			first, _, _ := strings.Cut(c.Annotations[one.key], ",")
			c.Annotations[one.key] = strings.Clone(first)
		}
	}
	return true
}

// ranked is an annotation of the allocator's and its rank: the lower, the more it matters.
type ranked struct {
	rank int
	key  string
}

func (c *Cluster) ranked(keys []string) []ranked {
	served := map[string]bool{}
	for _, condition := range *c.conditions() {
		if own(condition) {
			served[condition.Type] = true
		}
	}
	order := make([]ranked, len(keys))
	for i, key := range keys {
		role, isRole := names.RoleOfAnnotation(key)
		rank := 3
		switch {
		case key == names.TopologyGate, key == names.Claims, role == names.RoleControlPlane, role == names.RoleIngress:
			rank = 0
		case isRole && len(served) > 0 && served[names.ConditionType(role)]:
			rank = 1
		case isRole:
			rank = 2
		}
		order[i] = ranked{rank, key}
	}
	slices.SortFunc(order, func(a, b ranked) int { return cmp.Or(a.rank-b.rank, strings.Compare(a.key, b.key)) })
	return order
}

// boundVariables keeps the shortest values: a host or a port is short. The names stay, since a variable whose value
// was dropped is still set.
func (c *Cluster) boundVariables() bool {
	variables, size := c.Spec.Topology.Variables, 0
	for i := range variables {
		size += len(variables[i].Value)
	}
	if size <= allValues {
		return false
	}
	order := make([]int, len(variables))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(len(variables[a].Value), len(variables[b].Value))
	})
	size = 0
	for _, i := range order {
		if size += len(variables[i].Value); size > allValues {
			variables[i].Value = nil
		}
	}
	return true
}
