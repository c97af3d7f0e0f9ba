package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Advice says in plain words what the state of a role means and what a person can do about it.
type Advice struct {
	Means string   `json:"means"`
	Do    []string `json:"do,omitempty"`
}

// ClaimResource is the unambiguous name of claims for kubectl.
const ClaimResource = "ipaddressclaims.ipam.cluster.x-k8s.io"

// protected is the hint about the admission policy that the chart can install.
const protected = "Where the chart's admission policy protects claims, put the annotation " + names.AllowDeletion +
	" on it first."

// advice is the advice for each reason, whatever the Cluster.
var advice = map[string]Advice{
	names.ReasonIPAddressAssigned: {Means: "The VIP is allocated to this Cluster and to no other."},
	names.ReasonEndpointProvided: {
		Means: "Someone else has set the endpoint, and a host that is set is never overwritten; " +
			"so no address is taken for it.",
		Do: []string{"Nothing, if that was meant."},
	},
	names.ReasonWaitingForIPAddress: {
		Means: "The address is asked for, and the IPAM provider has not given one yet.",
		Do: []string{
			"Usually it takes less than a second. If it lasts, look whether the provider runs and what it logs: " +
				"kubectl get pods -A -l cluster.x-k8s.io/provider=ipam-in-cluster",
		},
	},
	names.ReasonPoolNotFound: {
		Means: "No pool is labelled for this role and ClusterClass, so there is nowhere to take an address from.",
	},
	names.ReasonPoolExhausted: {
		Means: "Pools match, and all of them are full. " +
			"The Cluster keeps its place and gets the next address that becomes free.",
		Do: []string{
			"Add addresses to one of the pools (spec.addresses), label another one, " +
				"or delete Clusters that are not needed. See who has what: kubectl vip pools --addresses",
		},
	},
	names.ReasonAddressConflict: {
		Means: "The provider gave an address that cannot be written without breaking something, " +
			"so nothing was written.",
		Do: []string{"Find pools that overlap and addresses that were typed by hand: kubectl vip check"},
	},
	names.ReasonAddressInUse: {
		Means: "The pool asks for a probe before an address is first written, and something answered on this one. " +
			"The claim keeps it, so that nobody gets it; it is tried again from time to time.",
		Do: []string{
			"Find out what answers: a machine with a fixed address, a DHCP range, another management cluster.",
		},
	},
	names.ReasonClaimConflict: {
		Means: "An IPAddressClaim of the name that this Cluster needs exists already and is not this Cluster's.",
	},
	names.ReasonReleasing: {
		Means: "The Cluster is being deleted. Its machines may still answer on the VIP, " +
			"so the address goes back when Cluster API has finished, not before.",
		Do: []string{"If it lasts, see what Cluster API waits for: clusterctl describe cluster"},
	},
	names.ReasonReleased: {
		Means: "The VIP is back in its pool. Finalizers of others keep the Cluster from going.",
	},
	names.ReasonWriteRefused: {
		Means: "The API server, or a policy or webhook in it, does not take what is to be written for this VIP. " +
			"It is tried again from time to time.",
		Do: []string{"See who refuses it and why: the message above, the Cluster's events and the operator's log."},
	},
	names.ReasonWaitingForTopology: {
		Means: "The address is known. The endpoint is written when the topology controller has rendered " +
			"the templates with it, so that no machine is built without the VIP.",
		Do: []string{"If it lasts, look at the condition TopologyReconciled of the Cluster."},
	},
}

