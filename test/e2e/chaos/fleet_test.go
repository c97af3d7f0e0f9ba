package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	// replicas is how many replicas of the operator compete for the Lease.
	replicas = 2
	// watchFilter is the label value of the Clusters that the operator handles.
	watchFilter = "chaos"
	// restartDelay is how long a replica that has ended stays away: a kubelet's backoff, only shorter.
	restartDelay = 200 * time.Millisecond
	// serving is what a replica logs once it leads and its caches are filled.
	serving = "caches are filled, serving Clusters"
)

// neverPrinted matches a crash and a data race.
var neverPrinted = regexp.MustCompile(`panic|DATA RACE`)

// fleet is the replicas of the operator.
type fleet struct{ replicas []*replica }

// replica is one of them, run as by a Deployment: when it ends it is restarted.
type replica struct {
	plane *plane.Plane
	user  string
	proxy *harness.FaultProxy
	stop  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	operator *harness.Operator
	frozen   bool
	// away prevents a restart until it is closed.
	away   chan struct{}
	broken []error
}

func newFleet(ctx context.Context, p *plane.Plane, seed uint64) (*fleet, error) {
	f := &fleet{}
	for i := range replicas {
		user := fmt.Sprintf("capi-vip-allocator-%d", i+1)
		proxy, err := harness.NewFaultProxy(ctx, p, user, seed+uint64(i))
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		r := &replica{plane: p, user: user, proxy: proxy, stop: make(chan struct{}), done: make(chan struct{})}
		f.replicas = append(f.replicas, r)
		go r.supervise()
	}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := f.healthy(starting); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// supervise starts the operator whenever it is not running, until the replica is closed.
func (r *replica) supervise() {
	defer close(r.done)
	for {
		operator, err := harness.StartOperator(context.Background(), r.plane, harness.OperatorOptions{
			User: r.user, Kubeconfig: r.proxy.Kubeconfig, Args: []string{
				"--watch-filter=" + watchFilter, "--reconcile-period=2s", "--retry-interval=1s", "--leader-elect",
				"--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s",
				"--leader-elect-retry-period=500ms",
			},
		})
		if err != nil {
			r.note(err)
			return
		}
		r.mu.Lock()
		r.operator, r.frozen = operator, false
		r.mu.Unlock()
		select {
		case <-operator.Exited():
		case <-r.stop:
			r.note(operator.Kill())
		}
		for _, line := range operator.Logs() {
			if neverPrinted.MatchString(line.Raw) {
				r.note(fmt.Errorf("the operator printed: %s\n%s", line.Raw, operator.LogTail(20)))
			}
		}
		r.mu.Lock()
		away := r.away
		r.mu.Unlock()
		if away != nil {
			select {
			case <-away:
			case <-r.stop:
			}
		}
		select {
		case <-time.After(restartDelay):
		case <-r.stop:
			return
		}
	}
}

func (r *replica) note(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, err)
}

// current returns the operator that is running or ran last, which may be nil.
func (r *replica) current() *harness.Operator {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.operator
}

// leads reports whether the replica leads, as far as that shows from outside.
func (r *replica) leads() bool {
	operator := r.current()
	if operator == nil || len(operator.Logged(serving)) == 0 {
		return false
	}
	select {
	case <-operator.Exited():
		return false
	default:
		return !r.isFrozen()
	}
}

func (r *replica) isFrozen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frozen
}

// keepAway kills the replica and prevents a restart until comeBack.
func (r *replica) keepAway() error {
	r.mu.Lock()
	if r.away == nil {
		r.away = make(chan struct{})
	}
	operator := r.operator
	r.mu.Unlock()
	return operator.Kill()
}

// freeze pauses the process without ending it.
func (r *replica) freeze() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = true
	return unlessEnded(r.operator.Pause())
}

// unlessEnded ignores the error that a process has ended.
func unlessEnded(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// comeBack undoes everything that was done to the replica.
func (r *replica) comeBack() error {
	r.proxy.Inject(harness.Faults{})
	r.proxy.Cut(false)
	r.proxy.CatchUp()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil {
		close(r.away)
		r.away = nil
	}
	if r.frozen {
		r.frozen = false
		return unlessEnded(r.operator.Resume())
	}
	return nil
}

// leader returns the leading replica. If none leads, it returns one that is not frozen, if possible.
func (f *fleet) leader() *replica {
	chosen := f.replicas[0]
	for _, r := range f.replicas {
		if r.leads() {
			return r
		}
		if !r.isFrozen() {
			chosen = r
		}
	}
	return chosen
}

// healthy waits until all replicas run and one of them serves Clusters.
func (f *fleet) healthy(ctx context.Context) error {
	return plane.Eventually(ctx, func(ctx context.Context) error {
		led := false
		for _, r := range f.replicas {
			operator := r.current()
			if operator == nil {
				return fmt.Errorf("%s does not run", r.user)
			}
			if err := operator.Ready(ctx); err != nil {
				return fmt.Errorf("%s is not ready: %w", r.user, err)
			}
			led = led || r.leads()
		}
		if !led {
			return errors.New("nobody leads")
		}
		return nil
	})
}

// handled returns how often the leader has handled a Cluster, and which operator leads.
func (f *fleet) handled(ctx context.Context) (*harness.Operator, float64, error) {
	leader := f.leader()
	if !leader.leads() {
		return nil, 0, errors.New("nobody leads")
	}
	operator := leader.current()
	metrics, err := operator.Metrics(ctx)
	if err != nil {
		return nil, 0, err
	}
	return operator, metrics.Value("lasso_controller_total_handler_execution", nil), nil
}

// broken returns what the operators did that none may ever do.
func (f *fleet) broken() error {
	var all []error
	for _, r := range f.replicas {
		r.mu.Lock()
		all = append(all, r.broken...)
		r.mu.Unlock()
	}
	return errors.Join(all...)
}

// requests counts the faults that the proxies have caused.
func (f *fleet) requests() map[string]int {
	sum := map[string]int{}
	for _, r := range f.replicas {
		for fault, count := range r.proxy.Counts() {
			sum[fault] += count
		}
	}
	return sum
}

func (f *fleet) close() error {
	var failures []error
	for _, r := range f.replicas {
		close(r.stop)
		<-r.done
		failures = append(failures, r.proxy.Close())
	}
	return errors.Join(failures...)
}
