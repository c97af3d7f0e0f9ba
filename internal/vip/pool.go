package vip

import (
	"cmp"
	"slices"
)

// Verdict says how a pool fared when one was chosen for a Cluster and a role.
type Verdict string

// The verdicts, in the order in which they are checked.
const (
	VerdictOtherRole      Verdict = "serves other roles"
	VerdictOtherClass     Verdict = "serves other cluster classes"
	VerdictOtherNamespace Verdict = "serves other namespaces"
	VerdictOtherCluster   Verdict = "serves other Clusters"
	VerdictOtherVariables Verdict = "asks for other values of variables"
	VerdictDeleting       Verdict = "is being deleted"
	VerdictClosed         Verdict = "serves nobody new until its labels and annotations are corrected"
	VerdictUnknown        Verdict = "asks for a variable that is too large to be read"
	VerdictLowerTier      Verdict = "is less specific than another that matches"
	VerdictFull           Verdict = "has no free address"
	VerdictOutranked      Verdict = "ranks behind the chosen pool"
	VerdictChosen         Verdict = "is chosen"
)

// Choice is the outcome of choosing a pool.
type Choice struct {
	// Pool is the pool to claim from; nil when none matches.
	Pool *Pool

	// Tier is why the candidates come before other matching pools; TierNone if there are none.
	Tier Tier

	// Candidates are the matching pools of the best tier, best first. They never mix tiers: if the more specific pools
	// are full, the claim waits, because spilling over to a less specific one would break the isolation they are there
	// for.
	Candidates []*Pool

	// Exhausted says that all candidates are full; Pool is then the first of them.
	Exhausted bool
}

// serves reports whether the pool may give addresses to a role of a Cluster, and if not, why.
func (p *Pool) serves(s *subject, role string) (Verdict, bool) {
	c := s.Cluster
	switch {
	case !slices.Contains(p.Roles, role):
		return VerdictOtherRole, false
	case !slices.ContainsFunc(p.Classes, c.Class.matches):
		return VerdictOtherClass, false
	case p.Namespace != "" && p.Namespace != c.Namespace:
		return VerdictOtherNamespace, false
	case p.Namespace == "" && len(p.Namespaces) > 0 && !slices.Contains(p.Namespaces, c.Namespace):
		return VerdictOtherNamespace, false
	}
	switch p.naming(c) {
	case namesNobody:
		return VerdictOtherNamespace, false
	case namesOthers:
		return VerdictOtherCluster, false
	case namesNamespace, namesCluster, namesNone:
	}
	agrees, unknown := s.agrees(p.Variables)
	switch {
	case !agrees && !unknown:
		return VerdictOtherVariables, false
	case p.Deleting:
		return VerdictDeleting, false
	case p.Closed:
		return VerdictClosed, false
	case unknown:
		return VerdictUnknown, false
	}
	return "", true
}

// servesRole is serves without the reason.
func (p *Pool) servesRole(s *subject, role string) bool {
	_, ok := p.serves(s, role)
	return ok
}

// AnyClass is the name in a pool's entry that stands for all classes.
const AnyClass = "*"

// matches reports whether a pool's entry names the class of a Cluster. AnyClass does not match a Cluster without a
// class.
func (c Class) matches(entry Class) bool {
	if entry.Name == AnyClass {
		return c.Name != ""
	}
	return c.Name == entry.Name && (entry.Namespace == "" || entry.Namespace == c.Namespace)
}

// Among reports whether a pool's entry c names one of the classes. An entry for all classes always does.
func (c Class) Among(classes []Class) bool {
	return c.Name == AnyClass || slices.ContainsFunc(classes, func(class Class) bool { return class.matches(c) })
}

// Choose finds the pool for a role of a Cluster. It considers only the most specific tier that matches, ordered by
// priority and then by name, and takes the first pool with a free address, or the very first if none has any.
func Choose(c *Cluster, pools []Pool, role string) Choice {
	return choose(&subject{Cluster: c}, pools, role)
}

// Chooser returns Choose for one Cluster, and reads the Cluster's variables only once, however often it is called.
func Chooser(c *Cluster) func(pools []Pool, role string) Choice {
	s := &subject{Cluster: c}
	return func(pools []Pool, role string) Choice { return choose(s, pools, role) }
}

func choose(s *subject, pools []Pool, role string) Choice {
	barred := barsGlobal(s, pools, role)
	var choice Choice
	var best place
	for i := range pools {
		pool := &pools[i]
		verdict, serves := pool.serves(s, role)
		if !serves && !pool.keepsOut(verdict) {
			continue
		}
		at := pool.placeFor(s.Cluster)
		switch at.compare(best) {
		case -1:
			continue
		case 1:
			best, choice.Candidates = at, nil
		}
		if serves && (!barred || pool.Namespace != "") { // a barred pool still keeps less specific ones out
			choice.Candidates = append(choice.Candidates, pool)
		}
	}
	if len(choice.Candidates) == 0 {
		return Choice{}
	}
	slices.SortFunc(choice.Candidates, rank)
	free := slices.IndexFunc(choice.Candidates, func(p *Pool) bool { return !p.Capacity.Full() })
	choice.Pool, choice.Tier, choice.Exhausted = choice.Candidates[max(free, 0)], best.tier, free < 0
	return choice
}

func rank(a, b *Pool) int {
	return cmp.Or(
		-cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(a.Ref.Name, b.Ref.Name),
		cmp.Compare(a.Ref.Kind, b.Ref.Kind),
		cmp.Compare(a.Ref.Group, b.Ref.Group),
	)
}

// Explain returns the verdict on every pool for a role of a Cluster, in the order of pools.
func Explain(c *Cluster, pools []Pool, role string) []Verdict {
	s := &subject{Cluster: c}
	choice := choose(s, pools, role)
	verdicts := make([]Verdict, len(pools))
	for i := range pools {
		pool := &pools[i]
		if verdict, ok := pool.serves(s, role); !ok {
			verdicts[i] = verdict
			continue
		}
		switch {
		case pool == choice.Pool:
			verdicts[i] = VerdictChosen
		case !slices.Contains(choice.Candidates, pool):
			verdicts[i] = VerdictLowerTier
		case pool.Capacity.Full():
			verdicts[i] = VerdictFull
		default:
			verdicts[i] = VerdictOutranked
		}
	}
	return verdicts
}

// candidate reports whether the pool that ref names is among the candidates.
func (c Choice) candidate(ref PoolRef) bool {
	return slices.ContainsFunc(c.Candidates, func(p *Pool) bool { return p.Ref == ref })
}

// Capacity counts the addresses of a pool. It is meaningful only when Known.
type Capacity struct {
	Known                         bool
	Total, Used, Free, OutOfRange int
}

// Full reports whether the provider said that no address is free.
func (c Capacity) Full() bool { return c.Known && c.Free <= 0 }
