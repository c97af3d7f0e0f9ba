package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// operation is something done by users, administrators or fate.
type operation struct {
	name   string
	weight int
	fault  bool
	// possible reports whether the model allows it; nil if it always does.
	possible func(*chaos) bool
	do       func(*chaos, *rapid.T)
}

func operations() []operation {
	all := append(clusterOperations(), poolOperations()...)
	return append(append(all, faults()...),
		operation{name: "let it run", weight: 8, do: (*chaos).letItRun},
		operation{name: "wait until all is quiet", weight: 2, do: func(c *chaos, _ *rapid.T) { c.quiet() }},
	)
}

// on makes an operation on one of the matching Clusters. Cluster API's webhooks must be running for it.
func on(name string, weight int, such func(*cluster) bool, do func(*chaos, *rapid.T, *cluster)) operation {
	return operation{
		name: name, weight: weight,
		possible: func(c *chaos) bool { return !c.down[plane.CAPI] && len(c.choose(such)) > 0 },
		do: func(c *chaos, rt *rapid.T) {
			do(c, rt, pick(rt, c.choose(such), "Cluster"))
		},
	}
}

func clusterOperations() []operation {
	quick := func(c *cluster) bool { return editable(c) && !c.stays() }
	return []operation{
		on("create a Cluster", 12, func(c *cluster) bool { return c.state == absent }, (*chaos).create),
		on("restore a claim, then its Cluster", 2, func(c *cluster) bool { return c.state == absent && !c.orphaned },
			(*chaos).restore),
		on("delete a Cluster", 4, editable, func(c *chaos, _ *rapid.T, k *cluster) {
			c.delete(k, metav1.DeletePropagationBackground)
		}),
		on("delete a Cluster in foreground", 2, editable, func(c *chaos, _ *rapid.T, k *cluster) {
			c.delete(k, metav1.DeletePropagationForeground)
		}),
		on("delete a Cluster and create it anew at once", 3, quick, (*chaos).recreate),
		on("tear a Cluster away and create it anew at once", 2, quick, (*chaos).tear),
		on("hold the deletion of a Cluster", 2, func(c *cluster) bool { return quick(c) && !c.follows }, (*chaos).hold),
		on("delete a Cluster in use", 3, func(c *cluster) bool {
			return quick(c) && !c.follows
		}, func(c *chaos, rt *rapid.T, k *cluster) {
			c.hold(rt, k)
			c.delete(k, metav1.DeletePropagationBackground)
		}),
		on("end the hold of a Cluster", 4, func(c *cluster) bool { return c.held }, (*chaos).unhold),
		on("pause a Cluster", 4, func(c *cluster) bool { return editable(c) && !c.paused }, (*chaos).pause),
		on("end the pause of a Cluster", 6, func(c *cluster) bool { return c.paused }, (*chaos).unpause),
		on("edit a Cluster", 6, editable, (*chaos).edit),
		on("change a VIP's annotation by hand", 14, editable, (*chaos).annotate),
		on("lose the conditions of a Cluster", 4, editable, (*chaos).loseStatus),
		on("take the finalizer away by hand", 3, editable, (*chaos).unfinalize),
		on("set a host by hand", 2, func(c *cluster) bool { return editable(c) && c.byHand == "" }, (*chaos).setHost),
		on("delete a claim by hand", 6, func(c *cluster) bool { return editable(c) && !c.fresh }, (*chaos).loseClaim),
	}
}

// loseStatus removes the allocator's conditions from a Cluster, as a restore without status or kubectl edit does.
func (c *chaos) loseStatus(_ *rapid.T, k *cluster) {
	c.user("take the conditions of Cluster "+k.name+" away", func(ctx context.Context) error {
		conditions := map[string]any{"conditions": nil}
		if c.Version == "v1beta1" {
			conditions = map[string]any{"v1beta2": conditions}
		}
		err := harness.Merge(ctx, c.Clusters(c.name), k.name, map[string]any{"status": conditions}, "status")
		if apierrors.IsInvalid(err) {
			return nil // Cluster API has not written its part yet, and a status may not be empty
		}
		return err
	})
}

func (c *chaos) create(rt *rapid.T, k *cluster) {
	object := harness.NewCluster{
		Namespace: c.name, Name: k.name, Class: c.name, Labels: map[string]string{names.WatchFilter: watchFilter},
	}
	k.create()
	switch between(rt, 0, 7, "kind") {
	case 0:
		object.Paused, k.paused = true, true
	case 1:
		object.Host, object.Port = k.name+".example.com", 6443
		k.byHand = object.Host
	case 2:
		object.Port = 9345
	}
	c.user(fmt.Sprintf(
		"create Cluster %s (paused %t, host %q, port %d)", k.name, object.Paused, object.Host, object.Port,
	), func(ctx context.Context) error {
		return c.bring(ctx, object)
	})
}