// adviceFor returns the advice for a role, with what is known about this Cluster and the operator.
func adviceFor(s *vip.Snapshot, role *RoleExplanation, operator *Operator) Advice {
	if role.Reason == "" {
		return Advice{Means: "Nothing is decided about it; this is what the Cluster carries."}
	}
	a := advice[role.Reason]
	switch role.Reason {
	case names.ReasonIPAddressAssigned:
		if !written(&s.Cluster, &role.Role) {
			a.Means = "The VIP is allocated to this Cluster, and not written to it yet."
		}
	case names.ReasonEndpointProvided:
		a.Do = append(slices.Clip(a.Do), fmt.Sprintf("To have the host allocated instead, "+
			"take spec.controlPlaneEndpoint out of the Cluster's manifest and remove it, before machines use it: "+
			`kubectl patch clusters.cluster.x-k8s.io -n %s %s --type=merge -p '{"spec":{"controlPlaneEndpoint":null}}'`,
			s.Cluster.Namespace, s.Cluster.Name))
	case names.ReasonWaitingForIPAddress:
		a = waiting(role, a, operator)
	case names.ReasonPoolNotFound:
		a = poolNotFound(s, role, a)
	case names.ReasonAddressConflict:
		if host := s.Cluster.Endpoint.Host; role.ClaimState != nil &&
			(host == "" || role.Role.Role != names.RoleControlPlane) {
			a.Do = append(slices.Clip(a.Do), fmt.Sprintf("Have the claim give the address back, "+
				"which the provider wants before it can be excluded: kubectl delete %s -n %s %s",
				ClaimResource, s.Cluster.Namespace, role.ClaimState.Name), protected)
		}
	case names.ReasonClaimConflict:
		a.Do = []string{
			fmt.Sprintf("See whose it is: kubectl get %s -n %s %s -o yaml",
				ClaimResource, s.Cluster.Namespace, names.ClaimName(s.Cluster.Name, cmp.Or(role.slot, role.Role.Role))),
			"If nobody needs it, delete it; the operator then makes its own at once.",
			protected,
		}
	}
	return a
}

// written reports whether the Cluster carries the VIP of a role.
func written(c *vip.Cluster, role *Role) bool {
	if role.Role == names.RoleControlPlane && !vip.SameAddr(c.Endpoint.Host, role.Address) {
		return false
	}
	return c.VIPs[role.Role] == role.Address || vip.SameAddr(c.VIPs[role.Role], role.Address)
}

// waiting says what the role waits for.
func waiting(role *RoleExplanation, a Advice, operator *Operator) Advice {
	switch claim := role.ClaimState; {
	case claim == nil && operator.State == OperatorNotRunning:
		return Advice{Means: "The pool is chosen, and the claim on it is not made: " +
			"that is the operator's to do, and it is not running."}
	case claim == nil:
		return Advice{Means: "The pool is chosen, and the claim on it is not made yet."}
	case claim.Deleting:
		return Advice{
			Means: "The claim of this name is being deleted. A new one follows when it is gone.",
			Do: []string{"If it lasts: a pool with a reuse grace period keeps a released claim for that time; " +
				"else look at its finalizers and at the IPAM provider."},
		}
	case claim.Foreign && claim.Owner != "":
		return Advice{Means: "A former Cluster of this name left its claim. " +
			"A new one follows when the garbage collector has taken it."}
	}
	a.Do = append(pausedPools(role), a.Do...)
	return a
}

// pausedPools names the pool of the claim if the provider ignores it.
func pausedPools(role *RoleExplanation) []string {
	for _, pool := range role.Pools {
		if pool.Paused && pool.Claimed {
			return []string{fmt.Sprintf("%s is paused: take the annotation %s off, and the provider goes on.",
				pool.Pool, names.Paused)}
		}
	}
	return nil
}

// nearMisses limits how many pools that almost match are named.
const nearMisses = 3

// poolNotFound says which pools almost match.
func poolNotFound(s *vip.Snapshot, role *RoleExplanation, a Advice) Advice {
	if role.Idle {
		a.Means = "No pool offers this role, so the Cluster gets no such VIP. Nothing waits for it."
	}
	class := s.Cluster.Class
	if s.ClusterClass == nil {
		return Advice{Means: "The ClusterClass that the Cluster names does not exist. " +
			"Which pool serves the Cluster is asked once it does."}
	}
	label := fmt.Sprintf("Label a pool: kubectl label globalinclusterippools NAME %s=%s %s=%s",
		names.ClusterClass, class.Name, names.Role, role.Role.Role)
	a.Do = nil
	for _, pool := range missed(class, role) {
		a.Do = append(a.Do, nearMiss(pool, class, role.Role.Role))
	}
	a.Do = append(a.Do, label)
	return a
}

