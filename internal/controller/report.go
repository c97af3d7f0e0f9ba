package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// reporter reports what was done in logs, events and metrics.
type reporter struct {
	*memory
	cfg Config
	// started is when this process began, to the second: a Cluster's creation time is no more precise.
	started time.Time
}

func newReporter(m *memory, cfg Config) *reporter {
	return &reporter{memory: m, cfg: cfg, started: time.Now().Truncate(time.Second)}
}

// done reports the actions of a plan that were carried out and, if they were written, the conditions that changed.
func (r *reporter) done(
	key types.NamespacedName, snapshot *vip.Snapshot, plan vip.Plan, done []vip.Action, status bool,
) {
	for _, action := range done {
		r.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, action.String(),
			append(attrsOf(action), clusterAttr(key))...)
		if event, ok := telemetry.EventFor(action); ok {
			r.event(&snapshot.Cluster, event)
		}
		r.count(key, snapshot, action)
	}
	if !status {
		return
	}
	for _, change := range plan.Status.Changes {
		attrs := []slog.Attr{
			clusterAttr(key), slog.String("type", change.Type), slog.Bool("status", change.True),
			slog.String("reason", change.Reason), slog.String("message", change.Message),
		}
		if change.Rival != nil {
			attrs = append(attrs, slog.String("holder", change.Rival.String()))
		}
		r.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "condition changed", attrs...)
		if event, ok := telemetry.EventForChange(change); ok {
			r.event(&snapshot.Cluster, event)
		}
		if failure, ok := telemetry.FailureFor(change); ok {
			r.cfg.Metrics.Failed(failure)
		}
	}
}

// warn reports warnings, each when it first appears. For a Cluster that was there before this process, the first ones
// go only to the log: a restart is no news.
func (r *reporter) warn(key types.NamespacedName, cluster *vip.Cluster, warnings []vip.Warning) {
	slices.SortFunc(warnings, func(a, b vip.Warning) int { return cmp.Compare(a.Message, b.Message) })
	text := fmt.Sprint(warnings)
	if len(warnings) == 0 {
		text = ""
	}
	last, known := "", false
	r.of(key, func(m *recollection) {
		if known = m.warned != nil; known {
			last = *m.warned
		}
		if !known || last != text {
			m.warned = &text
		}
	})
	if text == last {
		return
	}
	for _, warning := range warnings {
		warning.Message = vip.Cut(warning.Message, vip.MaxMessage)
		r.cfg.Logger.Warn(warning.Message, clusterAttr(key), slog.String("reason", warning.Reason))
		if known || !cluster.Created.Before(r.started) {
			r.event(cluster, telemetry.EventForWarning(warning))
		}
	}
}

func (r *reporter) event(cluster *vip.Cluster, event telemetry.Event) {
	r.cfg.Events.Event(&corev1.ObjectReference{
		APIVersion: r.cfg.API.Cluster.String(), Kind: capi.KindCluster,
		Namespace: cluster.Namespace, Name: cluster.Name, UID: cluster.UID,
	}, event.Type, event.Reason, vip.Cut(event.Message, vip.MaxMessage))
}

// pool reports what is wrong with the configuration of a pool, and what is probably misspelled in it. Pools that were
// there before this process get no event: a restart is no news.
func (r *reporter) pool(object *capi.Pool, doubts []string, initial bool) {
	pool := object.Snapshot(time.Time{})
	event, ok := telemetry.EventForPool(pool, doubts)
	if !ok {
		return
	}
	r.cfg.Logger.Warn("labels or annotations of a pool are wrong, or probably misspelled",
		slog.String("pool", pool.Ref.String()), slog.String("namespace", pool.Namespace),
		slog.Bool("closed", pool.Closed), slog.Any("problems", append(pool.Problems, doubts...)))
	if !initial {
		r.cfg.Events.Event(&corev1.ObjectReference{
			APIVersion: object.GroupVersionKind().GroupVersion().String(), Kind: pool.Ref.Kind,
			Namespace: object.Namespace, Name: object.Name, UID: object.UID,
		}, event.Type, event.Reason, event.Message)
	}
}

