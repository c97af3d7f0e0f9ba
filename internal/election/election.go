// Package election elects one of several operators as leader. The leader drains its work before another may begin.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

var (
	// ErrLeadershipLost means that the Lease could not be renewed in time or was taken. The process must exit: only a
	// new one starts without state left over from its leadership.
	ErrLeadershipLost = errors.New("leadership lost")
	// ErrDrainTimeout means that work went on for longer than the Lease allows. The process must exit. The Lease is
	// not released, so that no other process starts while work may still be running.
	ErrDrainTimeout = errors.New("work did not stop in time")
)

const (
	leaseQPS   = 5
	leaseBurst = 10
)

// Config configures the election.
type Config struct {
	options.LeaderElection

	// Client reads and writes the Lease (verbs get, create, update). It must not share its rate limit: see
	// NewLeaseClient.
	Client coordinationclient.LeasesGetter
	// Identity distinguishes this process from its peers: see NewIdentity.
	Identity string
	// OnLeader, if set, is called with true when this process begins to lead and with false when it has stopped.
	OnLeader func(leading bool)
	// OnLease, if set, receives a function that reports, by this process's clock, whether the Lease still keeps
	// others from leading. A process that wakes up after being frozen can tell by it before it hears anything else.
	OnLease func(counts func() bool)
	// Logger logs the course of the election.
	Logger *slog.Logger
}

// NewLeaseClient returns a client for the Lease. It has its own rate limit, so that a storm of other requests cannot
// cost the leadership, and a timeout of half the renewal deadline, so that one lost answer leaves time for a retry.
func NewLeaseClient(config *rest.Config, renewDeadline time.Duration) (coordinationclient.LeasesGetter, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst, config.RateLimiter = leaseQPS, leaseBurst, nil
	config.Timeout = renewDeadline / 2
	rest.AddUserAgent(config, "leader-election")
	client, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client for Leases: %w", err)
	}
	return client, nil
}

// NewIdentity returns HOSTNAME_UUID: people recognise the host, and a restarted pod is not mistaken for its
// predecessor.
func NewIdentity(hostname string) string {
	return hostname + "_" + string(uuid.NewUUID())
}

// Run waits until this process holds the Lease and then calls lead, once. With Enabled false it just calls lead.
//
// When ctx ends, Run cancels lead's context and releases the Lease once lead has returned: a standby takes over
// immediately, but never while work is in progress. Run returns lead's error; context.Canceled counts as nil.
//
// The Lease is lost RenewDeadline after the last renewal, or when another holder is seen. Then Run cancels lead's
// context and returns an error that wraps ErrLeadershipLost.
//
// In both cases lead has LeaseDuration-RenewDeadline to return. If it does not, the error wraps ErrDrainTimeout and
// lead is still running: exit the process. When lead returns on its own, Run releases the Lease and returns lead's
// error.
func Run(ctx context.Context, config Config, lead func(ctx context.Context) error) error {
	if config.OnLeader == nil {
		config.OnLeader = func(bool) {}
	}
	if config.OnLease == nil {
		config.OnLease = func(func() bool) {}
	}
	if !config.Enabled {
		config.OnLeader(true)
		defer config.OnLeader(false)
		return ignoreCanceled(ctx, lead(ctx))
	}
	candidate, err := newCandidate(config)
	if err != nil {
		return err
	}
	return candidate.run(ctx, lead)
}

// candidate is one process in one election.
type candidate struct {
	config  Config
	lock    *watchedLock
	elector *leaderelection.LeaderElector
	// elected is closed when the Lease is held, stopped when the elector has stopped.
	elected chan struct{}
	stopped chan struct{}
}

