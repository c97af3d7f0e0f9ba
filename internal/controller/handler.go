package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/gorizond/capi-vip-allocator/internal/apply"
	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/probe"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/telemetry"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// outdatedRetry is the delay before the next decision after an outdated write; it doubles each time in a row. The
// event that outdated the write usually comes sooner.
const outdatedRetry = 100 * time.Millisecond

// handler serves one Cluster at a time for each worker: gather, decide, apply.
type handler struct {
	cfg      Config
	store    *state.Store
	writer   *apply.Writer
	enqueue  func(namespace, name string, after time.Duration)
	memory   *memory
	waiters  waiters
	pace     pace
	refused  refusals
	unusable unusable
	probes   *probes
	report   *reporter
	fair     *fair
	// outdated says when to decide again about Clusters whose writes were outdated.
	outdated workqueue.TypedRateLimiter[types.NamespacedName]

	// work is the context of all writes: it outlives the run's context by the time to drain.
	work     context.Context //nolint:containedctx // lasso hands no context to a handler
	stop     context.CancelFunc
	mu       sync.Mutex
	draining bool
	inFlight sync.WaitGroup
}

func newHandler(
	ctx context.Context, cfg Config, store *state.Store, writer *apply.Writer,
	enqueue func(string, string, time.Duration),
) *handler {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	m := newMemory()
	h := &handler{
		cfg: cfg, store: store, writer: writer, enqueue: enqueue, fair: newFair(cfg.Workers), work: work, stop: stop,
		memory: m, waiters: waiters{m}, pace: pace{m, cfg.RetryInterval}, refused: refusals{m, cfg.RetryInterval},
		unusable: unusable{m}, report: newReporter(m, cfg),
		outdated: workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](
			outdatedRetry, max(cfg.RetryInterval, outdatedRetry),
		),
	}
	wake := func(c types.NamespacedName) { enqueue(c.Namespace, c.Name, 0) }
	h.probes = newProbes(m, cfg, probe.New(ctx, cfg.ProbeTimeout, probe.Limit), wake)
	return h
}