// bring creates a Cluster as soon as no other has its name.
func (c *chaos) bring(ctx context.Context, object harness.NewCluster) error {
	err := c.Create(ctx, object)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := c.Clusters(c.name).Get(ctx, object.Name, metav1.GetOptions{})
	if err == nil && existing.GetDeletionTimestamp() == nil {
		return nil // an answer was lost
	}
	return apierrors.NewServerTimeout(schema.GroupResource{Resource: "clusters"}, "create", 1) // try again
}

// restore acts like a backup tool: first the claim, which nobody owns, then the Cluster.
func (c *chaos) restore(rt *rapid.T, k *cluster) {
	var global []*pool
	for _, p := range c.pools {
		if p.namespace == "" {
			global = append(global, p)
		}
	}
	from := pick(rt, global, "pool")
	k.create()
	k.orphaned = true
	claim := harness.NewClaim{
		Namespace: c.name, Name: names.ClaimName(k.name, controlPlane), Pool: from.name, ClusterName: k.name,
	}
	object := harness.NewCluster{
		Namespace: c.name, Name: k.name, Class: c.name, Labels: map[string]string{names.WatchFilter: watchFilter},
	}
	c.user(fmt.Sprintf(
		"restore claim %s from %s, and Cluster %s", claim.Name, from.name, k.name,
	), func(ctx context.Context) error {
		if err := c.Ensure(ctx, claim); err != nil {
			return err
		}
		return c.bring(ctx, object)
	})
}

func (c *chaos) delete(k *cluster, propagation metav1.DeletionPropagation) {
	k.state = leaving
	if propagation == metav1.DeletePropagationForeground {
		k.lost[controlPlane], k.lost[ingress] = true, true
	}
	c.user(fmt.Sprintf("delete Cluster %s (%s)", k.name, propagation), func(ctx context.Context) error {
		return c.remove(ctx, k.name, propagation)
	})
}

func (c *chaos) remove(ctx context.Context, name string, propagation metav1.DeletionPropagation) error {
	err := c.Clusters(c.name).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &propagation})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// recreate deletes a Cluster and creates it again the moment it is gone.
func (c *chaos) recreate(_ *rapid.T, k *cluster) {
	c.user(fmt.Sprintf("delete Cluster %s, to create it anew", k.name), func(ctx context.Context) error {
		return c.remove(ctx, k.name, metav1.DeletePropagationBackground)
	})
	c.succeed(k)
}

// tear acts like an impatient administrator: it removes all finalizers from a Cluster in deletion.
func (c *chaos) tear(_ *rapid.T, k *cluster) {
	c.user(fmt.Sprintf(
		"delete Cluster %s and take all its finalizers away, to create it anew", k.name,
	), func(ctx context.Context) error {
		if err := c.remove(ctx, k.name, metav1.DeletePropagationBackground); err != nil {
			return err
		}
		return c.patch(ctx, k.name, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	})
	c.succeed(k)
}

// succeed creates a successor of a Cluster that goes.
func (c *chaos) succeed(k *cluster) {
	k.create()
	k.coming, k.follows = true, true
	object := harness.NewCluster{
		Namespace: c.name, Name: k.name, Class: c.name, Labels: map[string]string{names.WatchFilter: watchFilter},
	}
	ctx := c.t.Context()
	c.errands.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, calm)
		defer cancel()
		return c.repeat(ctx, func() error { return c.bring(ctx, object) })
	})
}

// hold blocks a Cluster's deletion, once Cluster API has created what can block it.
func (c *chaos) hold(_ *rapid.T, k *cluster) {
	k.held = true
	c.user("hold the deletion of Cluster "+k.name, func(ctx context.Context) error {
		return c.Plane.HoldDeletion(ctx, c.name, k.name)
	})
}

func (c *chaos) unhold(_ *rapid.T, k *cluster) {
	k.held = false
	c.user("end the hold of Cluster "+k.name, func(ctx context.Context) error {
		return c.Plane.ReleaseDeletion(ctx, c.name, k.name)
	})
}

func (c *chaos) pause(rt *rapid.T, k *cluster) {
	k.paused = true
	if rapid.Bool().Draw(rt, "by annotation") {
		c.userPatch(k, "pause by annotation", map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{names.Paused: ""}},
		})
		return
	}
	c.userPatch(k, "pause", map[string]any{"spec": map[string]any{"paused": true}})
}

