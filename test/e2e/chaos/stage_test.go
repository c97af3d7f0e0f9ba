package chaos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// patience bounds the start of each component.
const patience = 2 * time.Minute

// stage is what the cases share: a plane, the replicas of the operator, and the guard over both.
type stage struct {
	*harness.World
	guard  *harness.Guard
	fleet  *fleet
	report *report
	cases  int
}

func newStage(t *testing.T, report *report, seed uint64) *stage {
	t.Helper()
	stack, err := plane.StackFromEnv()
	require.NoError(t, err)
	p, err := plane.Start(t.Context(), plane.Options{Stack: stack, Log: t.Output()})
	require.NoError(t, err)
	s := &stage{report: report}
	if err := s.begin(t.Context(), p, seed); err != nil {
		require.NoError(t, errors.Join(err, p.Stop()))
	}
	return s
}

func (s *stage) begin(ctx context.Context, p *plane.Plane, seed uint64) error {
	if err := harness.Grant(ctx, p); err != nil {
		return err
	}
	var err error
	if s.World, err = harness.NewWorld(ctx, p); err != nil {
		return err
	}
	if s.guard, err = harness.NewGuard(s.World); err != nil {
		return err
	}
	s.fleet, err = newFleet(ctx, p, seed)
	return err
}

// close ends everything; closing nothing is fine.
func (s *stage) close(t *testing.T) {
	t.Helper()
	if s == nil {
		return
	}
	for fault, count := range s.fleet.requests() {
		s.report.requests[fault] += count
	}
	s.report.changes += s.guard.Seen()
	if err := errors.Join(s.fleet.close(), s.fleet.broken()); err != nil {
		t.Error(err)
	}
	s.Close()
	if err := s.Plane.Stop(); err != nil {
		t.Error(err)
	}
}
