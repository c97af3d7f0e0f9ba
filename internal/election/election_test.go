package election

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/gorizond/capi-vip-allocator/internal/options"
)

// The tests run in synctest bubbles, with production timings and without real waiting.

const window = options.DefaultLeaseDuration - options.DefaultRenewDeadline

func leaderConfig(client *fake.Clientset, identity string) Config {
	election := options.New().LeaderElection
	election.Namespace = "vip-system"
	return Config{
		LeaderElection: election,
		Client:         client.CoordinationV1(),
		Identity:       identity,
		Logger:         slog.New(slog.DiscardHandler),
	}
}

func lease(t *testing.T, client *fake.Clientset) *coordinationv1.Lease {
	t.Helper()
	found, err := client.CoordinationV1().Leases("vip-system").Get(t.Context(), options.DefaultLeaderElectionID,
		metav1.GetOptions{})
	require.NoError(t, err)
	return found
}

// running is a process in the election.
type running struct {
	stop    context.CancelFunc
	leading chan struct{}
	done    chan error
}

// start runs a candidate whose work takes drain to end once it is told to stop.
func start(t *testing.T, config Config, drain time.Duration) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, leading: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		r.done <- Run(ctx, config, func(ctx context.Context) error {
			close(r.leading)
			<-ctx.Done()
			<-time.After(drain)
			return ctx.Err()
		})
	}()
	return r
}

func TestRunLeadingHandsOverAfterTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var workers, leaders atomic.Int32
		config := leaderConfig(client, "first")
		config.OnLeader = func(leading bool) {
			if leading {
				leaders.Add(1)
			} else {
				leaders.Add(-1)
			}
		}
		compete := func(config Config) *running {
			ctx, stop := context.WithCancel(t.Context())
			r := &running{stop: stop, leading: make(chan struct{}), done: make(chan error, 1)}
			go func() {
				r.done <- Run(ctx, config, func(ctx context.Context) error {
					assert.Equal(t, int32(1), workers.Add(1), "two processes work at once")
					close(r.leading)
					<-ctx.Done()
					<-time.After(window - time.Second)
					workers.Add(-1)
					return nil
				})
			}()
			return r
		}
		first := compete(config)
		<-first.leading
		assert.Equal(t, int32(1), leaders.Load())

		config.Identity = "second"
		second := compete(config)
		<-time.After(time.Minute)
		assert.Equal(t, "first", *lease(t, client).Spec.HolderIdentity, "a renewed Lease should not move")

		stopped := time.Now()
		first.stop()
		<-time.After(time.Second)
		assert.Equal(t, "first", *lease(t, client).Spec.HolderIdentity,
			"the Lease should be kept while work is in hand")
		require.NoError(t, <-first.done)
		assert.Equal(t, window-time.Second, time.Since(stopped))
		<-second.leading
		assert.Less(t, time.Since(stopped), window-time.Second+2*options.DefaultRetryPeriod*6/5,
			"the standby should not wait for the Lease to run out")
		second.stop()
		require.NoError(t, <-second.done)
		assert.Empty(t, *lease(t, client).Spec.HolderIdentity)
		assert.Zero(t, leaders.Load())
	})
}

func TestRunLeadingStopsWhenTheLeaseCannotBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var down atomic.Bool
		client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return down.Load(), nil, errors.New("connection refused")
		})
		leader := start(t, leaderConfig(client, "first"), time.Second)
		<-leader.leading
		<-time.After(time.Minute)
		down.Store(true)
		cut := time.Now()
		err := <-leader.done
		require.ErrorIs(t, err, ErrLeadershipLost)
		require.NotErrorIs(t, err, ErrDrainTimeout)
		require.ErrorContains(t, err, "vip-system/capi-vip-allocator-leader")
		assert.LessOrEqual(t, time.Since(cut), options.DefaultRenewDeadline+time.Second,
			"the work should have ended before anyone else may start")
	})
}

// A Lease runs from when its renewal was sent; client-go's elector counts from the next attempt after the answer.
func TestRunLeadingStopsInTimeAlthoughAnswersAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var down atomic.Bool
		var sent atomic.Pointer[time.Time]
		const late = 3 * time.Second
		client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			if down.Load() {
				return true, nil, errors.New("connection refused")
			}
			now := time.Now()
			sent.Store(&now)
			<-time.After(late)
			return false, nil, nil
		})
		leader := start(t, leaderConfig(client, "first"), window-time.Millisecond)
		<-leader.leading
		<-time.After(time.Minute)
		require.Empty(t, leader.done, "late answers alone should not cost the leadership")
		down.Store(true)
		require.ErrorIs(t, <-leader.done, ErrLeadershipLost)
		assert.Less(t, time.Since(*sent.Load()), options.DefaultLeaseDuration,
			"the work should have ended within the last Lease")
	})
}