func (c *chaos) unpause(_ *rapid.T, k *cluster) {
	k.paused = false
	c.userPatch(k, "unpause", map[string]any{
		"spec":     map[string]any{"paused": false},
		"metadata": map[string]any{"annotations": map[string]any{names.Paused: nil}},
	})
}

func (c *chaos) edit(rt *rapid.T, k *cluster) {
	number := between(rt, 1, 5, "number")
	value := strconv.Itoa(number)
	switch between(rt, 0, 3, "what") {
	case 0:
		c.userPatch(k, "label "+value, map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"team": value}},
		})
	case 1:
		c.userPatch(k, "annotate "+value, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"note": value}},
		})
	case 2:
		c.userPatch(k, "replicas "+value, map[string]any{
			"spec": map[string]any{"topology": map[string]any{"controlPlane": map[string]any{"replicas": number}}},
		})
	default:
		c.userPatch(k, "no variables", map[string]any{
			"spec": map[string]any{"topology": map[string]any{"variables": nil}},
		})
	}
}

// annotate removes or changes what only the operator should write.
func (c *chaos) annotate(rt *rapid.T, k *cluster) {
	key := pick(rt,
		[]string{names.Annotation(controlPlane), names.Annotation(ingress), names.TopologyGate}, "annotation")
	var value any
	if key != names.TopologyGate && rapid.Bool().Draw(rt, "change") {
		value = "by-hand"
	}
	k.tampered = k.tampered || key == names.Annotation(controlPlane)
	c.userPatch(k, fmt.Sprintf("%s=%v", key, value), map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{key: value}},
	})
}

func (c *chaos) unfinalize(_ *rapid.T, k *cluster) {
	c.user("take the finalizer from Cluster "+k.name, func(ctx context.Context) error {
		object, err := c.Clusters(c.name).Get(ctx, k.name, metav1.GetOptions{})
		if err != nil {
			return gone(err)
		}
		var left []string
		for _, finalizer := range object.GetFinalizers() {
			if finalizer != names.ReleaseFinalizer {
				left = append(left, finalizer)
			}
		}
		object.SetFinalizers(left)
		_, err = c.Clusters(c.name).Update(ctx, object, metav1.UpdateOptions{})
		return gone(err)
	})
}

// setHost gives a Cluster a host if it has none. Users never change an existing host: nobody could tell that from a
// breach.
func (c *chaos) setHost(_ *rapid.T, k *cluster) {
	host := k.name + "-by-hand.example.com"
	k.byHand = host
	c.user(fmt.Sprintf("set host %s of Cluster %s if it has none", host, k.name), func(ctx context.Context) error {
		object, err := c.Clusters(c.name).Get(ctx, k.name, metav1.GetOptions{})
		if err != nil {
			return gone(err)
		}
		if (&harness.Cluster{Unstructured: object}).Endpoint().Host != "" {
			return nil
		}
		return c.patch(ctx, k.name, map[string]any{
			"metadata": map[string]any{"resourceVersion": object.GetResourceVersion()},
			"spec":     map[string]any{"controlPlaneEndpoint": map[string]any{"host": host, "port": 6443}},
		})
	})
}

func (c *chaos) loseClaim(rt *rapid.T, k *cluster) {
	role := pick(rt, []string{controlPlane, ingress}, "role")
	k.lost[role] = true
	claim := names.ClaimName(k.name, role)
	c.user("delete claim "+claim, func(ctx context.Context) error {
		return harness.Delete(ctx, c.Claims(c.name), claim)
	})
}

// letItRun gives the components time for a few changes.
func (c *chaos) letItRun(rt *rapid.T) {
	changes := between(rt, 1, 12, "changes")
	c.logf("let it run for %d changes", changes)
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	_ = c.Await(ctx, func() error { // no error: without changes, time just runs out
		changes--
		if changes < 0 {
			return nil
		}
		return harness.ErrNotYet
	})
}

func (c *chaos) userPatch(k *cluster, what string, patch map[string]any) {
	c.user(fmt.Sprintf("edit Cluster %s: %s", k.name, what), func(ctx context.Context) error {
		return c.patch(ctx, k.name, patch)
	})
}

func (c *chaos) patch(ctx context.Context, cluster string, patch map[string]any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = c.Clusters(c.name).Patch(ctx, cluster, types.MergePatchType, body,
		metav1.PatchOptions{FieldManager: "a-user"})
	return gone(err)
}

// gone ignores the error that something does not exist.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