// missed returns the pools that almost serve a role, the nearest first.
func missed(class vip.Class, role *RoleExplanation) []PoolVerdict {
	var missed []PoolVerdict
	for _, pool := range role.Pools {
		if nearMiss(pool, class, role.Role.Role) != "" {
			missed = append(missed, pool)
		}
	}
	slices.SortStableFunc(missed, func(a, b PoolVerdict) int { return cmp.Compare(distance(a), distance(b)) })
	return missed[:min(len(missed), nearMisses)]
}

// misspelled says what in a pool's class or role is nearly the Cluster's, if that alone keeps the pool from serving
// it; else it returns "".
func misspelled(pool *vip.Pool, c *vip.Cluster, role string) string {
	twin := slices.IndexFunc(pool.Roles, func(other string) bool { return names.AreTwins(role, other) })
	ofClass := slices.ContainsFunc(pool.Classes, func(entry vip.Class) bool {
		return entry.Among([]vip.Class{c.Class})
	})
	for _, entry := range pool.Classes {
		if _, near := entry.Meant([]vip.Class{c.Class}); near && !ofClass && slices.Contains(pool.Roles, role) {
			return fmt.Sprintf("offers the role %s to ClusterClass %s, which is nearly this Cluster's %s",
				role, entry, c.Class)
		}
	}
	switch {
	case ofClass && twin >= 0 && !slices.Contains(pool.Roles, role):
		return fmt.Sprintf("offers the role %s to this ClusterClass, which is nearly %s", pool.Roles[twin], role)
	case ofClass && len(pool.Roles) == 0 && len(pool.Problems) > 0:
		return "names this ClusterClass, and no role that can be served: " + strings.Join(pool.Problems, "; ")
	}
	return ""
}

// noClass says that the class of a Cluster does not exist.
func noClass(s *vip.Snapshot) string {
	return fmt.Sprintf("ClusterClass %s does not exist.", s.Cluster.Class)
}

// cause returns the one thing that keeps a Cluster from its VIPs, if the message of the role does not say it: the
// operator, the class, or a pool that is nearly right; "" if there is no such thing.
func (e *Explanation) cause(f *Facts, s *vip.Snapshot) string {
	if e.State == StateOperatorNotRunning {
		return "The operator is not running: " + e.Operator.Says + "."
	}
	i := slices.IndexFunc(e.Roles, func(r RoleExplanation) bool { return !r.Ready && !r.Idle && r.Reason == e.State })
	if i < 0 {
		return ""
	}
	if s.ClusterClass == nil {
		text := noClass(s)
		if meant, ok := s.Cluster.Class.Meant(f.Classes); ok {
			text += fmt.Sprintf(" Did you mean %s?", meant)
		}
		return text
	}
	near := missed(s.Cluster.Class, &e.Roles[i])
	if e.State != names.ReasonPoolNotFound || len(near) == 0 || distance(near[0]) > distanceNear {
		return ""
	}
	return nearMiss(near[0], s.Cluster.Class, e.Roles[i].Role.Role)
}

// distance ranks the pools that miss by one thing. Pools of the class come before those that name none. Pools labelled
// for other classes come last, since they are strangers.
func distance(pool PoolVerdict) int {
	if pool.near != "" {
		return 0
	}
	switch pool.Verdict {
	case string(vip.VerdictDeleting):
		return 0
	case string(vip.VerdictOtherNamespace), string(vip.VerdictOtherCluster), string(vip.VerdictOtherVariables),
		string(vip.VerdictUnknown):
		return distanceNear
	case verdictNoClass:
		return 3
	case string(vip.VerdictOtherClass):
		return 4
	}
	return 2 // labels that cannot be understood may be meant for the class
}

// distanceNear is the distance of pools that match the Cluster's class and role but miss by one thing.
const distanceNear = 1