func TestRunLeadingStopsWhenTheLeaseIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var taken atomic.Bool
		client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return taken.Load(), nil, apierrors.NewConflict(coordinationv1.Resource("leases"), "x",
				errors.New("changed"))
		})
		leader := start(t, leaderConfig(client, "first"), 0)
		<-leader.leading
		usurped := lease(t, client)
		thief := "thief"
		usurped.Spec.HolderIdentity = &thief
		_, err := client.CoordinationV1().Leases("vip-system").Update(t.Context(), usurped, metav1.UpdateOptions{})
		require.NoError(t, err)
		taken.Store(true)
		since := time.Now()
		require.ErrorIs(t, <-leader.done, ErrLeadershipLost)
		assert.LessOrEqual(t, time.Since(since), 2*options.DefaultRetryPeriod, "seeing another holder should be enough")
		assert.Equal(t, "thief", *lease(t, client).Spec.HolderIdentity)
	})
}

func TestRunLeadingDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		leader := start(t, leaderConfig(client, "first"), time.Hour)
		<-leader.leading
		stopped := time.Now()
		leader.stop()
		require.ErrorIs(t, <-leader.done, ErrDrainTimeout)
		assert.Equal(t, window, time.Since(stopped))
		assert.Equal(t, "first", *lease(t, client).Spec.HolderIdentity,
			"what still works must not be joined by another")
		<-time.After(time.Hour)
	})
}

func TestRunLeadingStandbyStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		leader := start(t, leaderConfig(client, "first"), 0)
		<-leader.leading
		standby := start(t, leaderConfig(client, "second"), 0)
		<-time.After(time.Minute)
		standby.stop()
		require.NoError(t, <-standby.done)
		assert.Equal(t, "first", *lease(t, client).Spec.HolderIdentity,
			"a standby must not release what it does not hold")
		select {
		case <-standby.leading:
			t.Error("the standby worked")
		default:
		}
		leader.stop()
		require.NoError(t, <-leader.done)
	})
}

func TestRunLeadingReturnsTheErrorOfTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		client := fake.NewClientset()
		err := Run(t.Context(), leaderConfig(client, "first"), func(context.Context) error { return broken })
		require.ErrorIs(t, err, broken)
		assert.Empty(t, *lease(t, client).Spec.HolderIdentity, "whoever is next should not have to wait")
	})
}

func TestRunLeadingReleasesDespiteAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		var stopping, refused atomic.Bool
		client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			conflict := stopping.Load() && refused.CompareAndSwap(false, true)
			return conflict, nil, apierrors.NewConflict(coordinationv1.Resource("leases"), "x", errors.New("changed"))
		})
		leader := start(t, leaderConfig(client, "first"), 0)
		<-leader.leading
		synctest.Wait()
		stopping.Store(true)
		leader.stop()
		require.NoError(t, <-leader.done)
		assert.True(t, refused.Load())
		assert.Empty(t, *lease(t, client).Spec.HolderIdentity)
	})
}

func TestRunLeadingDisabled(t *testing.T) {
	config := leaderConfig(fake.NewClientset(), "first")
	config.Enabled, config.Client = false, nil
	var heard []bool
	config.OnLeader = func(leading bool) { heard = append(heard, leading) }
	ctx, stop := context.WithCancel(t.Context())
	require.NoError(t, Run(ctx, config, func(ctx context.Context) error {
		stop()
		return ctx.Err()
	}))
	assert.Equal(t, []bool{true, false}, heard)
}

func TestRunLeadingRefusesBadTimings(t *testing.T) {
	config := leaderConfig(fake.NewClientset(), "first")
	config.RenewDeadline = config.LeaseDuration
	err := Run(t.Context(), config, func(context.Context) error { return nil })
	require.ErrorContains(t, err, "vip-system/capi-vip-allocator-leader")
}

func TestNewLeaseClient(t *testing.T) {
	config := &rest.Config{Host: "https://127.0.0.1:6443", QPS: 1000}
	client, err := NewLeaseClient(config, 10*time.Second)
	require.NoError(t, err)
	assert.NotNil(t, client)
	assert.Zero(t, config.Timeout, "the caller's configuration should stay as it is")
	first, second := NewIdentity("host"), NewIdentity("host")
	assert.NotEqual(t, first, second)
}
