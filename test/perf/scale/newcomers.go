package scale

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
	"github.com/gorizond/capi-vip-allocator/test/perf/measure"
)

// newcomers has the real providers serve more Clusters, one after the other, and removes them again.
func (g *rig) newcomers(ctx context.Context, f *figures) (err error) {
	g.say("  %d more Clusters, one after the other", g.options.newcomers)
	operator, _, err := g.start(ctx, g.options.reconcile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, operator.Kill()) }()
	if err := awaitLooks(ctx, operator, f.size); err != nil {
		return err
	}
	mark, err := g.plane.Audit().Mark(ctx)
	if err != nil {
		return err
	}
	for i := range g.options.newcomers {
		if err := g.newcomer(ctx, newcomerName(i)); err != nil {
			return fmt.Errorf("%w\nthe operator's log ends with:\n%s", err, operator.LogTail(20))
		}
	}
	entries, err := g.plane.Audit().Since(ctx, mark)
	if err != nil {
		return err
	}
	f.shares = measure.Collect(measure.Shares(entries, modelTenant), measure.Share.All)
	if len(f.shares) != g.options.newcomers {
		return fmt.Errorf("the audit log tells how %d of %d newcomers were served", len(f.shares), g.options.newcomers)
	}
	return g.remove(ctx)
}

func newcomerName(i int) string { return fmt.Sprintf("newcomer-%03d", i) }

func (g *rig) newcomer(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := g.serve(ctx, name); err != nil {
		return err
	}
	return measure.Quiet(ctx, g.plane, measure.Step)
}

// remove deletes the newcomers and waits until they are gone.
func (g *rig) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	target := g.client.Resource(clusters).Namespace(modelTenant)
	for i := range g.options.newcomers {
		if err := harness.Delete(ctx, target, newcomerName(i)); err != nil {
			return err
		}
	}
	for i := range g.options.newcomers {
		err := plane.Eventually(ctx, func(ctx context.Context) error {
			_, err := target.Get(ctx, newcomerName(i), metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return errors.Join(err, fmt.Errorf("cluster %s is still there", newcomerName(i)))
		})
		if err != nil {
			return err
		}
	}
	return measure.Quiet(ctx, g.plane, quietWindow)
}
