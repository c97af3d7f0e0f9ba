package vip

import (
	"fmt"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// notServing says why the pool of the claim does not serve the role, and what would change that.
func (r *sight) notServing() (why, remedy string) {
	why = fmt.Sprintf("does not serve role %s for ClusterClass %s in namespace %s",
		r.role, r.cluster.Class, r.cluster.Namespace)
	pool := r.poolOf(r.claim)
	if pool == nil {
		return why, "label the pool"
	}
	switch verdict, _ := pool.serves(r.subject, r.role); verdict {
	case VerdictOtherCluster:
		return string(verdict), "add this one to the pool's annotation " + names.Clusters
	case VerdictOtherVariables, VerdictUnknown:
		return fmt.Sprintf("%s (%s)", verdict, pool.asked()), remedyForVariables
	case VerdictClosed:
		return string(verdict), "correct the pool"
	default:
		return why, "label the pool"
	}
}

// remedyForVariables addresses the owner of the Cluster as well as the owner of the pool.
const remedyForVariables = "correct or shorten the Cluster's variables, or correct the pool's annotation " +
	names.Variables

// maxAsked is how many bytes a message spends on naming what a pool asks for.
const maxAsked = 256

// asked names what the pool asks for. It does not tell what the Cluster has instead, which is private.
func (p *Pool) asked() string {
	texts := make([]string, len(p.Variables))
	for i, variable := range p.Variables {
		texts[i] = variable.String()
	}
	return Cut(strings.Join(texts, ","), maxAsked)
}

// withholdMissingPool returns how long to withhold the condition: pools may still be arriving along with a new
// Cluster. It matters for the endpoint only: nothing waits for another role.
func (a *allocation) withholdMissingPool(role string) time.Duration {
	if role != names.RoleControlPlane {
		return 0
	}
	return a.withhold(a.cluster.Created)
}

func (r *sight) missingPool(role string) string {
	message := fmt.Sprintf("no pool serves role %s for ClusterClass %s in namespace %s; "+
		"put the labels %s=%s and %s=%s on one",
		role, r.cluster.Class, r.cluster.Namespace, names.ClusterClass, r.cluster.Class.Name, names.Role, role)
	if other := r.firstPool(VerdictOtherCluster); other != nil {
		message = fmt.Sprintf("%s serves role %s for ClusterClass %s, and not this Cluster; "+
			"add %s to its annotation %s, or label another pool",
			other.Ref, role, r.cluster.Class, r.cluster.Key(), names.Clusters)
	}
	if other := r.firstPool(VerdictOtherVariables); other != nil {
		message = fmt.Sprintf("%s serves role %s for ClusterClass %s, and asks for other values of variables than "+
			"the Cluster has (%s); set them, or label another pool",
			other.Ref, role, r.cluster.Class, other.asked())
	}
	if going := r.firstPool(VerdictDeleting); going != nil {
		message = fmt.Sprintf("%s, which serves role %s for ClusterClass %s, "+
			"is being deleted and takes no new claims; label another pool",
			going.Ref, role, r.cluster.Class)
	}
	if closed := r.firstPool(VerdictClosed); closed != nil {
		message = fmt.Sprintf("%s is labelled for role %s and ClusterClass %s, "+
			"and serves nobody new until its labels and annotations are corrected; its event %s says which",
			closed.Ref, role, r.cluster.Class, names.EventInvalidPoolConfiguration)
	}
	if unknown := r.firstPool(VerdictUnknown); unknown != nil {
		message = fmt.Sprintf("%s %s (%s), so nobody knows whether it serves the Cluster, "+
			"and no less specific pool does instead; %s",
			unknown.Ref, VerdictUnknown, unknown.asked(), remedyForVariables)
	}
	if r.classMissing() {
		message = fmt.Sprintf("ClusterClass %s does not exist; create it, or correct the Cluster's spec.topology",
			r.cluster.Class)
	}
	if value := r.carried(role); value != "" {
		message = fmt.Sprintf("%s is in use and no claim holds it: %s", value, message)
	}
	return message
}

// firstPool returns the highest-ranking pool that would serve the role except for one verdict, or nil.
func (r *sight) firstPool(but Verdict) *Pool {
	var first *Pool
	for i := range r.Pools {
		pool := &r.Pools[i]
		if verdict, _ := pool.serves(r.subject, r.role); verdict == but && (first == nil || rank(pool, first) < 0) {
			first = pool
		}
	}
	return first
}