// onChange handles a Cluster that may have changed. key is namespace/name; object is nil if the Cluster is gone.
func (h *handler) onChange(key string, object *capi.Cluster) (_ *capi.Cluster, err error) {
	if !h.begin() {
		return object, nil
	}
	defer h.inFlight.Done()
	defer func() {
		if r := recover(); r != nil {
			h.cfg.Metrics.Failed(telemetry.FailurePanic)
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return object, err
	}
	cluster := types.NamespacedName{Namespace: namespace, Name: name}
	if !h.fair.enter(cluster) {
		h.cfg.Metrics.Deferred()
		return object, nil
	}
	defer h.leave(namespace)
	return object, h.reconcile(cluster, object)
}

// leave ends the work on a Cluster, and requeues the next one of its namespace that had to wait.
func (h *handler) leave(namespace string) {
	if next, ok := h.fair.leave(namespace); ok {
		h.enqueue(next.Namespace, next.Name, 0)
	}
}

// reconcile serves a Cluster; object is nil if it is gone. It skips a Cluster that needed nothing until something
// changes, here or elsewhere: the same snapshot gives the same plan.
func (h *handler) reconcile(key types.NamespacedName, object *capi.Cluster) (err error) {
	now := time.Now()
	version, complete := h.store.Version(now)
	if complete && h.memory.isIdle(key, idleState{object, version}) {
		return nil
	}
	cluster, snapshot, ok := h.store.Gather(key, h.remembered(key, now), h.cfg.Settings, now)
	if !ok {
		h.memory.forget(key)
		h.outdated.Forget(key)
		return nil
	}
	plan := vip.Decide(snapshot)
	if addresses := plan.Addresses(); len(addresses) > 0 {
		// This decision could not see what another worker is writing at this moment.
		release, free := h.store.Reserve(addresses, cluster.UID, now)
		if !free {
			h.enqueue(key.Namespace, key.Name, outdatedRetry)
			return nil
		}
		defer func() {
			if !mayBeDone(err) {
				release()
			}
		}()
		if cluster, snapshot, ok = h.store.Gather(key, h.remembered(key, now), h.cfg.Settings, now); !ok {
			return nil
		}
		plan = vip.Decide(snapshot)
	}
	plan, wanted := plan.Split()
	h.unusable.note(key, plan.Status)
	h.probes.note(key, plan.Status)
	h.probes.ask(key, wanted)
	if plan.Empty() {
		h.pace.settled(key, now)
	} else if wait := h.pace.wait(key, keysOf(plan), now); wait > 0 {
		h.waiters.set(key, plan.Status)
		h.report.warn(key, &snapshot.Cluster, append(plan.Warnings, h.pace.warnings(key)...))
		h.enqueue(key.Namespace, key.Name, wait)
		return nil
	}
	applied, err := h.writer.Apply(h.work, cluster, plan)
	h.refused.note(key, applied.Failed, now)
	if against := refused(err); !plan.Empty() && (err == nil || len(against) > 0) {
		h.pace.wrote(key, keysOf(plan), against, now)
	}
	h.report.done(key, &snapshot, plan, applied.Done, applied.Status)
	h.report.warn(key, &snapshot.Cluster, append(plan.Warnings, h.said(key, err)...))
	h.waiters.set(key, plan.Status)
	if err == nil && complete && len(wanted) == 0 && plan.AtRest() {
		h.memory.noteIdle(key, idleState{cluster, version})
	}
	return h.next(key, plan.Status, err)
}

// remembered returns what this process remembers of a Cluster, in the form that a decision needs.
func (h *handler) remembered(key types.NamespacedName, now time.Time) vip.Memory {
	return vip.Memory{
		Crowd: h.waiters.crowd(key), Refused: h.refused.said(key, now), Unusable: h.unusable.addresses(key),
		Probed: h.probes.known(key),
	}
}

// mayBeDone reports whether a write may have succeeded although its answer is missing.
func mayBeDone(err error) bool {
	return err != nil && failureOf(err) == telemetry.FailureUnavailable
}

// said returns the warnings of a write, or else those of the pace at which a Cluster may be written to.
func (h *handler) said(key types.NamespacedName, err error) []vip.Warning {
	if warnings := refused(err); len(warnings) > 0 {
		return warnings
	}
	return h.pace.warnings(key)
}

// next requeues the Cluster if there is something to wait for. Returning an error requeues it too.
func (h *handler) next(key types.NamespacedName, status vip.Status, err error) error {
	switch {
	case errors.Is(err, apply.ErrOutdated):
		h.cfg.Metrics.Outdated()
		h.cfg.Logger.Debug("decide again", clusterAttr(key), slog.Any("cause", err))
		h.enqueue(key.Namespace, key.Name, h.outdated.When(key))
		return nil
	case err != nil:
		h.cfg.Metrics.Failed(failureOf(err))
		return err
	}
	h.outdated.Forget(key)
	switch {
	case status.Recheck > 0:
		h.enqueue(key.Namespace, key.Name, status.Recheck)
	case status.Waiting:
		h.enqueue(key.Namespace, key.Name, h.cfg.RetryInterval)
	}
	return nil
}

// refused returns the warnings of writes that the API server will refuse however often they are tried. An outdated
// write is not one of these, though the API server may call it invalid as well.
func refused(err error) []vip.Warning {
	if several, ok := err.(interface{ Unwrap() []error }); ok && !errors.Is(err, apply.ErrOutdated) {
		var warnings []vip.Warning
		for _, one := range several.Unwrap() {
			warnings = append(warnings, refused(one)...)
		}
		return warnings
	}
	if errors.Is(err, apply.ErrOutdated) || !capi.IsRefusal(err) {
		return nil
	}
	return []vip.Warning{{Reason: names.EventWriteRefused, Message: capi.Printable(err).Error() + remedy(err)}}
}

// remedy says what to do about an object that is too large, since the API server does not.
func remedy(err error) string {
	switch {
	case capi.IsTooLarge(err):
		return "; the Cluster is as large as can be stored: remove what it does not need, " +
			"such as large variables or annotations"
	case capi.IsFull(err):
		return "; remove annotations that the Cluster does not need"
	}
	return ""
}

// begin reports whether new work may begin.
func (h *handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining || h.cfg.MayBegin != nil && !h.cfg.MayBegin() {
		return false
	}
	h.inFlight.Add(1)
	return true
}

// drain lets no new work begin and waits for the work in progress; it cuts off what does not finish in time.
func (h *handler) drain(timeout time.Duration) {
	defer h.stop()
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	done := make(chan struct{})
	go func() {
		h.inFlight.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(timeout):
		h.cfg.Logger.Warn("work under way did not end in time and is cut off", "timeout", timeout)
		h.stop()
		<-done
	}
}

// clusterAttr is how logs name a Cluster.
func clusterAttr(key types.NamespacedName) slog.Attr {
	return slog.String("cluster", key.String())
}
