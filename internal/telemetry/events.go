package telemetry

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// Event is an event to record on a Cluster.
type Event struct{ Type, Reason, Message string }

// EventFor returns the event for an action that was carried out, and whether there is one.
func EventFor(action vip.Action) (Event, bool) {
	normal := func(reason, format string, args ...any) (Event, bool) {
		return Event{corev1.EventTypeNormal, reason, fmt.Sprintf(format, args...)}, true
	}
	switch a := action.(type) {
	case vip.SetEndpoint:
		if a.RefusedPort != 0 {
			return normal(names.EventVIPAllocated,
				"control plane endpoint %s set, from %s by claim %s; port %d of the Cluster is out of range",
				a.Endpoint, a.Pool, a.Claim, a.RefusedPort)
		}
		return normal(names.EventVIPAllocated, "control plane endpoint %s set, from %s by claim %s",
			a.Endpoint, a.Pool, a.Claim)
	case vip.SetAnnotation:
		switch {
		case a.Restored && a.Claim == "":
			return normal(names.EventAnnotationRestored, "annotation %s=%s restored, from the endpoint in use",
				names.Annotation(a.Role), a.Value)
		case a.Restored:
			return normal(names.EventAnnotationRestored, "annotation %s=%s restored, from %s",
				names.Annotation(a.Role), a.Value, vip.ClaimsText(a.Claim, a.Further))
		case a.Role == names.RoleControlPlane:
			return Event{}, false // the endpoint's event covers it
		case a.Role == names.RoleIngress:
			return normal(names.EventIngressAnnotationSet, "annotation %s=%s set, from %s by %s",
				names.Annotation(a.Role), a.Value, a.Pool, vip.ClaimsText(a.Claim, a.Further))
		}
		return normal(names.EventVIPAllocated, "annotation %s=%s set, from %s by %s",
			names.Annotation(a.Role), a.Value, a.Pool, vip.ClaimsText(a.Claim, a.Further))
	case vip.RemoveFinalizer:
		if len(a.Released) > 0 {
			return normal(names.EventVIPReleased, "%s released", strings.Join(a.Released, ", "))
		}
	}
	return Event{}, false
}

// EventForPool returns the warning about a pool's configuration: its problems, or what is probably misspelled. It
// also returns whether there is anything to warn of.
func EventForPool(pool vip.Pool, doubts []string) (Event, bool) {
	said := strings.Join(slices.Concat(pool.Problems, doubts), "; ")
	if pool.Closed {
		said = "the pool serves nobody new until this is corrected: " + said
	}
	return Event{
		corev1.EventTypeWarning, names.EventInvalidPoolConfiguration, vip.Cut(said, vip.MaxMessage),
	}, said != ""
}

// EventForWarning returns the event for a warning.
func EventForWarning(warning vip.Warning) Event {
	return Event{corev1.EventTypeWarning, warning.Reason, warning.Message}
}

// EventForChange returns the warning for a changed condition, and whether there is one.
func EventForChange(change vip.Change) (Event, bool) {
	if change.True || change.Reason == names.ReasonReleasing || change.Reason == names.ReasonReleased {
		return Event{}, false
	}
	return Event{corev1.EventTypeWarning, change.Reason, change.Message}, true
}

// FailureFor returns the failure that a changed condition counts as, if it does.
func FailureFor(change vip.Change) (Failure, bool) {
	failure, ok := map[string]Failure{
		names.ReasonAddressConflict: FailureAddressConflict,
		names.ReasonAddressInUse:    FailureAddressInUse,
		names.ReasonClaimConflict:   FailureClaimConflict,
		names.ReasonPoolExhausted:   FailurePoolExhausted,
		names.ReasonPoolNotFound:    FailurePoolNotFound,
	}[change.Reason]
	return failure, ok
}