// nearMiss says what keeps a pool from serving if it is one thing only; else it returns "".
func nearMiss(pool PoolVerdict, class vip.Class, role string) string {
	switch {
	case pool.near != "":
		return pool.Pool + " " + pool.near + "."
	case pool.Verdict == string(vip.VerdictClosed):
		return fmt.Sprintf("%s would match, and %s: %s",
			pool.Pool, vip.VerdictClosed, strings.Join(pool.Problems, "; "))
	case len(pool.Problems) > 0:
		return fmt.Sprintf("%s has labels or annotations that cannot be understood: %s",
			pool.Pool, strings.Join(pool.Problems, "; "))
	case pool.Verdict == string(vip.VerdictOtherClass), pool.Verdict == verdictNoClass:
		return fmt.Sprintf("%s offers the role %s, but not to ClusterClass %s.", pool.Pool, role, class)
	case pool.Verdict == string(vip.VerdictOtherNamespace):
		return fmt.Sprintf("%s offers the role %s to this ClusterClass, but not in this namespace "+
			"(annotation %s or %s).", pool.Pool, role, names.Namespaces, names.Clusters)
	case pool.Verdict == string(vip.VerdictOtherCluster):
		return fmt.Sprintf("%s offers the role %s to this ClusterClass, but not to this Cluster (annotation %s).",
			pool.Pool, role, names.Clusters)
	case pool.Verdict == string(vip.VerdictOtherVariables), pool.Verdict == string(vip.VerdictUnknown):
		return fmt.Sprintf("%s offers the role %s to this ClusterClass, and %s (annotation %s).",
			pool.Pool, role, pool.Verdict, names.Variables)
	case pool.Verdict == string(vip.VerdictDeleting):
		return pool.Pool + " would match, but is being deleted."
	}
	return ""
}

// summary says in one sentence how the Cluster fares, and what a person can do about it as a whole.
func summary(s *vip.Snapshot, c *Cluster, operator *Operator) (text string, do []string) {
	switch c.State {
	case StateMoving:
		return "clusterctl moves this Cluster: this copy is deleted and the Cluster lives on elsewhere, " +
			"so nothing is released here.", nil
	case StatePaused:
		return "The Cluster is paused, so nobody may touch it.", []string{
			"Set spec.paused to false and take the annotation " + names.Paused +
				" off, once whoever paused it has finished.",
		}
	case StateFiltered:
		if operator.WatchesNamespace != "" && operator.WatchesNamespace != c.Namespace {
			return "The operator looks at namespace " + operator.WatchesNamespace +
				" only (--namespace), so this Cluster is not its business.", nil
		}
		return fmt.Sprintf("The operator looks only at Clusters with the label %s=%s (--watch-filter), "+
			"and this one has %q.",
			names.WatchFilter, s.Settings.WatchFilter, s.Cluster.WatchFilter), nil
	case StateNoTopology:
		return "The Cluster has no spec.topology and so no ClusterClass: " +
			"no pool can name it, and the allocator leaves it alone.", nil
	case StateDeleting:
		if !s.Cluster.HasFinalizer {
			return "The Cluster is being deleted and holds no VIP of the allocator; " +
				"claims that it owns go with it.", nil
		}
		if operator.State == OperatorNotRunning {
			return "The Cluster is being deleted, and the operator that gives its VIPs back is not running.",
				startIt(operator)
		}
		return "The Cluster is being deleted; its VIPs go back when Cluster API has finished with it.", nil
	case StateReady:
		return "The Cluster has its VIPs.", nil
	case StateOperatorNotRunning:
		return "What is to be done for the VIPs of the Cluster stands under Next, and nobody does it.",
			startIt(operator)
	case StatePending:
		return "The VIPs are decided and about to be written.", nil
	}
	var waiting []string
	for _, role := range c.Roles {
		if !role.Ready && !idle(&role) {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", role.Role, role.Reason))
		}
	}
	text = "The Cluster has no VIP for " + strings.Join(waiting, " and ") + "."
	if operator.State == OperatorNotRunning {
		return text + " And the operator is not running.", startIt(operator)
	}
	return text, nil
}

func startIt(operator *Operator) []string {
	return []string{"Start the operator (" + operator.Says + ")."}
}

// Explains reports whether the reason of a condition has advice.
func Explains(reason string) bool {
	_, ok := advice[reason]
	return ok
}
