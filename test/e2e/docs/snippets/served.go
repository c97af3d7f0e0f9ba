package snippets

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Served is a plane with a running operator, for pages that begin after the installation.
type Served struct {
	// Kubeconfig is the path of an administrator's kubeconfig.
	Kubeconfig string

	plane    *plane.Plane
	operator *harness.Operator
}

// Serve starts a plane and an operator, and waits until it serves. The caller must call Stop.
func Serve(ctx context.Context, log io.Writer) (_ *Served, err error) {
	s := &Served{}
	if s.plane, err = plane.Start(ctx, plane.Options{Log: log, NoAudit: true}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if err := harness.Grant(ctx, s.plane); err != nil {
		return nil, err
	}
	if s.operator, err = harness.StartOperator(ctx, s.plane, harness.OperatorOptions{}); err != nil {
		return nil, err
	}
	if err := s.operator.WaitServing(ctx); err != nil {
		return nil, fmt.Errorf("wait for the operator: %w", err)
	}
	s.Kubeconfig, err = s.plane.Kubeconfig(plane.Admin())
	return s, err
}

// Stop ends both.
func (s *Served) Stop() error {
	var failures []error
	if s.operator != nil {
		failures = append(failures, s.operator.Kill())
	}
	return errors.Join(append(failures, s.plane.Stop(), harness.CleanBuilds())...)
}
