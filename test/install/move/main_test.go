package move

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

// patience is how long anything may take, even on a busy machine.
const patience = 2 * time.Minute

// suite is two management clusters, each with the operator and its admission policy, and what moves between them.
var suite struct {
	source, target *side
	clusterctl     string
}

func TestMain(m *testing.M) {
	code := 1
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
	} else {
		code = m.Run()
	}
	if err := errors.Join(suite.source.end(), suite.target.end(), harness.CleanBuilds()); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func start() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	var err error
	if suite.clusterctl, err = programs.Path(ctx, programs.Clusterctl); err != nil {
		return err
	}
	if suite.source, err = newSide(ctx, "source"); err != nil {
		return err
	}
	suite.target, err = newSide(ctx, "target")
	return err
}

// side is a management cluster.
type side struct {
	*harness.World
	name       string
	guard      *harness.Guard
	operator   *harness.Operator
	kubeconfig string
}

func newSide(ctx context.Context, name string) (*side, error) {
	p, err := plane.Start(ctx, plane.Options{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	s := &side{name: name}
	if err := s.fill(ctx, p); err != nil {
		return nil, errors.Join(fmt.Errorf("the %s: %w", name, err), p.Stop())
	}
	return s, nil
}

// fill sets up everything on a plane that stays for all tests.
func (s *side) fill(ctx context.Context, p *plane.Plane) error {
	if err := harness.Grant(ctx, p); err != nil {
		return err
	}
	if err := harness.Protect(ctx, p, harness.User); err != nil {
		return err
	}
	var err error
	if s.kubeconfig, err = p.Kubeconfig(plane.Admin()); err != nil {
		return err
	}
	if s.World, err = harness.NewWorld(ctx, p); err != nil {
		return err
	}
	if s.guard, err = harness.NewGuard(s.World); err != nil {
		return err
	}
	return s.run(ctx)
}

// run starts the operator with the chart's rights, and waits until it serves.
func (s *side) run(ctx context.Context) error {
	var err error
	if s.operator, err = harness.StartOperator(ctx, s.Plane, harness.OperatorOptions{}); err != nil {
		return err
	}
	return s.operator.WaitServing(ctx)
}

// end stops everything, and reports every invariant that was broken.
func (s *side) end() error {
	if s == nil {
		return nil
	}
	var failures []error
	for _, breach := range s.guard.Breaches() {
		failures = append(failures, fmt.Errorf("an invariant was broken at the %s: %s", s.name, breach))
	}
	failures = append(failures, s.operator.Kill())
	s.Close()
	return errors.Join(append(failures, s.Plane.Stop())...)
}
