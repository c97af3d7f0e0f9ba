package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
)

// life is what happens to a Cluster until its deletion, and how often in a thousand lives.
type life struct {
	name  string
	often int
	class string
	live  func(*world, context.Context, types.NamespacedName) error
}

// lives returns the ways in which a Cluster can come and go. Those that wait take seconds each, so they are few.
func lives() []life {
	return []life{
		{"is served", 640, served, (*world).awaitServed},
		{
			"goes before it is served", 120, served, func(*world, context.Context, types.NamespacedName) error {
				return nil
			},
		},
		{"loses its annotation", 60, served, (*world).loseAnnotation},
		{"loses its claims", 60, served, (*world).loseClaims},
		{"loses its finalizers", 60, served, (*world).loseFinalizers},
		{"has a write refused", 50, served, (*world).haveRefused},
		{"finds no pool", 4, unserved, awaitReason(names.ReasonPoolNotFound)},
		{"finds its pools exhausted", 3, exhausted, awaitReason(names.ReasonPoolExhausted)},
		{"finds its address taken", 3, disputed, awaitReason(names.ReasonAddressConflict)},
	}
}

// choose returns the life for a number below the sum of all weights.
func choose(lives []life, number int) life {
	for _, life := range lives {
		if number < life.often {
			return life
		}
		number -= life.often
	}
	return lives[0]
}

// cycle lets so many Clusters come and go, several at once, and returns how often each life occurred.
func (w *world) cycle(ctx context.Context, options *options, random *rand.Rand, count int) (map[string]int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all, sum := lives(), 0
	for _, life := range all {
		sum += life.often
	}
	lived := map[string]int{}
	next := make(chan life)
	var workers sync.WaitGroup
	for range options.hands {
		workers.Go(func() {
			for life := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := w.live(ctx, life); err != nil {
					cancel(fmt.Errorf("a Cluster that %s: %w", life.name, err))
				}
			}
		})
	}
	for range count {
		life := choose(all, random.IntN(sum))
		lived[life.name]++
		next <- life
	}
	close(next)
	workers.Wait()
	return lived, context.Cause(ctx)
}

// live lets one Cluster come and go.
func (w *world) live(ctx context.Context, life life) error {
	ctx, cancel := context.WithTimeout(ctx, lifetime)
	defer cancel()
	key := types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("c%07d", w.born.Add(1))}
	cluster := &unstructured.Unstructured{Object: object(clusterVersion, "Cluster", key.Name, map[string]any{
		"topology": map[string]any{"classRef": map[string]any{fieldName: life.class}},
	})}
	cluster.SetFinalizers([]string{names.ClusterFinalizer})
	if _, err := w.Create(clusters, cluster); err != nil {
		return err
	}
	if err := life.live(w, ctx, key); err != nil {
		return fmt.Errorf("cluster %s: %w", key.Name, err)
	}
	if err := w.Delete(clusters, key, nil); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return w.awaitGone(ctx, key)
}

// awaitGone waits until nothing is left of a Cluster.
func (w *world) awaitGone(ctx context.Context, key types.NamespacedName) error {
	gone := func(object *unstructured.Unstructured) bool { return object == nil }
	if err := w.Await(ctx, clusters, key, gone); err != nil {
		return fmt.Errorf("cluster %s is still there: %w", key.Name, err)
	}
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		claim := types.NamespacedName{Namespace: key.Namespace, Name: names.ClaimName(key.Name, role)}
		if err := w.Await(ctx, claims, claim, gone); err != nil {
			return fmt.Errorf("claim %s is still there: %w", claim.Name, err)
		}
	}
	return nil
}

func isServed(object *unstructured.Unstructured) bool {
	if object == nil {
		return false
	}
	cluster := &harness.Cluster{Unstructured: object}
	return cluster.Endpoint().Host != "" && cluster.VIP(names.RoleIngress) != ""
}

func (w *world) awaitServed(ctx context.Context, key types.NamespacedName) error {
	if err := w.Await(ctx, clusters, key, isServed); err != nil {
		return fmt.Errorf("it is not served: %w", err)
	}
	return nil
}

func (w *world) loseAnnotation(ctx context.Context, key types.NamespacedName) error {
	if err := w.awaitServed(ctx, key); err != nil {
		return err
	}
	_, err := w.Update(clusters, key, func(cluster *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		annotations := cluster.GetAnnotations()
		delete(annotations, names.Annotation(names.RoleIngress))
		cluster.SetAnnotations(annotations)
		return cluster, nil
	})
	if err != nil {
		return err
	}
	return w.awaitServed(ctx, key)
}

// loseClaims deletes the claims of a Cluster and waits until there are others.
func (w *world) loseClaims(ctx context.Context, key types.NamespacedName) error {
	if err := w.awaitServed(ctx, key); err != nil {
		return err
	}
	for _, role := range []string{names.RoleControlPlane, names.RoleIngress} {
		claim := types.NamespacedName{Namespace: key.Namespace, Name: names.ClaimName(key.Name, role)}
		before := w.Get(claims, claim)
		if err := w.Delete(claims, claim, nil); err != nil {
			return err
		}
		err := w.Await(ctx, claims, claim, func(after *unstructured.Unstructured) bool {
			return after != nil && before != nil && after.GetUID() != before.GetUID()
		})
		if err != nil {
			return fmt.Errorf("claim %s does not come back: %w", claim.Name, err)
		}
	}
	return nil
}

// loseFinalizers removes a Cluster by force.
func (w *world) loseFinalizers(ctx context.Context, key types.NamespacedName) error {
	if err := w.awaitServed(ctx, key); err != nil {
		return err
	}
	if err := w.Delete(clusters, key, nil); err != nil {
		return err
	}
	_, err := w.Update(clusters, key, func(cluster *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		cluster.SetFinalizers(nil)
		return cluster, nil
	})
	if apierrors.IsNotFound(err) {
		return nil // it has gone by itself
	}
	return err
}

func (w *world) haveRefused(ctx context.Context, key types.NamespacedName) error {
	w.refusals.add(key.Name,
		apierrors.NewForbidden(clusters.GroupResource(), key.Name, errors.New("a webhook said no")))
	return w.awaitServed(ctx, key)
}

// awaitReason returns a function that waits until one of the operator's conditions has a reason.
func awaitReason(reason string) func(*world, context.Context, types.NamespacedName) error {
	return func(w *world, ctx context.Context, key types.NamespacedName) error {
		err := w.Await(ctx, clusters, key, func(object *unstructured.Unstructured) bool {
			if object == nil {
				return false
			}
			conditions := (&harness.Cluster{Unstructured: object}).Conditions()
			return slices.ContainsFunc(conditions, func(c condition) bool {
				return strings.HasSuffix(c.Type, "VIPReady") && c.Reason == reason
			})
		})
		if err != nil {
			return fmt.Errorf("it does not get to know %s: %w", reason, err)
		}
		return nil
	}
}
