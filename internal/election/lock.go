package election

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// watchedLock is a Lease lock that knows how long it is certain to be held. client-go starts its deadline only with
// the next attempt after a renewal was answered, so it stops leading later than others expect, by up to a retry
// period and the time of an answer. All that is certain is that nobody takes the Lease before its duration has passed
// since the last successful renewal was sent.
type watchedLock struct {
	resourcelock.Interface

	mu      sync.Mutex
	renewed time.Time
	taken   bool
	// lost is closed when another holder is seen after this process has held the Lease.
	lost chan struct{}
}

func newWatchedLock(lock resourcelock.Interface) *watchedLock {
	return &watchedLock{Interface: lock, lost: make(chan struct{})}
}

// Create implements resourcelock.Interface.
func (l *watchedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	sent := time.Now()
	err := l.Interface.Create(ctx, record)
	l.noteWrite(sent, err)
	return err
}

// Update implements resourcelock.Interface.
func (l *watchedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	sent := time.Now()
	err := l.Interface.Update(ctx, record)
	l.noteWrite(sent, err)
	return err
}

// Get implements resourcelock.Interface.
func (l *watchedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.noteHolder(record.HolderIdentity)
	}
	return record, raw, err
}

func (l *watchedLock) noteWrite(sent time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.renewed = sent
	}
}

func (l *watchedLock) noteHolder(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder != l.Identity() && !l.renewed.IsZero() && !l.taken {
		l.taken = true
		close(l.lost)
	}
}

func (l *watchedLock) lastRenewal() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

// awaitLoss returns true once deadline has passed since the last renewal or another holder was seen, and false if ctx
// ends first.
func (l *watchedLock) awaitLoss(ctx context.Context, deadline time.Duration) bool {
	for {
		left := time.Until(l.lastRenewal().Add(deadline))
		if left <= 0 {
			return true
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-l.lost:
			timer.Stop()
			return true
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// release gives up the Lease if this process holds it, so that a standby need not wait for it to expire. Call it only
// when the elector has stopped and all work is done. It writes what client-go's own release writes.
func (l *watchedLock) release(ctx context.Context) error {
	for {
		err := l.tryRelease(ctx)
		if !apierrors.IsConflict(err) || ctx.Err() != nil {
			return err
		}
		// A renewal that was cut off took effect after all: read again.
	}
}

func (l *watchedLock) tryRelease(ctx context.Context) error {
	record, _, err := l.Interface.Get(ctx)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the Lease %s: %w", l.Describe(), err)
	}
	if record.HolderIdentity != l.Identity() {
		return nil
	}
	now := metav1.NewTime(time.Now())
	released := resourcelock.LeaderElectionRecord{
		LeaseDurationSeconds: 1,
		AcquireTime:          now,
		RenewTime:            now,
		LeaderTransitions:    record.LeaderTransitions,
	}
	if err := l.Interface.Update(ctx, released); err != nil {
		return fmt.Errorf("release the Lease %s: %w", l.Describe(), err)
	}
	return nil
}
