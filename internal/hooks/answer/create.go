package answer

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	hooks "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// createRequest is a BeforeClusterCreateRequest. Its Cluster is v1beta1 up to Cluster API 1.12 and v1beta2 since, and
// does not say which; capi.Cluster decodes both, as it does from the API server.
type createRequest struct {
	metav1.TypeMeta     `json:",inline"`
	hooks.CommonRequest `json:",inline"`

	Cluster capi.Cluster `json:"cluster"`
}

const (
	// minHold and maxHold bound how long a Cluster is held before Cluster API asks again, in seconds. Cluster API
	// does not ask sooner, whatever happens to the Cluster.
	minHold, maxHold = 1, 5
	// holdShare makes each hold a quarter of the Cluster's age: a Cluster then waits at most this much longer than
	// necessary, and a thousand queued Clusters do not ask a thousand times a second.
	holdShare = 4
	// BenefitOfDoubt is the age up to which a Cluster is held although the caches, which say whether a pool serves
	// it, are not filled. They fill within seconds; if something prevents that, it must not block the creation of
	// Clusters too.
	BenefitOfDoubt = 30 * time.Second
)

// beforeClusterCreate holds a Cluster's topology back until its VIP can be rendered into it.
func (e *extension) beforeClusterCreate(request *createRequest) *hooks.BeforeClusterCreateResponse {
	cluster, now := &request.Cluster, e.Now()
	age := now.Sub(cluster.CreationTimestamp.Time)
	if e.Namespace != "" && e.Namespace != cluster.Namespace {
		return release()
	}
	if cluster.VIPs()[names.RoleControlPlane] != "" {
		return release()
	}
	store := e.Store()
	if store == nil {
		if age < BenefitOfDoubt {
			return hold(minHold, "the VIP allocator has just started and does not know its pools yet")
		}
		return release()
	}
	_, _ = capi.Trim(cluster) // never fails; fields that the operator does not read must not matter here
	snapshot := store.GatherFor(cluster, vip.Memory{}, e.Settings, now)
	if !usesVIP(&snapshot) {
		return release()
	}
	return holdOrRelease(&snapshot, age)
}

// usesVIP reports whether the Cluster's class renders the VIP into a template; otherwise there is nothing to wait
// for. An unknown class counts as one that does.
func usesVIP(snapshot *vip.Snapshot) bool {
	class := snapshot.ClusterClass
	if class == nil || class.ReadsVIP {
		return snapshot.Cluster.Class.Name != ""
	}
	return slices.ContainsFunc(snapshot.Pools, func(p vip.Pool) bool {
		_, host := class.Variables[p.HostVariable]
		_, port := class.Variables[p.PortVariable]
		return host || port
	})
}

// holdOrRelease decides about a Cluster that does not have its VIP yet.
func holdOrRelease(snapshot *vip.Snapshot, age time.Duration) *hooks.BeforeClusterCreateResponse {
	role, awaits := awaited(snapshot)
	if !awaits {
		return release()
	}
	seconds := int(age/time.Second) / holdShare
	switch role.Reason {
	case names.ReasonPoolExhausted, names.ReasonAddressConflict, names.ReasonAddressInUse, names.ReasonClaimConflict:
		seconds = maxHold // someone must act
	}
	message := role.Message
	if role.Ready {
		message = fmt.Sprintf("%s is about to be written to the annotation %s",
			role.Address, names.Annotation(role.Role))
	}
	return hold(int32(min(max(seconds, minHold), maxHold)), message)
}

// awaited returns the state of the control plane's VIP, and whether the Cluster will get one. It will not if no pool
// serves it, if someone else provides the endpoint, or if the operator ignores the Cluster: paused, filtered or
// deleting.
func awaited(snapshot *vip.Snapshot) (vip.RoleStatus, bool) {
	if snapshot.Cluster.Deleting {
		return vip.RoleStatus{}, false
	}
	for _, role := range vip.Decide(*snapshot).Status.Roles {
		if role.Role == names.RoleControlPlane {
			return role, role.Reason != names.ReasonPoolNotFound && role.Reason != names.ReasonEndpointProvided
		}
	}
	return vip.RoleStatus{}, false
}

func release() *hooks.BeforeClusterCreateResponse {
	return &hooks.BeforeClusterCreateResponse{
		CommonRetryResponse: hooks.CommonRetryResponse{CommonResponse: success("")},
	}
}

func hold(seconds int32, message string) *hooks.BeforeClusterCreateResponse {
	return &hooks.BeforeClusterCreateResponse{CommonRetryResponse: hooks.CommonRetryResponse{
		CommonResponse: success(message), RetryAfterSeconds: seconds,
	}}
}