func newCandidate(config Config) (*candidate, error) {
	c := &candidate{
		config:  config,
		elected: make(chan struct{}),
		stopped: make(chan struct{}),
		lock: newWatchedLock(&resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: config.Namespace, Name: config.ID},
			Client:     config.Client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: config.Identity},
		}),
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          c.lock,
		Name:          config.ID,
		LeaseDuration: config.LeaseDuration,
		RenewDeadline: config.RenewDeadline,
		RetryPeriod:   config.RetryPeriod,
		// client-go would release the Lease as soon as it stops, even after a loss and with work still in progress.
		ReleaseOnCancel: false,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(c.elected) },
			OnStoppedLeading: func() {},
			OnNewLeader: func(holder string) {
				config.Logger.Info("the leader is known", slog.String("holder", holder),
					slog.Bool("self", holder == config.Identity))
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot take part in the leader election for %s/%s: %w",
			config.Namespace, config.ID, err)
	}
	c.elector = elector
	return c, nil
}

func (c *candidate) run(ctx context.Context, lead func(ctx context.Context) error) error {
	// The elector outlives ctx: it keeps renewing until the work in progress is done.
	base := klog.NewContext(context.WithoutCancel(ctx), logr.FromSlogHandler(c.config.Logger.Handler()))
	electing, stopElecting := context.WithCancel(base)
	defer stopElecting()
	go func() {
		defer close(c.stopped)
		c.elector.Run(electing)
	}()

	select {
	case <-ctx.Done():
		// It may have been elected at this very moment.
		c.resign(base, stopElecting)
		return nil
	case <-c.elected:
	}
	err := c.lead(ctx, stopElecting, lead)
	if !errors.Is(err, ErrDrainTimeout) {
		c.resign(base, stopElecting)
	}
	return err
}

// lead calls lead and returns when that has returned or its time is up. It stops the elector when the Lease is lost.
func (c *candidate) lead(
	ctx context.Context, stopElecting context.CancelFunc, lead func(ctx context.Context) error,
) error {
	c.config.OnLease(func() bool { return time.Since(c.lock.lastRenewal()) < c.config.LeaseDuration })
	c.config.OnLeader(true)
	defer c.config.OnLeader(false)

	leading, cease := context.WithCancel(ctx)
	defer cease()
	done := make(chan error, 1)
	go func() { done <- lead(leading) }()
	lost := make(chan struct{})
	go func() {
		if c.lock.awaitLoss(leading, c.config.RenewDeadline) {
			close(lost)
		}
	}()

	select {
	case err := <-done:
		return ignoreCanceled(ctx, err)
	case <-ctx.Done():
		return c.drain(ctx, done)
	case <-lost:
		stopElecting()
		cease()
		c.config.Logger.Error("the leadership is lost, finishing work in hand before exiting",
			slog.String("lease", c.lock.Describe()))
		return errors.Join(
			fmt.Errorf("%w: the Lease %s was not renewed within %s or has another holder; "+
				"check the API server and the operator's access to Leases",
				ErrLeadershipLost, c.lock.Describe(), c.config.RenewDeadline),
			c.drain(leading, done))
	}
}

// drain waits for lead to return, but only as long as nobody else can lead.
func (c *candidate) drain(ctx context.Context, done <-chan error) error {
	window := c.config.LeaseDuration - c.config.RenewDeadline
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case err := <-done:
		return ignoreCanceled(ctx, err)
	case <-timer.C:
		return fmt.Errorf("%w: still going on %s after it was told to stop; the Lease %s is left to run out",
			ErrDrainTimeout, window, c.lock.Describe())
	}
}

// resign stops the elector and releases the Lease if this process holds it. If that fails, the Lease expires by
// itself, so resign only logs it.
func (c *candidate) resign(ctx context.Context, stopElecting context.CancelFunc) {
	stopElecting()
	<-c.stopped
	if c.lock.lastRenewal().IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.LeaseDuration-c.config.RenewDeadline)
	defer cancel()
	if err := c.lock.release(ctx); err != nil {
		c.config.Logger.Warn("the Lease is left to run out", slog.Any(names.ErrorKey, err))
	}
}

// ignoreCanceled drops an error that only says that ctx was cancelled.
func ignoreCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
