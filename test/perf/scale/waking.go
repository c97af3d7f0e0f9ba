package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// waking is what a change to a pool woke.
type waking struct {
	what string
	// concerned is how many Clusters it concerns; looks is how often the operator looked at one.
	concerned, looks int
	// others is how often others changed a Cluster or a claim meanwhile; each change justifies a look.
	others int
	cpu    time.Duration
	writes map[string]int
}

// spare is the pool that is changed: it gives no addresses, since the pools of the classes come before it.
const spare = "scale-spare"

// wakings changes a pool in several ways.
func (g *rig) wakings(ctx context.Context, f *figures) (err error) {
	g.say("  changing a pool")
	operator, _, err := g.start(ctx, never)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, operator.Kill()) }()
	if _, err := g.rest(ctx, operator, f.size); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, harness.Delete(context.WithoutCancel(ctx), g.client.Resource(pools), spare))
	}()
	label := func(class string) func() error {
		return func() error { return g.relabel(ctx, map[string]string{names.ClusterClass: class}) }
	}
	first := tenant{number: g.random.IntN(tenants(g.filled))}
	second := tenant{number: (first.number + 1) % tenants(g.filled)}
	both := g.clustersOf(first) + g.clustersOf(second)
	if first.number == second.number {
		both = 0 // the label does not change
	}
	for _, step := range []struct {
		waking
		do func() error
	}{
		{waking{what: "a pool without a class appears"}, func() error {
			return g.create(ctx, harness.NewPool{
				Name: spare, Role: names.RoleIngress, Addresses: []string{"192.168.7.1"},
				Annotations: map[string]string{names.Priority: "-1"},
			})
		}},
		{waking{what: "it is labelled with a class", concerned: g.clustersOf(first)}, label(first.name())},
		{waking{what: "it is labelled with another class", concerned: both}, label(second.name())},
		{waking{what: "its class label is taken away", concerned: g.clustersOf(second)}, label("")},
		{
			waking{what: "a foreign label of it changes"}, func() error {
				return g.relabel(ctx, map[string]string{"example.com/rack": "7"})
			},
		},
	} {
		w, err := g.wake(ctx, operator, step.waking, step.do)
		if err != nil {
			return err
		}
		f.wakings = append(f.wakings, w)
	}
	return nil
}

// clustersOf returns how many Clusters a tenant has.
func (g *rig) clustersOf(t tenant) int { return min(g.filled-t.number*perTenant, perTenant) }

// wake does something and records what the operator does then.
func (g *rig) wake(ctx context.Context, operator *harness.Operator, w waking, do func() error) (waking, error) {
	mark, err := g.plane.Audit().Mark(ctx)
	if err != nil {
		return w, err
	}
	before, err := looks(ctx, operator)
	if err != nil {
		return w, err
	}
	used, err := operator.Usage()
	if err != nil {
		return w, err
	}
	if err := do(); err != nil {
		return w, err
	}
	after, err := g.rest(ctx, operator, before+w.concerned)
	if err != nil {
		return w, fmt.Errorf("%s: %w", w.what, err)
	}
	w.looks = after - before
	usage, err := operator.Usage()
	if err != nil {
		return w, err
	}
	w.cpu = usage.CPU - used.CPU
	if w.writes, err = g.writes(ctx, mark); err != nil {
		return w, err
	}
	w.others, err = g.others(ctx, mark)
	return w, err
}

// sound reports whether the operator looked at the Clusters that the change concerns, and otherwise only at those
// that others have changed.
func (w *waking) sound() bool { return w.looks >= w.concerned && w.looks <= w.concerned+w.others }

// relabel sets labels of the spare pool; an empty value removes one.
func (g *rig) relabel(ctx context.Context, labels map[string]string) error {
	values := map[string]any{}
	for key, value := range labels {
		values[key] = value
		if value == "" {
			values[key] = nil
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": values}})
	if err != nil {
		return fmt.Errorf("encode labels: %w", err)
	}
	_, err = g.client.Resource(pools).Patch(ctx, spare, types.MergePatchType, body, metav1.PatchOptions{})
	return err
}
