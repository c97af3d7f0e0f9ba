// Package election has one of several operators lead: it drains the work in hand before another may begin.
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
	// ErrLeadershipLost means that the Lease could not be renewed in time or was taken. The process must exit: only
	// a new one starts without traces of the old leadership.
	ErrLeadershipLost = errors.New("leadership lost")
	// ErrDrainTimeout means that work went on for longer than the Lease leaves room for. The process must exit; the
	// Lease is not released, so that no other starts beside the work.
	ErrDrainTimeout = errors.New("work did not stop in time")
)

const (
	leaseQPS   = 5
	leaseBurst = 10
)

// Config is what leader election needs.
type Config struct {
	options.LeaderElection

	// Client reads and writes the Lease (verbs get, create, update). It must share its rate limit with nothing else:
	// see NewLeaseClient.
	Client coordinationclient.LeasesGetter
	// Identity is how this process is told from its peers: see NewIdentity.
	Identity string
	// OnLeader, if set, is told true when this process begins to lead and false when it has ceased.
	OnLeader func(leading bool)
	// OnLease, if set, is given what tells, by this process's clock, whether nobody else can lead yet. A process that
	// was frozen and wakes up knows by that before it hears of anything else.
	OnLease func(counts func() bool)
	// Logger takes what the election has to say.
	Logger *slog.Logger
}

// NewLeaseClient makes the client of the Lease, with a rate limit of its own so that a storm of other requests cannot
// cost the leadership, and a timeout of half the renewal deadline so that one lost answer leaves time for another try.
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

// NewIdentity returns HOSTNAME_UUID: a person sees whose it is, and a restarted pod is not taken for its predecessor.
func NewIdentity(hostname string) string {
	return hostname + "_" + string(uuid.NewUUID())
}

// Run waits until this process holds the Lease and then runs lead, once. With Enabled false it just runs lead.
//
// When ctx ends, the context of lead ends, and when lead has returned the Lease is released: a standby takes over at
// once, and never beside work in hand. It then returns nil or what lead returned; context.Canceled counts as nil.
//
// When the Lease is lost, which is the case RenewDeadline after the last renewal or when another holder is seen, the
// context of lead ends and ErrLeadershipLost is returned, wrapped.
//
// In both cases lead gets LeaseDuration-RenewDeadline to return; else the error is or wraps ErrDrainTimeout and lead
// is left behind: exit the process. When lead returns on its own the Lease is released and its error returned.
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
	// elected is closed when the Lease is held, stopped when the elector has ended.
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
		// client-go would release as soon as it stops, also after a loss and with work still in hand.
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
	// The elector outlives ctx: it goes on renewing until the work in hand is done.
	base := klog.NewContext(context.WithoutCancel(ctx), logr.FromSlogHandler(c.config.Logger.Handler()))
	electing, stopElecting := context.WithCancel(base)
	defer stopElecting()
	go func() {
		defer close(c.stopped)
		c.elector.Run(electing)
	}()

	select {
	case <-ctx.Done():
		// It may have been elected this very moment.
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

// lead runs lead and returns when it has returned or has used up its time. It ends the elector when the Lease is lost.
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

// drain waits for lead to return, for as long as nobody else can lead.
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

// resign ends the elector and releases the Lease if this process holds it. Failing that it runs out by itself, which
// is no error of this process.
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

// ignoreCanceled drops the error that only says that ctx has ended as it was meant to.
func ignoreCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