func (r *reporter) count(key types.NamespacedName, snapshot *vip.Snapshot, action vip.Action) {
	switch a := action.(type) {
	case vip.CreateClaim:
		r.ask(key, a.Name)
	case vip.SetEndpoint:
		if !a.Completed {
			r.cfg.Metrics.Allocated(names.RoleControlPlane, r.waited(snapshot, a.Claim))
		}
	case vip.SetAnnotation:
		switch {
		case a.Restored:
			r.cfg.Metrics.Restored()
		case a.Role != names.RoleControlPlane:
			r.cfg.Metrics.Allocated(a.Role, r.waited(snapshot, a.Claim))
		}
	case vip.RecordClaim: // one of several addresses; the role was counted with its first
		r.answered(key, a.Claim)
	case vip.DeleteClaim:
		r.answered(key, a.Claim.Name)
	case vip.RemoveFinalizer:
		if snapshot.Cluster.Deleting {
			r.cfg.Metrics.Released()
		}
	}
}

// waited returns the time since a claim was created, as exactly as known.
func (r *reporter) waited(snapshot *vip.Snapshot, claim string) time.Duration {
	if asked, ok := r.answered(snapshot.Cluster.Key(), claim); ok {
		return time.Since(asked)
	}
	for i := range snapshot.Claims {
		if snapshot.Claims[i].Name == claim {
			return time.Since(snapshot.Claims[i].Created)
		}
	}
	return 0
}

// ask notes that a claim of a Cluster was created just now. The claim's own timestamp has only seconds.
func (r *reporter) ask(cluster types.NamespacedName, claim string) {
	r.of(cluster, func(m *recollection) {
		if m.asked == nil {
			m.asked = map[string]time.Time{}
		}
		m.asked[claim] = time.Now()
	})
}

// answered returns when a claim was created, if known, and forgets it.
func (r *reporter) answered(cluster types.NamespacedName, claim string) (asked time.Time, known bool) {
	r.of(cluster, func(m *recollection) {
		asked, known = m.asked[claim]
		delete(m.asked, claim)
	})
	return asked, known
}

// attrsOf returns the claim, pool and address of an action as log fields.
func attrsOf(action vip.Action) []slog.Attr {
	switch a := action.(type) {
	case vip.CreateClaim:
		return []slog.Attr{
			slog.String("claim", a.Name), slog.String("pool", a.Pool.String()), slog.String("role", a.Role),
		}
	case vip.AdoptClaim:
		return claimAttrs(a.Claim)
	case vip.RenewOwner:
		return claimAttrs(a.Claim)
	case vip.ReplaceClaim:
		return claimAttrs(a.Claim)
	case vip.DeleteClaim:
		return claimAttrs(a.Claim)
	case vip.SetVariables:
		return []slog.Attr{
			slog.String("claim", a.Claim), slog.String("pool", a.Pool.String()), slog.String("role", a.Role),
		}
	case vip.SetEndpoint:
		return []slog.Attr{
			slog.String("claim", a.Claim), slog.String("pool", a.Pool.String()),
			slog.String("address", a.Endpoint.Host),
		}
	case vip.SetAnnotation:
		if a.Claim == "" {
			return []slog.Attr{slog.String("address", a.Value), slog.String("role", a.Role)}
		}
		return []slog.Attr{
			slog.String("claim", a.Claim), slog.String("pool", a.Pool.String()), slog.String("address", a.Value),
			slog.String("role", a.Role),
		}
	}
	return nil
}

func claimAttrs(claim vip.Claim) []slog.Attr {
	return []slog.Attr{
		slog.String("claim", claim.Name), slog.String("pool", claim.Pool.String()), slog.String("role", claim.Role),
	}
}

// failureOf maps an error to the bounded label of the failure metric.
func failureOf(err error) telemetry.Failure {
	var network net.Error
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return telemetry.FailureForbidden
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), capi.IsTooLarge(err):
		return telemetry.FailureInvalid
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err),
		errors.As(err, &network), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return telemetry.FailureUnavailable
	}
	return telemetry.FailureOther
}
